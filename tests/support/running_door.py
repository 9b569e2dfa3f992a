"""The HTTP API of a local stack, asked in the words of `FrontDoor`; stores that look into the same stack."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from audience_core import wiring
from audience_core.domain.account import Client, Role
from local.aws import ACCESS_KEY, REGION
from local.stack import Stack, ensure_stack
from tests.support.access import open_accounts
from tests.support.control import ACCOUNT
from tests.support.http_api import Answer
from tests.support.shop import invoke
from tests.support.whole_stack import forget_wiring

_OF_THE_CONNECTION = {"host", "content-length", "connection"}


class RunningDoor:
    """Sends a request to the stack's own gateway."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        given = [
            (name.encode("latin-1"), value.encode("latin-1", "replace"))
            for name, value in (headers or {}).items()
            if name.lower() not in _OF_THE_CONNECTION
        ]
        answer = self._client.request(method, quote(path), content=text, headers=given, params=query)
        try:
            content = answer.json() if answer.content else None
        except ValueError:
            content = answer.text
        return Answer(answer.status_code, answer.headers, content)


@contextmanager
def a_running_api(folder: Path) -> Iterator[tuple[RunningDoor, dict[str, str]]]:
    """The gateway of a stack whose accounts are those of `open_accounts`, and headers of an admin of the first."""
    with ensure_stack(folder) as stack, pytest.MonkeyPatch.context() as patch:
        outputs, functions = stack.outputs, stack.client("lambda")
        known = functions.get_function_configuration(FunctionName=outputs["AccountsAdminFunction"])
        for name, value in known["Environment"]["Variables"].items():
            patch.setenv(name, value)
        for name, value in {"AWS_ENDPOINT_URL": stack.endpoint, "AWS_REGION": REGION}.items():
            patch.setenv(name, value)
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, ACCESS_KEY)
        forget_wiring()
        open_accounts(wiring.stores())
        with httpx.Client(base_url=outputs["ApiUrl"], timeout=60) as client:
            yield RunningDoor(client), _of_an_admin(stack)
    forget_wiring()


def _of_an_admin(stack: Stack) -> dict[str, str]:
    """A client of the stack's pool, which may speak for the first account."""
    client = invoke(stack, stack.outputs["AccountsAdminFunction"], {"action": "create_account", "name": "Fuzz"})
    role = Client(client_id=client["client_id"], account_id=ACCOUNT, role=Role.ADMIN, name="Fuzz")
    wiring.stores().accounts.save_client(role)
    form = {"grant_type": "client_credentials", "scope": client["scope"]}
    credential = client["client_id"], client["client_secret"]
    token = httpx.post(stack.outputs["TokenUrl"], data=form, auth=credential, timeout=30)
    return {"Authorization": f"Bearer {token.json()['access_token']}"}
