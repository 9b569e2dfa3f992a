"""The authorizer of the ingest routes, over the workspaces table."""

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.domain.account import PreviousCredential
from audience_core.domain.ids import InputId
from audience_core.persistence.memory.control import MemoryWorkspaceStore
from functions.authorize_input import handler
from tests.support.control import an_input
from tests.support.http_api import a_context

KEY = "us1-00000000000000000001"
SECRET = "s:cret"
SAMPLE = Path("events/authorize_input.json")


def authorization(credential: str, scheme: str = "Basic") -> str:
    return f"{scheme} {b64encode(credential.encode()).decode()}"


@pytest.fixture(autouse=True)
def stores(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    workspaces = MemoryWorkspaceStore()
    workspaces.save_input(an_input(key=KEY, secret_sha256=sha256(SECRET.encode()).hexdigest()))
    stores = SimpleNamespace(workspaces=workspaces)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    return stores


def decide(header: str | None, name: str = "authorization") -> Any:
    event = {"version": "2.0", "type": "REQUEST", "headers": {} if header is None else {name: header}}
    return handler.lambda_handler(event, a_context())


def test_a_key_and_its_secret_tell_whose_data_comes() -> None:
    assert decide(authorization(f"{KEY}:{SECRET}")) == {
        "isAuthorized": True,
        "context": {"account_id": "7", "workspace_id": "w-000000000001", "input_id": "i-000000000001"},
    }


@pytest.mark.parametrize("name", ["Authorization", "AUTHORIZATION"])
def test_the_case_of_a_header_does_not_matter(name: str) -> None:
    assert decide(authorization(f"{KEY}:{SECRET}", scheme="basic"), name)["isAuthorized"]


@pytest.mark.parametrize(
    "header",
    [
        authorization(f"{KEY}:wrong"),
        authorization(f"{KEY}:"),
        authorization(KEY),
        authorization(f"us1-unknown:{SECRET}"),
        authorization(f":{SECRET}"),
        authorization(f"{KEY}:{SECRET}", scheme="Bearer"),
        "Basic",
        "Basic !!!",
        "Basic /w==",
        "Basic é",
        "",
        None,
    ],
)
def test_anything_else_is_refused(header: str | None) -> None:
    assert decide(header) == {"isAuthorized": False}


def test_no_secret_opens_nothing_even_to_an_input_without_one(stores: SimpleNamespace) -> None:
    stores.workspaces.save_input(
        an_input(input_id=InputId("i-2"), key="us1-open", secret_sha256=sha256(b"").hexdigest())
    )

    assert not decide(authorization("us1-open:"))["isAuthorized"]
    assert not decide(authorization("us1-open"))["isAuthorized"]


def test_a_rotated_secret_no_longer_works(stores: SimpleNamespace) -> None:
    an_old = stores.workspaces.input_by_key(KEY)
    stores.workspaces.save_input(an_old.model_copy(update={"secret_sha256": sha256(b"new").hexdigest()}))

    assert not decide(authorization(f"{KEY}:{SECRET}"))["isAuthorized"]
    assert decide(authorization(f"{KEY}:new"))["isAuthorized"]


def test_the_sample_event_is_decided() -> None:
    event = json.loads(SAMPLE.read_text())

    assert handler.lambda_handler(event, a_context())["isAuthorized"]


def test_secrets_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    decide(authorization(f"{KEY}:wrong"))

    assert "wrong" not in capsys.readouterr().out


@pytest.mark.parametrize(("ends_in", "is_good"), [(timedelta(minutes=1), True), (timedelta(seconds=-1), False)])
def test_a_replaced_key_works_until_its_grace_ends(stores: SimpleNamespace, ends_in: timedelta, is_good: bool) -> None:
    before = stores.workspaces.input_by_key(KEY)
    previous = PreviousCredential(key=KEY, secret_sha256=before.secret_sha256, valid_until=datetime.now(UTC) + ends_in)
    digest = sha256(b"new").hexdigest()
    stores.workspaces.save_input(
        before.model_copy(update={"key": "us1-new", "secret_sha256": digest, "previous": previous})
    )

    assert decide(authorization("us1-new:new"))["isAuthorized"]
    assert decide(authorization(f"{KEY}:{SECRET}"))["isAuthorized"] is is_good
    assert not decide(authorization(f"{KEY}:new"))["isAuthorized"], "each key goes with its own secret"
    assert not decide(authorization(f"us1-new:{SECRET}"))["isAuthorized"]
