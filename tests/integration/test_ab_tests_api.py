"""The API of A/B tests and their outcomes, through its handler, and the workflow's function that counts them."""

import time
import uuid
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import boto3
import pytest

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.job import JobState
from audience_core.domain.membership import HistoryEntry, Membership, Reason
from audience_core.domain.profile import BUCKETS, Profile, Seen
from audience_core.errors import NotOursError
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.splits import DynamoSplitStore
from audience_core.persistence.workflows import StepFunctionsWorkflows
from functions.ab_tests_api import handler
from functions.measure_ab_test import handler as measure_ab_test
from tests.support.ab_tests import an_ab_test, mpids_in
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    INPUT,
    OTHER_ACCOUNT,
    WORKSPACE,
    a_connection,
    a_workspace,
    an_audience,
    an_input,
    an_output,
)
from tests.support.control_stack import REGION, control_stack, create_profiles_table, create_table, emptied, runs
from tests.support.http_api import Caller, a_context, a_sample

PATH = f"/v1/audiences/{AUDIENCE}/ab-test"
SPLIT = {"variations": [{"percentage": 30}, {"name": "Bold", "percentage": 20}]}
BOUGHT = {"root": {"type": "event", "event": {"kind": "custom_event", "name": "buy"}}}


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    counts = create_table("counts")
    stores.memberships = DynamoMembershipStore(create_table("memberships"), counts, REGION)
    stores.splits = DynamoSplitStore(counts, REGION)
    stores.profiles = DynamoProfileStore(create_profiles_table(), create_table("chunks"), REGION)
    arns = {name: a_machine(name) for name in ("backfill", "fill_connection", "measure_ab_test")}
    stores.machines, stores.workflows = tuple(arns.values()), StepFunctionsWorkflows(arns, REGION)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.workspaces.save(a_workspace())
    stores.workspaces.save_input(an_input())
    stores.audiences.publish(an_audience(audience_id=stores.audiences.next_id(ACCOUNT), status=AudienceStatus.ACTIVE))
    stores.outputs.save(an_output())
    return stores


def a_machine(name: str) -> str:
    client, role = boto3.client("stepfunctions", region_name=REGION), "arn:aws:iam::123456789012:role/states"
    definition = '{"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": true}}}'
    created = client.create_state_machine(name=f"{name}-{uuid.uuid4()}", definition=definition, roleArn=role)
    return str(created["stateMachineArn"])


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


def test_an_audience_is_split_looked_at_and_made_whole_again(call: Caller, stack: SimpleNamespace) -> None:
    created = call("POST", PATH, SPLIT)
    read = call("GET", PATH)
    deleted = call("DELETE", PATH, headers={"If-Match": read.headers["ETag"]})

    assert (created.status, created.headers["Location"], created.headers["ETag"]) == (201, PATH, '"2"')
    shown = [(each["name"], each["percentage"], each["is_control"], each["size"]) for each in read.body["variants"]]
    assert shown == [("Variation A", 30, False, 0), ("Bold", 20, False, 0), ("Control", 50, True, 0)]
    assert (read.body["audience_id"], read.body["status"]) == (AUDIENCE, "running")
    assert read.body["counted_at"].endswith("Z")
    assert created.body["variants"] == read.body["variants"]
    assert (deleted.status, call("GET", PATH).status) == (204, 404)


def test_sizes_are_those_of_the_member_list(call: Caller, stack: SimpleNamespace) -> None:
    call("POST", PATH, SPLIT)
    test = stack.audiences.get(ACCOUNT, AUDIENCE).ab_test
    members = [mpid for variant, size in zip(test.variants, (4, 1, 2), strict=True) for mpid in mpids_in(variant, size)]
    stack.memberships.apply(ACCOUNT, [Membership(AUDIENCE, mpid, 1) for mpid in members], [])
    stack.splits.keep(ACCOUNT, AUDIENCE, test.test_id, {})  # as if the last answer were long ago

    read = call("GET", PATH)

    assert [each["size"] for each in read.body["variants"]] == [4, 1, 2]


def test_a_draft_has_no_sizes(call: Caller, stack: SimpleNamespace) -> None:
    draft = stack.audiences.save(an_audience(audience_id=stack.audiences.next_id(ACCOUNT)))

    created = call("POST", f"/v1/audiences/{draft.audience_id}/ab-test", SPLIT)

    assert (created.status, created.body["counted_at"]) == (201, None)
    assert {each["size"] for each in created.body["variants"]} == {None}


def test_problems_name_the_fields(call: Caller, stack: SimpleNamespace) -> None:
    too_much = call("POST", PATH, {"variations": [{"percentage": 60}, {"percentage": 41}]})
    odd = call("POST", PATH, {"variations": [{"percentage": 33.5}, {"percentage": 10, "name": ""}]})
    control = call("POST", PATH, {"variations": [{"percentage": 10, "name": "Control"}]})
    many = call("POST", PATH, {"variations": [{"percentage": 1}] * 6})

    assert (too_much.status, too_much.pointers) == (422, ["/variations/1/percentage"])
    assert "101 %" in too_much.body["errors"][0]["detail"]
    assert (odd.status, odd.pointers) == (422, ["/variations/0/percentage", "/variations/1/name"])
    assert (control.status, control.pointers) == (422, ["/variations/0/name"])
    assert (many.status, many.pointers) == (422, ["/variations"])
    assert stack.audiences.get(ACCOUNT, AUDIENCE).ab_test is None


def test_a_split_is_frozen(call: Caller, stack: SimpleNamespace) -> None:
    call("POST", PATH, SPLIT)
    before = stack.audiences.get(ACCOUNT, AUDIENCE)

    assert call("POST", PATH, SPLIT).status == 409
    assert call("PUT", PATH, SPLIT).status in (404, 405)
    assert call("PATCH", PATH, SPLIT).status in (404, 405)
    assert stack.audiences.get(ACCOUNT, AUDIENCE) == before


def test_a_repeat_gets_the_first_answer(call: Caller) -> None:
    key = {"Idempotency-Key": "split"}
    created = call("POST", PATH, SPLIT, key)

    again = call("POST", PATH, SPLIT, key)

    assert (again.status, again.body) == (201, created.body)
    assert call("POST", PATH, {"variations": [{"percentage": 1}]}, key).status == 422


def test_a_stale_etag_deletes_nothing(call: Caller, stack: SimpleNamespace) -> None:
    created = call("POST", PATH, SPLIT)
    stored = stack.audiences.get(ACCOUNT, AUDIENCE)
    stack.audiences.save(stored.model_copy(update={"name": "Fans"}))

    assert call("DELETE", PATH, headers={"If-Match": created.headers["ETag"]}).status == 412
    assert call("DELETE", PATH).status == 204


def test_connections_of_variants_are_deleted_with_the_test(call: Caller, stack: SimpleNamespace) -> None:
    call("POST", PATH, SPLIT)
    control = stack.audiences.get(ACCOUNT, AUDIENCE).ab_test.control
    stack.outputs.save_connection(a_connection())
    stack.outputs.save_connection(a_connection(connection_id="c-2", variant=control))

    call("DELETE", PATH)

    statuses = {each.connection_id: each.status.value for each in stack.outputs.list_connections(ACCOUNT)}
    assert statuses == {"c-000000000001": "active", "c-2": "deleting"}
    assert runs(stack)[f"fill-{ACCOUNT}-c-2-2"] == {"account_id": ACCOUNT, "connection_id": "c-2", "version": 2}


def test_a_deletion_that_stopped_half_way_shows(call: Caller, stack: SimpleNamespace) -> None:
    stored = stack.audiences.get(ACCOUNT, AUDIENCE)
    ending = an_ab_test(30).model_copy(update={"is_ending": True})
    stack.audiences.save(stored.model_copy(update={"ab_test": ending}))

    assert call("GET", PATH).body["status"] == "ending"
    assert call("DELETE", PATH).status == 204


def test_tests_are_of_one_account_and_written_by_those_who_may(call: Caller, stack: SimpleNamespace) -> None:
    stranger = Caller(handler.lambda_handler, OTHER_ACCOUNT)
    reader = Caller(handler.lambda_handler, ACCOUNT, Role.READ_ONLY)
    marketer = Caller(handler.lambda_handler, ACCOUNT, Role.AUDIENCES_ONLY)

    assert stranger("POST", PATH, SPLIT).status == 404
    assert reader("POST", PATH, SPLIT).status == 403
    assert marketer("POST", PATH, SPLIT).status == 201
    assert (stranger("GET", PATH).status, reader("GET", PATH).status) == (404, 200)
    assert stranger("DELETE", PATH).status == 404
    assert stranger("GET", f"{PATH}/outcomes").status == 404


def test_a_lifetime_audience_cannot_be_split(call: Caller, stack: SimpleNamespace) -> None:
    audience_id = stack.audiences.next_id(ACCOUNT)
    stack.audiences.save(an_audience(audience_id=audience_id, kind=AudienceKind.LIFETIME))

    assert call("POST", f"/v1/audiences/{audience_id}/ab-test", SPLIT).status == 409


# Outcomes


def a_split_crowd(stack: SimpleNamespace) -> dict[AudienceId, tuple[int, int]]:
    """An audience that was split a day ago; per variant, how many came in 20 hours ago and how many bought since."""
    now_ms = time.time_ns() // 1_000_000
    hour = 3_600_000
    test = an_ab_test(30, 20).model_copy(update={"created_at": datetime.now(UTC) - timedelta(days=1)})
    stored = stack.audiences.get(ACCOUNT, AUDIENCE)
    stack.audiences.save(stored.model_copy(update={"ab_test": test}))
    expected = dict(zip((each.audience_id for each in test.variants), ((12, 6), (8, 1), (10, 0)), strict=True))
    for variant in test.variants:
        users, buyers = expected[variant.audience_id]
        for number, mpid in enumerate(mpids_in(variant, users)):
            joined = HistoryEntry(AUDIENCE, mpid, True, now_ms - 20 * hour, Reason.EVENT, 1)
            stack.history.record(ACCOUNT, [joined], 90)
            stack.memberships.apply(ACCOUNT, [Membership(AUDIENCE, mpid, joined.at)], [])
            # Everybody bought before, which is no merit of the test.
            times = [now_ms - 22 * hour, *([now_ms - 2 * hour] if number < buyers else [])]
            stack.profiles.save(a_buyer(mpid, times), now_ms)
    return expected


def a_buyer(mpid: Mpid, times: list[int]) -> Profile:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, mpid, seen={WORKSPACE: Seen(times[0], times[-1])})
    key = (EventKind.CUSTOM, "buy")
    profile.timeline[key] = [Event(*key, at, at.to_bytes(8), WORKSPACE, INPUT) for at in times]
    return profile


def play(stack: SimpleNamespace, job_id: str, *, buckets: int = BUCKETS) -> None:
    """The workflow, as its state machine goes through it."""
    job = {"account_id": ACCOUNT, "job_id": job_id, "run": "run-1"}
    begun = measure_ab_test.lambda_handler({"step": "begin", **job}, a_context())
    for bucket in range(buckets):
        counted = measure_ab_test.lambda_handler({"step": "count", "bucket": bucket, **begun, **job}, a_context())
        assert counted["is_done"]
    if buckets == BUCKETS:
        measure_ab_test.lambda_handler({"step": "succeed", **job}, a_context())


def test_outcomes_are_asked_for_counted_and_read(call: Caller, stack: SimpleNamespace) -> None:
    expected = a_split_crowd(stack)

    asked = call("POST", f"{PATH}/outcomes", {"criterion": BOUGHT})
    play(stack, asked.body["id"], buckets=32)
    halfway = call("GET", asked.headers["Location"]).body
    play(stack, asked.body["id"])
    read = call("GET", asked.headers["Location"]).body

    assert (asked.status, asked.body["state"], asked.body["variants"]) == (202, "queued", None)
    assert (halfway["state"], halfway["progress"], halfway["variants"]) == ("running", 0.5, None)
    assert (read["state"], read["progress"], read["error"], read["baseline"]) == ("succeeded", 1.0, None, "Control")
    assert {each["id"]: (each["users"], each["converted"]) for each in read["variants"]} == expected
    best, middle, control = read["variants"]
    assert (best["rate"], best["comparison"]["verdict"]) == (0.5, "better")
    assert (middle["rate"], middle["comparison"]["verdict"]) == (0.125, "undecided")
    assert (control["comparison"], best["comparison"]["lift"]) == (None, None)
    assert best["rate_interval"]["low"] < 0.5 < best["rate_interval"]["high"]
    assert read["criterion"]["root"]["event"]["name"] == "buy"
    assert read["from"] < read["to"]
    assert call("GET", f"{PATH}/outcomes").body["items"] == [read]
    (run,) = [arguments for name, arguments in runs(stack).items() if "outcomes-" in name]
    assert run == {"account_id": ACCOUNT, "job_id": asked.body["id"]}


def test_outcomes_of_a_period_and_against_another_variant(call: Caller, stack: SimpleNamespace) -> None:
    a_split_crowd(stack)
    three_hours_ago = datetime.now(UTC) - timedelta(hours=3)
    body = {"criterion": BOUGHT, "to": three_hours_ago.isoformat(), "baseline": "Variation A"}

    asked = call("POST", f"{PATH}/outcomes", body)
    play(stack, asked.body["id"])
    read = call("GET", asked.headers["Location"]).body

    assert [(each["users"], each["converted"]) for each in read["variants"]] == [(12, 0), (8, 0), (10, 0)]
    assert (read["baseline"], read["variants"][0]["comparison"]) == ("Variation A", None)


def test_what_cannot_be_measured_is_refused(call: Caller, stack: SimpleNamespace) -> None:
    without = call("POST", f"{PATH}/outcomes", {"criterion": BOUGHT})
    a_split_crowd(stack)
    early = call("POST", f"{PATH}/outcomes", {"criterion": BOUGHT, "from": "2020-01-01T00:00:00Z"})
    unreadable = call("POST", f"{PATH}/outcomes", {"criterion": {"root": {"type": "wish"}}, "from": 5})

    assert without.status == 404
    assert (early.status, early.pointers) == (422, ["/from"])
    assert (unreadable.status, unreadable.pointers[0]) == (422, "/criterion/root")
    assert call("GET", f"{PATH}/outcomes/outcomes-000000000000").status == 404


def test_asking_again_under_the_same_key_counts_once(call: Caller, stack: SimpleNamespace) -> None:
    a_split_crowd(stack)
    key = {"Idempotency-Key": "count"}

    first, again = (call("POST", f"{PATH}/outcomes", {"criterion": BOUGHT}, key) for _ in range(2))

    assert again.body == first.body
    assert len(call("GET", f"{PATH}/outcomes").body["items"]) == 1


def test_the_sample_of_the_workflow_is_understood(call: Caller, stack: SimpleNamespace) -> None:
    a_split_crowd(stack)
    job_id = call("POST", f"{PATH}/outcomes", {"criterion": BOUGHT}).body["id"]
    sample = {**a_sample("measure_ab_test"), "job_id": job_id}

    with pytest.raises(NotOursError):
        measure_ab_test.lambda_handler(sample, a_context())
    measure_ab_test.lambda_handler({**sample, "step": "begin", "run": "run-1"}, a_context())

    assert measure_ab_test.lambda_handler(sample, a_context()) == {**sample, "is_done": True}


def test_a_failure_is_noted_with_its_reason(call: Caller, stack: SimpleNamespace) -> None:
    a_split_crowd(stack)
    asked = call("POST", f"{PATH}/outcomes", {"criterion": BOUGHT})
    failed = {"step": "fail", "account_id": ACCOUNT, "job_id": asked.body["id"], "run": "run-1"}

    measure_ab_test.lambda_handler({**failed, "error": "Sandbox.Timedout"}, a_context())

    read = call("GET", asked.headers["Location"]).body
    assert (read["state"], read["error"], read["variants"]) == (JobState.FAILED, "Sandbox.Timedout", None)


def test_sample_events_are_understood(stack: SimpleNamespace) -> None:
    created, asked = (
        handler.lambda_handler(a_sample(f"ab_tests_api_{name}"), a_context())["statusCode"]
        for name in ("create", "outcomes")
    )

    assert (created, asked) == (201, 202)
