"""What is refused of lifetime audiences, and how clearly."""

from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring, wiring_archive
from audience_core.domain.account import Role
from tests.support.control import (
    ACCOUNT,
    OTHER_ACCOUNT,
    a_workspace,
    an_input,
)
from tests.support.control_stack import runs
from tests.support.http_api import Caller
from tests.support.lifetime_stack import (
    CALCULATIONS,
    PREMIUM,
    a_draft,
    created,
    days_ago,
    definition,
    everything,
    opened,
    premium_stack,
    run,
    started,
    three_buyers,
)


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return premium_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = opened(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    wiring_archive.calculation.cache_clear()
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(everything, PREMIUM)


def test_an_account_without_them_has_no_lifetime_audiences(stack: SimpleNamespace) -> None:
    call = Caller(everything, ACCOUNT)
    stack.workspaces.save(a_workspace())
    stack.workspaces.save_input(an_input())

    answers = [
        call("POST", "/v1/audiences", a_draft()),
        started(call, 1),
        call("GET", f"{CALCULATIONS}/quota"),
    ]

    assert [answer.status for answer in answers] == [403, 403, 403]
    assert all("plan" in answer.body["detail"] for answer in answers)


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        ({"date_range": {"start": "2020-02-01", "end": "2020-01-31"}}, "/date_range/end"),
        ({"date_range": {"start": "yesterday"}}, "/date_range/start"),
        ({"date_range": {"days": 3}}, "/date_range/days"),
        ({"activate": True}, "/activate"),
        ({"kind": "real_time", "date_range": {}}, "/date_range"),
        ({"kind": "real_time", "recalculation": {"every_days": 7}}, "/recalculation"),
        ({"recalculation": {"every_days": 29}}, "/recalculation/every_days"),
        ({"recalculation": {"every_days": 0}}, "/recalculation/every_days"),
        ({"recalculation": {"weekly": True}}, "/recalculation"),
        ({"definition": {"root": {"type": "all_of", "criteria": []}}}, "/definition/root/criteria"),
        ({"definition": None}, "/definition"),
    ],
)
def test_what_makes_no_lifetime_audience_is_named(call: Caller, given: dict[str, Any], pointer: str) -> None:
    answer = call("POST", "/v1/audiences", a_draft(**given))

    assert answer.status == 422
    assert any(each.startswith(pointer) for each in answer.pointers), answer.body


def test_days_outside_of_the_data_are_named(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    fine = created(call)
    early, late = (created(call, date_range=days) for days in ({"end": "2001-01-01"}, {"start": days_ago(2)}))

    answer = started(call, fine, early, late)

    assert (answer.status, answer.pointers) == (422, ["/audience_ids/1", "/audience_ids/2"])
    assert call("GET", f"{CALCULATIONS}/quota").body["used"] == 0
    assert call("GET", f"/v1/audiences/{fine}").body["status"] == "draft"


def test_an_archive_without_events_cannot_be_read(call: Caller) -> None:
    answer = started(call, created(call))

    assert (answer.status, "compact" in answer.body["detail"]) == (409, True)


def test_an_exhausted_quota_is_told_and_takes_nothing(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    first, second = created(call), created(call)
    started(call, first)

    answer = started(call, second)

    assert answer.status == 409
    assert answer.body["detail"] == "this takes 2 credits, and 1 of 3 are left for 365 days"
    assert call("GET", f"/v1/audiences/{second}").body["status"] == "draft"
    assert len(call("GET", CALCULATIONS).body["items"]) == 1


def test_an_audience_is_in_one_calculation_at_a_time(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    audience = created(call, date_range={"start": days_ago(300)})
    started(call, audience)

    answer = started(call, audience)

    assert (answer.status, "lifetime-1" in answer.body["detail"]) == (409, True)
    assert call("GET", f"{CALCULATIONS}/quota").body["used"] == 1


def test_only_drafts_change(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    audience = created(call)
    path, anyway = f"/v1/audiences/{audience}", {"If-Match": "*"}
    edits: list[dict[str, Any]] = [{"definition": definition(name="view")}, {"date_range": {"start": "2020-01-01"}}]
    assert [call("PATCH", path, edit, anyway).status for edit in edits] == [200, 200]
    calculated = created(call)
    calculation = started(call, calculated).body["id"]

    during = [call("PATCH", f"/v1/audiences/{calculated}", edit, anyway).status for edit in edits]
    deleted = call("DELETE", f"/v1/audiences/{calculated}").status
    run(stack, calculation)
    after = [call("PATCH", f"/v1/audiences/{calculated}", edit, anyway).status for edit in edits]
    renamed = call("PATCH", f"/v1/audiences/{calculated}", {"name": "Shoppers"}, anyway)

    assert (during, deleted, after) == ([409, 409], 409, [409, 409])
    assert (renamed.status, renamed.body["name"], renamed.body["status"]) == (200, "Shoppers", "ready")


@pytest.mark.parametrize("action", ["activate", "deactivate", "archive"])
def test_a_lifetime_draft_is_not_activated_nor_archived(call: Caller, action: str) -> None:
    assert call("POST", f"/v1/audiences/{created(call)}/{action}").status == 409


def test_what_looks_at_profiles_cannot_answer_for_them(call: Caller) -> None:
    path = f"/v1/audiences/{created(call)}"

    answers = [
        call("GET", f"{path}/estimate"),
        call("GET", f"{path}/explain", mpid="5"),
        call("PATCH", path, {"definition": definition(name="view")}, {"If-Match": "*"}, dry_run="true"),
    ]

    assert [answer.status for answer in answers] == [409, 409, 409]


def test_members_are_asked_for_when_there_are_some(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    audience = created(call)

    before = call("GET", f"/v1/audiences/{audience}/members")
    run(stack, started(call, audience).body["id"])
    past = call("GET", f"/v1/audiences/{audience}/members", at="2026-01-01T00:00:00Z")

    assert (before.status, past.status, past.pointers) == (409, 422, ["/query/at"])


def test_a_lifetime_audience_is_no_part_of_others(call: Caller) -> None:
    part = {"root": {"type": "audience_membership", "audience_id": created(call)}}

    for kind in ("real_time", "lifetime"):
        answer = call("POST", "/v1/audiences", a_draft(kind=kind, definition=part))
        assert (answer.status, answer.pointers) == (422, ["/definition/root/audience_id"])


def test_a_draft_is_no_part_of_a_calculation(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    part = created(call, kind="real_time")
    audience = created(call, definition={"root": {"type": "audience_membership", "audience_id": part}})

    assert started(call, audience).status == 409


def test_only_lifetime_audiences_are_calculated(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)

    answer = started(call, created(call), created(call, kind="real_time"), 12345)

    assert (answer.status, answer.pointers) == (422, ["/audience_ids/1"])
    assert started(call).status == 422


def test_other_accounts_and_readers_cannot(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    calculation = started(call, created(call)).body["id"]

    assert Caller(everything, OTHER_ACCOUNT)("GET", f"{CALCULATIONS}/{calculation}").status == 404
    reader = Caller(everything, PREMIUM, Role.READ_ONLY)
    assert reader("POST", CALCULATIONS, {"audience_ids": [1]}).status == 403
    assert reader("GET", CALCULATIONS).status == 200


def test_the_archive_tells_what_it_holds_and_is_compacted_on_demand(stack: SimpleNamespace, call: Caller) -> None:
    assert call("GET", "/v1/archive").body["version"] == 0
    three_buyers(stack)

    found = call("GET", "/v1/archive").body
    answer = call("POST", "/v1/archive/compactions")

    assert (found["version"], found["shards"], found["users"], found["events"]) == (1, 2, 4, 5)
    assert found["first_at"] < found["last_at"]
    assert answer.status == 202
    assert runs(stack)[answer.body["run"]] == {"account_id": PREMIUM, "token": 0}
