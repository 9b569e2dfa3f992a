"""The workspaces API, through its handler."""

import hashlib
import re
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from audience_core import wiring
from audience_core.domain.account import Client, Role
from audience_core.errors import UnauthenticatedError
from audience_core.pipeline.authorize_input import authorize_input
from functions.workspaces_api import handler
from tests.support.control import ACCOUNT, OTHER_ACCOUNT, an_audience
from tests.support.control_stack import control_stack, emptied
from tests.support.http_api import Answer, Caller, a_context, a_sample, an_event


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


@pytest.fixture
def stranger(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, OTHER_ACCOUNT)


def test_a_workspace_is_created_renamed_listed_and_deleted(call: Caller) -> None:
    created = call("POST", "/v1/workspaces", {"name": "Shop"})
    path = created.headers["Location"]

    renamed = call("PATCH", path, {"name": "Web shop"}, {"If-Match": created.headers["ETag"]})
    listed = call("GET", "/v1/workspaces")
    deleted = call("DELETE", path, headers={"If-Match": renamed.headers["ETag"]})

    assert (created.status, created.headers["ETag"]) == (201, '"1"')
    assert re.fullmatch(r"w-[0-9a-f]{12}", created.body["id"])
    assert (renamed.status, renamed.body["name"], renamed.headers["ETag"]) == (200, "Web shop", '"2"')
    assert listed.body == {"items": [renamed.body], "next": None}
    assert deleted.status == 204
    assert call("GET", path).status == 404


def test_admins_see_who_may_sign_in_for_their_account(call: Caller, stranger: Caller, stack: SimpleNamespace) -> None:
    for client_id, account in (
        ("ann@shop.example", ACCOUNT),
        ("4f2machine", ACCOUNT),
        ("bob@other.example", OTHER_ACCOUNT),
    ):
        stack.accounts.save_client(Client(client_id=client_id, account_id=account, role=Role.USER, name="Somebody"))

    people = call("GET", "/v1/people").body["items"]

    assert people == [{"email": "ann@shop.example", "role": "user"}]
    assert [each["email"] for each in stranger("GET", "/v1/people").body["items"]] == ["bob@other.example"]
    assert Caller(handler.lambda_handler, ACCOUNT, Role.USER)("GET", "/v1/people").status == 403


def test_an_update_says_which_version_it_changes(call: Caller) -> None:
    path = call("POST", "/v1/workspaces", {"name": "Shop"}).headers["Location"]

    missing = call("PATCH", path, {"name": "A"})
    stale = call("PATCH", path, {"name": "A"}, {"If-Match": '"7"'})
    nonsense = call("PATCH", path, {"name": "A"}, {"If-Match": 'W/"1"'})
    whatever = call("PATCH", path, {"name": "A"}, {"If-Match": "*"})

    assert [missing.status, stale.status, nonsense.status, whatever.status] == [428, 412, 412, 200]
    assert call("DELETE", path, headers={"If-Match": '"1"'}).status == 412


def test_an_input_returns_its_secret_once_and_rotates(call: Caller, stack: SimpleNamespace) -> None:
    home = call("POST", "/v1/workspaces", {"name": "Shop"}).headers["Location"]

    created = call("POST", f"{home}/inputs", {"name": "iOS", "kind": "feed"})
    path = created.headers["Location"]
    read = call("GET", path)
    rotated = call("POST", f"{path}/rotate")

    assert created.status == 201
    assert re.fullmatch(r"us1-[0-9a-f]{20}", created.body["key"])
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", created.body["secret"])
    assert "secret" not in read.body
    assert rotated.body["key"] != created.body["key"]
    assert rotated.body["secret"] != created.body["secret"]
    stored = stack.workspaces.input_by_key(rotated.body["key"])
    assert stored.secret_sha256 == hashlib.sha256(rotated.body["secret"].encode()).hexdigest()


def test_a_rotation_keeps_the_key_before_for_a_grace_that_can_be_ended(call: Caller, stack: SimpleNamespace) -> None:
    home = call("POST", "/v1/workspaces", {"name": "Shop"}).headers["Location"]
    created = call("POST", f"{home}/inputs", {"name": "iOS"})
    path = created.headers["Location"]

    rotated = call("POST", f"{path}/rotate", {"grace_hours": 2})
    assert rotated.body["previous_key"] == created.body["key"]
    left = datetime.fromisoformat(rotated.body["previous_key_valid_until"]) - datetime.now(UTC)
    assert timedelta(hours=1, minutes=59) < left <= timedelta(hours=2)
    assert accepts(stack, created)
    assert accepts(stack, rotated)

    revoked = call("POST", f"{path}/revoke-previous")
    assert (revoked.status, revoked.body["previous_key"]) == (200, None)
    assert accepts(stack, rotated)
    assert not accepts(stack, created)
    assert call("POST", f"{path}/revoke-previous").body == revoked.body

    at_once = call("POST", f"{path}/rotate", {"grace_hours": 0})
    assert accepts(stack, at_once)
    assert not accepts(stack, rotated)
    assert call("POST", f"{path}/rotate", {"grace_hours": 169}).pointers == ["/grace_hours"]


def accepts(stack: SimpleNamespace, answer: Answer) -> bool:
    credential = b64encode(f"{answer.body['key']}:{answer.body['secret']}".encode()).decode()
    try:
        authorize_input(stack.workspaces, f"Basic {credential}", datetime.now(UTC))
    except UnauthenticatedError:
        return False
    return True


def test_an_input_is_renamed_listed_and_deleted(call: Caller) -> None:
    home = call("POST", "/v1/workspaces", {"name": "Shop"}).headers["Location"]
    created = call("POST", f"{home}/inputs", {"name": "iOS"})
    path = created.headers["Location"]

    renamed = call("PATCH", path, {"name": "Android"}, {"If-Match": created.headers["ETag"]})
    listed = call("GET", f"{home}/inputs")

    assert (renamed.body["name"], renamed.body["key"]) == ("Android", created.body["key"])
    assert listed.body["items"] == [renamed.body]
    assert call("DELETE", path).status == 204
    assert call("GET", f"{home}/inputs").body["items"] == []


def test_what_an_audience_uses_is_not_deleted(call: Caller, stack: SimpleNamespace) -> None:
    workspace = call("POST", "/v1/workspaces", {"name": "Shop"})
    an_input = call("POST", f"{workspace.headers['Location']}/inputs", {"name": "iOS"})
    stack.audiences.save(an_audience(workspaces=(workspace.body["id"],), inputs=(an_input.body["id"],)))

    refused = call("DELETE", workspace.headers["Location"])

    assert refused.status == 409
    assert "Players (1)" in refused.body["detail"]
    assert call("DELETE", an_input.headers["Location"]).status == 409


def test_another_account_finds_nothing(call: Caller, stranger: Caller) -> None:
    home = call("POST", "/v1/workspaces", {"name": "Shop"}).headers["Location"]
    place = call("POST", f"{home}/inputs", {"name": "iOS"}).headers["Location"]
    match = {"If-Match": "*"}

    answers = [
        stranger("GET", home),
        stranger("PATCH", home, {"name": "Mine"}, match),
        stranger("DELETE", home),
        stranger("GET", f"{home}/inputs"),
        stranger("POST", f"{home}/inputs", {"name": "Mine"}),
        stranger("GET", place),
        stranger("PATCH", place, {"name": "Mine"}, match),
        stranger("POST", f"{place}/rotate"),
        stranger("POST", f"{place}/revoke-previous"),
        stranger("DELETE", place),
    ]

    assert {answer.status for answer in answers} == {404}
    assert stranger("GET", "/v1/workspaces").body["items"] == []
    assert call("GET", place).body["name"] == "iOS"


def test_a_repeated_create_gives_the_first_answer(call: Caller) -> None:
    key = {"Idempotency-Key": "create-shop"}
    first = call("POST", "/v1/workspaces", {"name": "Shop"}, key)

    again = call("POST", "/v1/workspaces", {"name": "Shop"}, key)
    other = call("POST", "/v1/workspaces", {"name": "Other"}, key)

    assert (again.status, again.body, again.headers["ETag"]) == (201, first.body, first.headers["ETag"])
    assert other.status == 422
    assert len(call("GET", "/v1/workspaces").body["items"]) == 1


def test_a_repeated_create_of_an_input_does_not_tell_its_secret_again(call: Caller) -> None:
    home = call("POST", "/v1/workspaces", {"name": "Shop"}).headers["Location"]
    key = {"Idempotency-Key": "create-input"}

    first = call("POST", f"{home}/inputs", {"name": "iOS"}, key)
    again = call("POST", f"{home}/inputs", {"name": "iOS"}, key)

    assert again.body == {**first.body, "secret": None}


def test_problems_name_the_fields(call: Caller) -> None:
    answer = call("POST", "/v1/workspaces", {"name": "", "colour": "red"})

    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["title"] == "Unprocessable Content"
    assert sorted(answer.pointers) == ["/colour", "/name"]


@pytest.mark.parametrize("body", ["{", "[]", '"name"', "", None])
def test_a_body_that_is_no_object_is_refused(call: Caller, body: str | None) -> None:
    assert call("POST", "/v1/workspaces", body).status == 422


def test_other_media_types_are_refused(call: Caller) -> None:
    assert call("POST", "/v1/workspaces", "name: Shop", {"Content-Type": "text/yaml"}).status == 415
    assert call("POST", "/v1/workspaces", {"name": "Shop"}, {"Content-Type": "multipart/form-data"}).status == 415
    assert call("POST", "/v1/workspaces", {"name": "Shop"}, {"Idempotency-Key": ""}).status == 422


def test_an_unknown_path_is_a_problem(call: Caller) -> None:
    answer = call("GET", "/v1/workspaces/w-1/unknown")

    assert (answer.status, answer.headers["Content-Type"]) == (404, "application/problem+json")


def test_only_admins_change_workspaces(stack: SimpleNamespace) -> None:
    user = Caller(handler.lambda_handler, ACCOUNT, Role.USER)

    refused = user("POST", "/v1/workspaces", {"name": "Shop"})

    assert (refused.status, refused.headers["Content-Type"]) == (403, "application/problem+json")
    assert user("GET", "/v1/workspaces").status == 200


def test_a_request_without_a_principal_is_refused(stack: SimpleNamespace) -> None:
    answer = handler.lambda_handler(an_event("GET", "/v1/workspaces", None, {}, {}, None), a_context())

    assert answer["statusCode"] == 401


def test_an_unforeseen_error_tells_only_its_correlation_id(
    call: Caller, stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wiring, "stores", lambda: 1 // 0)

    answer = call("GET", "/v1/workspaces")

    assert answer.status == 500
    assert answer.body["correlation_id"] == "request-1"
    assert "division" not in str(answer.body)


@pytest.mark.parametrize(("sample", "status"), [("workspaces_api_create", 201), ("workspaces_api_create_input", 404)])
def test_sample_events_are_understood(stack: SimpleNamespace, sample: str, status: int) -> None:
    assert handler.lambda_handler(a_sample(sample), a_context())["statusCode"] == status
