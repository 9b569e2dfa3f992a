"""Whatever a client sends, the API answers as it is described, and never with a failure of its own.

`make fuzz` sends much more of it.
"""

import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any
from urllib.parse import parse_qs
from zlib import crc32

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from audience_core import wiring
from audience_core.domain.account import Role
from tests.support.access import client_of, furnish, open_accounts
from tests.support.control import ACCOUNT
from tests.support.front_door import FrontDoor
from tests.support.running_door import RunningDoor, a_running_api
from tests.support.tokens import ISSUER, a_key, a_token, publishing
from tests.support.whole_stack import WholeStack, forget_wiring

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "0"))
# Whether a local stack is asked, through its gateway, instead of the handlers.
IS_STACK_ASKED = bool(os.environ.get("FUZZ_STACK"))
DESCRIBED = json.loads((Path(__file__).parents[2] / "docs/openapi.json").read_text())
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance, status_code_conformance]
type Door = FrontDoor | RunningDoor

# They speak to partners.
APART = r"/(test|lookalike|authorize)$|/v1/oauth/callback"
DOOR: list[Door] = []
KNOWN: dict[str, Any] = {}
HEADERS: dict[str, str] = {}

type Start = Callable[[str, list[tuple[str, str]]], None]


def application(environ: dict[str, Any], start: Start) -> Iterable[bytes]:
    """The front door as a WSGI application."""
    headers = {name[5:].replace("_", "-"): value for name, value in environ.items() if name.startswith("HTTP_")}
    if environ.get("CONTENT_TYPE"):
        headers["content-type"] = environ["CONTENT_TYPE"]
    length = int(environ.get("CONTENT_LENGTH") or 0)
    body = environ["wsgi.input"].read(length).decode("utf-8", "replace") if length else None
    query = parse_qs(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    path = environ["PATH_INFO"].encode("latin-1", "replace").decode("utf-8", "replace")
    answer = DOOR[0](environ["REQUEST_METHOD"], path, body, headers, **query)
    content = b"" if answer.body is None else json.dumps(answer.body).encode()
    start(f"{int(answer.status)} Answer", [(name, str(value)) for name, value in answer.headers.items()])
    return [content]


def without_recursion(described: dict[str, Any]) -> dict[str, Any]:
    """Definitions are trees, which are made apart (`tests/unit/evaluation`); here a sound one, or any object."""
    sound = {"type": "event", "event": {"kind": "custom_event", "name": "buy"}}
    schemas = {**described["components"]["schemas"]}
    for name, root in {
        "Definition-Input": {"anyOf": [{"const": sound}, {"type": "object", "maxProperties": 2}]},
        "Definition-Output": {"type": "object"},
        "Explanation": {"type": "object"},
    }.items():
        schemas[name] = {**schemas[name], "properties": {**schemas[name]["properties"], "root": root}}
    return {**described, "components": {**described["components"], "schemas": schemas}}


def of_the_sample(context: Any) -> bool:
    """One operation in eight, unless more are asked for."""
    operation = context.operation
    return EXAMPLES > 0 or crc32(f"{operation.method} {operation.path}".encode()) % 8 == 0


described = schemathesis.openapi.from_dict(without_recursion(DESCRIBED))
schema = described.exclude(path_regex=APART).include(of_the_sample)
schema.app = application


@pytest.fixture(scope="module", autouse=True)
def furnished(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    if IS_STACK_ASKED:
        with a_running_api(tmp_path_factory.mktemp("aws")) as (door, headers):
            _furnish(door, headers)
            yield
        return
    request.getfixturevalue("aws")
    with pytest.MonkeyPatch.context() as patch:
        stack, key = WholeStack(), a_key()
        stack.tell(patch, TOKEN_ISSUER=ISSUER, JWKS_URL="")
        with publishing(key) as url:
            patch.setenv("JWKS_URL", f"{url}/jwks.json")
            forget_wiring()
            open_accounts(wiring.stores())
            token = a_token(key, client_id=client_of(ACCOUNT, Role.ADMIN), exp=time.time() + 36_000)
            _furnish(FrontDoor(stack.template), {"Authorization": f"Bearer {token}"})
            yield
        forget_wiring()


def _furnish(door: Door, headers: dict[str, str]) -> None:
    DOOR.append(door)
    HEADERS.update(headers)
    KNOWN.update(furnish(wiring.stores(), door, HEADERS, ACCOUNT, "mine"))


@schema.parametrize()
@settings(
    max_examples=max(EXAMPLES, 1),
    deadline=None,
    derandomize=EXAMPLES < 10,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case: Any) -> None:
    if Random(repr(case.path_parameters)).random() < 0.7:
        case.path_parameters = {
            name: str(KNOWN.get(name, value)) for name, value in (case.path_parameters or {}).items()
        }

    response = case.call(headers=HEADERS)

    case.validate_response(response, checks=CHECKS)
