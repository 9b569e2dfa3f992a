"""The audiences API, through its handler."""

from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.ids import AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.membership import Membership
from functions.audiences_api import handler
from tests.support.control import ACCOUNT, INPUT, OTHER_ACCOUNT, WORKSPACE, a_connection, a_workspace, an_input
from tests.support.control_stack import control_stack, emptied, runs
from tests.support.http_api import Caller, a_context, a_sample

PLAYED = {"root": {"type": "event", "event": {"kind": "custom_event", "name": "Play Video"}}}
PAID = {"root": {"type": "event", "event": {"kind": "commerce_event", "name": "purchase"}}}
ANY = {"If-Match": "*"}


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.workspaces.save(a_workspace())
    stores.workspaces.save_input(an_input())
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


@pytest.fixture
def stranger(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, OTHER_ACCOUNT)


def new(**given: Any) -> dict[str, Any]:
    return {"name": "Players", "workspaces": [WORKSPACE], "inputs": [INPUT], "definition": PLAYED} | given


def member_of(audience_id: int) -> dict[str, Any]:
    return {"root": {"type": "audience_membership", "audience_id": audience_id}}


def test_an_audience_is_drafted_activated_edited_and_deleted(call: Caller, stack: SimpleNamespace) -> None:
    created = call("POST", "/v1/audiences", new())
    path = created.headers["Location"]
    activated = call("POST", f"{path}/activate")
    edited = call("PATCH", path, {"definition": PAID}, {"If-Match": activated.headers["ETag"]})
    deleted = call("DELETE", path, headers={"If-Match": edited.headers["ETag"]})

    assert (created.status, created.body["status"], created.body["size"]) == (201, "draft", None)
    assert (activated.status, activated.body["status"], activated.body["size"]) == (200, "active", 0)
    assert activated.body["activated_at"].endswith("Z")
    assert edited.body["definition"]["root"]["event"]["name"] == "Play Video"
    assert (edited.body["definition_version"], edited.body["staged_version"]) == (1, 2)
    calculating = {"id": "backfill-2", "state": "queued", "progress": 0.0}
    assert edited.body["calculating"] in (calculating, calculating | {"state": "dead"})
    assert deleted.status == 204
    assert call("GET", path).status == 404
    assert runs(stack) == {
        f"backfill-{ACCOUNT}-{version}": {"account_id": ACCOUNT, "program_version": version, "token": 1}
        for version in (1, 2, 3)
    }


def test_an_empty_audience_has_no_volatility(call: Caller) -> None:
    created = call("POST", "/v1/audiences", new(activate=True))

    assert (created.body["size"], created.body["volatility"]) == (0, None)


def test_renaming_an_active_audience_evaluates_nothing_anew(call: Caller, stack: SimpleNamespace) -> None:
    path = call("POST", "/v1/audiences", new(activate=True)).headers["Location"]

    renamed = call("PATCH", path, {"name": "Watchers", "external_name": "Fans"}, {"If-Match": '"1"'})

    assert (renamed.body["name"], renamed.body["external_name"], renamed.body["version"]) == ("Watchers", "Fans", 2)
    assert list(runs(stack)) == [f"backfill-{ACCOUNT}-1"]


def test_without_an_external_name_it_is_the_name(call: Caller) -> None:
    path = call("POST", "/v1/audiences", new(external_name="Fans")).headers["Location"]

    emptied = call("PATCH", path, {"external_name": ""}, ANY)

    assert emptied.body["external_name"] == "Players"
    assert call("GET", "/v1/audiences").body["items"][0]["external_name"] == "Players"


def test_an_audience_of_several_workspaces_reads_inputs_of_all_of_them(call: Caller, stack: SimpleNamespace) -> None:
    stack.workspaces.save(a_workspace(workspace_id=WorkspaceId("w-2")))
    stack.workspaces.save_input(an_input(workspace_id=WorkspaceId("w-2"), input_id=InputId("i-2"), key="k-2"))

    multi = call("POST", "/v1/audiences", new(workspaces=[WORKSPACE, "w-2"], inputs=[INPUT, "i-2"]))
    outside = call("POST", "/v1/audiences", new(inputs=[INPUT, "i-2"]))
    nothing = call("POST", "/v1/audiences", new(inputs=[]))

    assert (multi.status, multi.body["scope"], multi.body["inputs"]) == (201, "multi", [INPUT, "i-2"])
    assert (outside.status, outside.pointers) == (422, ["/inputs/1"])
    assert (nothing.status, nothing.pointers) == (422, ["/inputs"])


def test_a_deactivated_audience_is_a_draft_and_its_members_are_taken_out(call: Caller, stack: SimpleNamespace) -> None:
    path = call("POST", "/v1/audiences", new(activate=True)).headers["Location"]

    deactivated = call("POST", f"{path}/deactivate")

    assert (deactivated.body["status"], deactivated.body["activated_at"]) == ("draft", None)
    assert sorted(runs(stack)) == [f"backfill-{ACCOUNT}-1", f"backfill-{ACCOUNT}-2"]


def test_activating_and_deactivating_twice_changes_nothing_more(call: Caller, stack: SimpleNamespace) -> None:
    path = call("POST", "/v1/audiences", new(activate=True)).headers["Location"]

    again = call("POST", f"{path}/activate")
    call("POST", f"{path}/deactivate")
    still = call("POST", f"{path}/deactivate")

    assert (again.status, again.body["version"]) == (200, 1)
    assert (still.status, still.body["version"]) == (200, 2)
    assert len(runs(stack)) == 2


def test_no_more_audiences_are_active_than_the_account_may_have(call: Caller) -> None:
    for number in range(3):
        call("POST", "/v1/audiences", new(name=f"Audience {number}", activate=True))
    draft = call("POST", "/v1/audiences", new()).headers["Location"]

    refused = call("POST", f"{draft}/activate")
    also_refused = call("POST", "/v1/audiences", new(activate=True))

    assert (refused.status, also_refused.status) == (409, 409)
    assert "3 of 3" in refused.body["detail"]
    listed = call("GET", "/v1/audiences").body
    assert (len(listed["items"]), listed["active"], listed["active_cap"]) == (4, 3, 3)


def test_members_are_listed_in_pages_with_ids_as_text(call: Caller, stack: SimpleNamespace) -> None:
    path = call("POST", "/v1/audiences", new(activate=True)).headers["Location"]
    members = [Membership(AudienceId(1), Mpid(mpid), 1795521600001) for mpid in (1, 2, 2**62)]
    stack.memberships.rows[ACCOUNT, AudienceId(1)] = members

    first = call("GET", f"{path}/members", limit=2).body
    rest = call("GET", f"{path}/members", limit=2, next=first["next"]).body

    assert first["items"][0] == {"mpid": "1", "since": "2026-11-24T12:00:00.001000Z"}
    assert [each["mpid"] for each in first["items"] + rest["items"]] == ["1", "2", str(2**62)]
    assert rest["next"] is None


def test_another_account_finds_nothing(call: Caller, stranger: Caller) -> None:
    path = call("POST", "/v1/audiences", new(activate=True)).headers["Location"]

    answers = [
        stranger("GET", path),
        stranger("PATCH", path, {"name": "Mine"}, ANY),
        stranger("DELETE", path),
        stranger("POST", f"{path}/activate"),
        stranger("POST", f"{path}/deactivate"),
        stranger("POST", f"{path}/clone"),
        stranger("GET", f"{path}/tags"),
        stranger("PUT", f"{path}/tags", {"tags": []}, ANY),
        stranger("GET", f"{path}/members"),
    ]

    assert {answer.status for answer in answers} == {404}
    assert stranger("GET", "/v1/audiences").body["items"] == []


def test_another_account_cannot_draw_on_these_workspaces_or_audiences(call: Caller, stranger: Caller) -> None:
    call("POST", "/v1/audiences", new())

    refused = stranger("POST", "/v1/audiences", new(definition=member_of(1)))

    assert (refused.status, refused.pointers) == (422, ["/workspaces/0", "/inputs/0"])


def test_a_nested_audience_stays_while_it_is_needed(call: Caller) -> None:
    inner = call("POST", "/v1/audiences", new(name="Inner")).headers["Location"]
    outer = call("POST", "/v1/audiences", new(name="Outer", definition=member_of(1))).headers["Location"]

    too_early = call("POST", f"{outer}/activate")
    call("POST", f"{inner}/activate")
    activated = call("POST", f"{outer}/activate")

    assert (too_early.status, activated.status) == (409, 200)
    for refused in (call("DELETE", inner), call("POST", f"{inner}/deactivate")):
        assert refused.status == 409
        assert "Outer (2)" in refused.body["detail"]
    call("POST", f"{outer}/deactivate")
    assert call("POST", f"{inner}/deactivate").status == 200


@pytest.mark.parametrize("nesting", ["create", "edit"])
def test_nesting_is_one_level_deep_and_never_in_a_circle(call: Caller, nesting: str) -> None:
    inner = call("POST", "/v1/audiences", new(name="Inner")).headers["Location"]
    call("POST", "/v1/audiences", new(name="Outer", definition=member_of(1)))
    other = call("POST", "/v1/audiences", new(name="Other")).headers["Location"]

    if nesting == "create":
        deep = call("POST", "/v1/audiences", new(definition=member_of(2)))
    else:
        deep = call("PATCH", other, {"definition": member_of(2)}, ANY)
    circle = call("PATCH", inner, {"definition": member_of(2)}, ANY)
    from_below = call("PATCH", inner, {"definition": member_of(3)}, ANY)
    itself = call("PATCH", other, {"definition": member_of(3)}, ANY)

    assert [each.status for each in (deep, circle, from_below, itself)] == [422] * 4
    assert deep.pointers == circle.pointers == itself.pointers == ["/definition/root/audience_id"]
    assert "Outer (2)" in from_below.body["errors"][0]["detail"]


def test_a_connected_audience_is_not_deleted(call: Caller, stack: SimpleNamespace) -> None:
    path = call("POST", "/v1/audiences", new()).headers["Location"]
    stack.outputs.save_connection(a_connection())

    refused = call("DELETE", path)

    assert refused.status == 409
    assert "c-000000000001" in refused.body["detail"]


def test_problems_point_into_the_definition(call: Caller) -> None:
    definition = {
        "root": {
            "type": "all_of",
            "criteria": [
                {"type": "event", "event": {"kind": "custom_event", "where": [{"attribute": "", "test": {}}]}},
                {"type": "nonsense"},
                {"type": "event", "event": {"kind": "session_start"}, "window": {"type": "on", "date": "soon"}},
            ],
        }
    }

    answer = call("POST", "/v1/audiences", new(definition=definition))

    assert answer.status == 422
    assert answer.pointers == [
        "/definition/root/criteria/0/event/where/0/attribute",
        "/definition/root/criteria/0/event/where/0/test",
        "/definition/root/criteria/1",
        "/definition/root/criteria/2/window/date",
    ]


@pytest.mark.parametrize("levels", [20, 3000, 100_000])
def test_a_bottomless_definition_is_refused(call: Caller, levels: int) -> None:
    root = '{"type":"not","criterion":' * levels + "{}" + "}" * levels

    answer = call(
        "POST", "/v1/audiences", f'{{"name":"x","workspaces":["w"],"inputs":["i"],"definition":{{"root":{root}}}}}'
    )

    assert answer.status == 422


def test_an_unsound_edit_is_refused(call: Caller) -> None:
    path = call("POST", "/v1/audiences", new()).headers["Location"]
    window = {
        "type": "between_ago",
        "older": {"amount": 2, "unit": "days"},
        "newer": {"amount": 50, "unit": "hours"},
    }

    answer = call("PATCH", path, {"definition": {"root": {"type": "last_seen", "window": window}}}, ANY)

    assert (answer.status, answer.pointers) == (422, ["/definition/root/window/older"])


def test_updates_say_which_version_they_change(call: Caller) -> None:
    path = call("POST", "/v1/audiences", new()).headers["Location"]

    assert call("PATCH", path, {"name": "A"}).status == 428
    assert call("PATCH", path, {"name": "A"}, {"If-Match": '"2"'}).status == 412
    assert call("PATCH", path, {"name": "A"}, {"If-Match": '"1"'}).status == 200


@pytest.mark.parametrize(
    ("method", "action", "body"),
    [
        ("PATCH", "", {"name": "B"}),
        ("PUT", "/tags", {"tags": ["B"]}),
        ("POST", "/activate", None),
        ("POST", "/deactivate", None),
        ("DELETE", "", None),
    ],
)
def test_no_change_is_made_to_a_version_that_its_caller_has_not_seen(
    call: Caller, method: str, action: str, body: Any
) -> None:
    path = call("POST", "/v1/audiences", new()).headers["Location"]
    before = call("PATCH", path, {"name": "A"}, {"If-Match": '"1"'})

    refused = call(method, f"{path}{action}", body, {"If-Match": '"1"'})
    garbled = call(method, f"{path}{action}", body, {"If-Match": "abc"})

    assert (refused.status, garbled.status) == (412, 412)
    assert call("GET", path).body == before.body
    assert call(method, f"{path}{action}", body, {"If-Match": before.headers["ETag"]}).status in (200, 204)


def test_a_repeated_create_makes_one_audience(call: Caller) -> None:
    key = {"Idempotency-Key": "one"}

    first = call("POST", "/v1/audiences", new(activate=True), key)
    again = call("POST", "/v1/audiences", new(activate=True), key)

    assert again.body == first.body
    assert len(call("GET", "/v1/audiences").body["items"]) == 1


def test_a_refused_create_may_be_mended_under_its_key(call: Caller) -> None:
    key = {"Idempotency-Key": "one"}

    refused = call("POST", "/v1/audiences", new(inputs=["i-none"]), key)
    mended = call("POST", "/v1/audiences", new(), key)

    assert (refused.status, mended.status) == (422, 201)


@pytest.mark.parametrize("path", ["/v1/audiences/abc", "/v1/audiences/0", "/v1/audiences/99999999999"])
def test_what_is_no_audience_id_is_not_found(call: Caller, path: str) -> None:
    assert call("GET", path).status == 404


def test_readers_read_and_audience_makers_make(stack: SimpleNamespace) -> None:
    reader = Caller(handler.lambda_handler, ACCOUNT, Role.READ_ONLY)
    maker = Caller(handler.lambda_handler, ACCOUNT, Role.AUDIENCES_ONLY)

    assert reader("POST", "/v1/audiences", new()).status == 403
    assert maker("POST", "/v1/audiences", new()).status == 201
    assert reader("GET", "/v1/audiences/1").status == 200


@pytest.mark.parametrize(("sample", "status"), [("audiences_api_create", 201), ("audiences_api_list", 200)])
def test_sample_events_are_understood(stack: SimpleNamespace, sample: str, status: int) -> None:
    assert handler.lambda_handler(a_sample(sample), a_context())["statusCode"] == status
