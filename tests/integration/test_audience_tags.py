"""Tags and clones of audiences, through the handler."""

from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.domain.account import Role
from functions.audiences_api import handler
from tests.support.control import ACCOUNT, INPUT, OTHER_ACCOUNT, WORKSPACE, a_workspace, an_input
from tests.support.control_stack import control_stack, emptied, runs
from tests.support.http_api import Caller, a_context, a_sample

PLAYED = {"root": {"type": "event", "event": {"kind": "custom_event", "name": "Play Video"}}}
ANY = {"If-Match": "*"}


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        stores.workspaces.save(a_workspace(account_id=account_id))
        stores.workspaces.save_input(an_input(account_id=account_id, key=f"key-{account_id}"))
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


def new(**given: Any) -> dict[str, Any]:
    return {"name": "Players", "workspaces": [WORKSPACE], "inputs": [INPUT], "definition": PLAYED} | given


def test_tags_are_put_read_and_shown(call: Caller) -> None:
    created = call("POST", "/v1/audiences", new())
    path = created.headers["Location"]

    put = call("PUT", f"{path}/tags", {"tags": ["  Spring ", "VIP", "vip"]}, {"If-Match": created.headers["ETag"]})

    assert (put.status, put.body, put.headers["ETag"]) == (200, {"tags": ["Spring", "VIP"]}, '"2"')
    got = call("GET", f"{path}/tags")
    assert (got.body, got.headers["ETag"]) == (put.body, put.headers["ETag"])
    assert call("GET", path).body["tags"] == ["Spring", "VIP"]
    assert call("GET", "/v1/audiences").body["items"][0]["tags"] == ["Spring", "VIP"]
    assert call("PUT", f"{path}/tags", {"tags": []}, ANY).body == {"tags": []}


def test_the_first_spelling_of_a_tag_is_kept_in_the_whole_account(stack: SimpleNamespace, call: Caller) -> None:
    call("POST", "/v1/audiences", new(tags=["Großkunden"]))

    created = call("POST", "/v1/audiences", new(tags=["GROSSKUNDEN", "new"]))
    patched = call("PATCH", created.headers["Location"], {"tags": ["NEW", "grosskunden"]}, ANY)
    stranger = Caller(handler.lambda_handler, OTHER_ACCOUNT)("POST", "/v1/audiences", new(tags=["NEW"]))

    assert created.body["tags"] == ["Großkunden", "new"]
    assert patched.body["tags"] == ["new", "Großkunden"]
    assert stranger.body["tags"] == ["NEW"]


def test_a_patch_of_other_fields_leaves_the_tags(call: Caller) -> None:
    path = call("POST", "/v1/audiences", new(tags=["VIP"])).headers["Location"]

    assert call("PATCH", path, {"name": "Watchers"}, ANY).body["tags"] == ["VIP"]
    assert call("PATCH", path, {"tags": []}, ANY).body["tags"] == []


def test_tagging_an_active_audience_evaluates_nothing_anew(call: Caller, stack: SimpleNamespace) -> None:
    path = call("POST", "/v1/audiences", new(activate=True)).headers["Location"]

    call("PUT", f"{path}/tags", {"tags": ["VIP"]}, ANY)
    call("PATCH", path, {"tags": ["Spring"]}, ANY)

    assert list(runs(stack)) == [f"backfill-{ACCOUNT}-1"]
    assert call("GET", path).body["status"] == "active"


@pytest.mark.parametrize("tag", ["", "   ", "x" * 19, "\U0001f600" * 19])
def test_what_is_too_short_or_long_for_a_tag_is_refused(call: Caller, tag: str) -> None:
    path = call("POST", "/v1/audiences", new()).headers["Location"]

    assert call("PUT", f"{path}/tags", {"tags": ["VIP", tag]}, ANY).pointers == ["/tags/1"]
    assert call("POST", "/v1/audiences", new(tags=[tag])).pointers == ["/tags/0"]
    assert call("PATCH", path, {"tags": [tag]}, ANY).pointers == ["/tags/0"]
    assert call("GET", "/v1/tags").body["items"] == []


def test_the_length_of_a_tag_is_that_of_what_is_left_after_trimming(call: Caller) -> None:
    longest = "\U0001f600" * 18

    created = call("POST", "/v1/audiences", new(tags=[f"  {longest}  "]))

    assert created.body["tags"] == [longest]
    assert call("POST", "/v1/audiences", new(tags=[f"tag {each}" for each in range(50)])).status == 201
    assert call("POST", "/v1/audiences", new(tags=[f"tag {each}" for each in range(51)])).pointers == ["/tags"]


def test_tags_need_the_version_that_they_replace(call: Caller) -> None:
    path = call("POST", "/v1/audiences", new()).headers["Location"]

    assert call("PUT", f"{path}/tags", {"tags": []}).status == 428
    assert call("PUT", f"{path}/tags", {"tags": []}, {"If-Match": '"7"'}).status == 412


def test_the_tags_of_the_account_are_counted(call: Caller) -> None:
    call("POST", "/v1/audiences", new(tags=["zoo", "Spring"]))
    other = call("POST", "/v1/audiences", new(tags=["spring", "once"])).headers["Location"]
    call("PUT", f"{other}/tags", {"tags": ["SPRING"]}, ANY)

    assert call("GET", "/v1/tags").body == {
        "items": [{"tag": "Spring", "audiences": 2}, {"tag": "zoo", "audiences": 1}],
        "next": None,
    }
    assert Caller(handler.lambda_handler, OTHER_ACCOUNT)("GET", "/v1/tags").body["items"] == []


def test_a_clone_is_a_draft_of_the_same_definition_scope_and_tags(call: Caller, stack: SimpleNamespace) -> None:
    original = call("POST", "/v1/audiences", new(external_name="Fans", tags=["VIP"], activate=True))
    maker = Caller(handler.lambda_handler, ACCOUNT, Role.AUDIENCES_ONLY, "client-2")

    cloned = maker("POST", f"{original.headers['Location']}/clone")

    assert cloned.status == 201
    assert (cloned.headers["Location"], cloned.headers["ETag"]) == ("/v1/audiences/2", '"1"')
    kept = ("definition", "workspaces", "inputs", "scope", "kind", "tags")
    assert {name: cloned.body[name] for name in kept} == {name: original.body[name] for name in kept}
    assert (cloned.body["name"], cloned.body["external_name"]) == ("Copy of Players", "Copy of Players")
    assert (cloned.body["status"], cloned.body["activated_at"], cloned.body["size"]) == ("draft", None, None)
    assert (cloned.body["id"], cloned.body["version"], cloned.body["created_by"]) == (2, 1, "client-2")
    assert cloned.body["created_at"] > original.body["created_at"]
    assert call("GET", original.headers["Location"]).body == original.body
    assert len(runs(stack)) == 1
    assert call("POST", "/v1/audiences/2/activate").body["status"] == "active"


def test_a_clone_may_be_given_a_name(call: Caller) -> None:
    path = call("POST", "/v1/audiences", new(name="x" * 100)).headers["Location"]

    assert call("POST", f"{path}/clone", {"name": "Mine"}).body["name"] == "Mine"
    assert call("POST", f"{path}/clone", {}).body["name"] == "Copy of " + "x" * 92
    assert call("POST", f"{path}/clone", {"name": ""}).pointers == ["/name"]
    assert call("POST", f"{path}/clone", {"nome": "Mine"}).pointers == ["/nome"]
    assert call("POST", "/v1/audiences/99/clone").status == 404


def test_a_repeated_clone_is_one(call: Caller) -> None:
    path = call("POST", "/v1/audiences", new()).headers["Location"]
    key = {"Idempotency-Key": "one"}

    first, again = (call("POST", f"{path}/clone", {"name": "Mine"}, key) for _ in range(2))
    other = call("POST", f"{path}/clone", {"name": "Yours"}, key)

    assert (again.status, again.body, again.headers) == (201, first.body, first.headers)
    assert other.status == 422
    assert len(call("GET", "/v1/audiences").body["items"]) == 2


def test_a_clone_nests_what_its_original_nests(call: Caller) -> None:
    inner = call("POST", "/v1/audiences", new(name="Inner")).headers["Location"]
    nesting = {"root": {"type": "audience_membership", "audience_id": 1}}
    outer = call("POST", "/v1/audiences", new(name="Outer", definition=nesting)).headers["Location"]

    call("POST", f"{outer}/clone")

    assert "Outer (2), Copy of Outer (3)" in call("DELETE", inner).body["detail"]


@pytest.mark.parametrize(("sample", "status"), [("audiences_api_clone", 404), ("audiences_api_put_tags", 404)])
def test_sample_events_are_understood(stack: SimpleNamespace, sample: str, status: int) -> None:
    answer = handler.lambda_handler(a_sample(sample), a_context())

    assert answer["statusCode"] == status
    assert "there is no audience 1" in answer["body"]
