"""Editing an active audience, through its handler: staged, tried out, taken over, restored."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import NEVER, Mpid
from audience_core.domain.job import JobState, JobStep
from audience_core.domain.profile import Profile, Seen
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryArchive, MemoryEventQueue
from audience_core.persistence.memory.jobs import MemoryRunFiles
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.pipeline import backfill
from audience_core.pipeline.backfill import Backfill
from audience_core.pipeline.backfill_parts import Order, work
from audience_core.pipeline.process import Pipeline
from audience_core.pipeline.programs import Programs
from functions.audiences_api import handler
from functions.jobs_api import handler as jobs_handler
from tests.support.control import ACCOUNT, INPUT, WORKSPACE, a_workspace, an_input
from tests.support.control_stack import REGION, control_stack, create_table, emptied, runs
from tests.support.http_api import Caller

ANY = {"If-Match": "*"}
NOW_MS = 1_795_525_200_000


def did(name: str) -> dict[str, Any]:
    return {"root": {"type": "event", "event": {"kind": "custom_event", "name": name}}}


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    stores.profiles = DynamoProfileStore(create_table("profiles"), create_table("chunks"), REGION)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.workspaces.save(a_workspace())
    stores.workspaces.save_input(an_input())
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


@pytest.fixture
def jobs(stack: SimpleNamespace) -> Caller:
    return Caller(jobs_handler.lambda_handler, ACCOUNT)


@pytest.fixture
def path(call: Caller) -> str:
    """Of an active audience of those who played."""
    new = {"name": "Players", "workspaces": [WORKSPACE], "inputs": [INPUT], "definition": did("Play"), "activate": True}
    return str(call("POST", "/v1/audiences", new).headers["Location"])


def run_backfill(stack: SimpleNamespace, version: int, token: int = 1) -> None:
    """What the state machine does, without waiting for member lists."""
    programs = Programs(stack.accounts, stack.audiences)
    pipeline = Pipeline(programs, MemoryIdentityStore(), stack.profiles, MemoryEventQueue(), MemoryArchive())
    files = MemoryRunFiles()
    stores = Backfill(
        pipeline, stack.audiences, MemoryMembershipStore(), stack.jobs, files, stack.outputs, stack.workflows
    )
    now = datetime.now(UTC)
    plan = backfill.plan(stores, ACCOUNT, version, token, f"run-{token}", now)
    for step in (JobStep.EVALUATE, JobStep.PUBLISH):
        if step is JobStep.PUBLISH:
            backfill.take_over(stores, ACCOUNT, version, plan["token"], now)
        for line in files.lines(plan["key"]):
            order = Order(ACCOUNT, version, plan["token"], step, line["first"], line["last"])
            assert work(stores, order, lambda: int(now.timestamp() * 1000), NEVER).is_done
    backfill.finish(stores, ACCOUNT, version, plan["token"], now)


def a_user(mpid: int, *names: str) -> Profile:
    now = int(datetime.now(UTC).timestamp() * 1000)
    profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(mpid))
    profile.seen[WORKSPACE] = Seen(now, now)
    for name in names:
        event = Event(EventKind.CUSTOM, name, now - 1000, f"{mpid}-{name}".encode(), WORKSPACE, INPUT, {}, ())
        profile.timeline[EventKind.CUSTOM, name] = [event]
    return profile


def test_an_edit_is_shown_as_staged_until_the_backfill_has_ended(
    call: Caller, stack: SimpleNamespace, path: str
) -> None:
    run_backfill(stack, 1)
    edited = call("PATCH", path, {"definition": did("Pay"), "name": "Payers"}, ANY).body
    assert (edited["name"], edited["definition_version"], edited["staged_version"]) == ("Payers", 1, 2)
    assert (edited["calculating"]["id"], edited["definition"]["root"]["event"]["name"]) == ("backfill-2", "Play")

    run_backfill(stack, 2)

    after = call("GET", path).body
    assert (after["definition_version"], after["staged_version"], after["calculating"]) == (2, None, None)
    assert after["definition"]["root"]["event"]["name"] == "Pay"


def test_a_dry_run_saves_nothing_and_tells_both_counts(call: Caller, stack: SimpleNamespace, path: str) -> None:
    for mpid, names in ((1, ("Play",)), (2, ("Play", "Pay")), (3, ("Pay",)), (4, ("Pay",)), (5, ())):
        stack.profiles.save(a_user(mpid, *names), NOW_MS)

    answer = call("PATCH", path, {"definition": did("Pay")}, dry_run="true").body

    counts = {name: answer[name] for name in ("joins", "leaves", "size_before", "size_after")}
    expected = {"joins": 2, "leaves": 1, "size_before": 2, "size_after": 3}
    assert counts == {name: {"count": count, "low": count, "high": count} for name, count in expected.items()}
    assert (answer["is_exact"], answer["sampled"]) == (True, 5)
    unchanged = call("GET", path).body
    assert (unchanged["staged_version"], unchanged["version"]) == (None, 1)


def test_a_former_definition_is_restored_as_a_new_version(call: Caller, stack: SimpleNamespace, path: str) -> None:
    call("PATCH", path, {"definition": did("Pay")}, ANY)
    run_backfill(stack, 2)

    restored = call("POST", f"{path}/restore", {"version": 1})

    assert (restored.status, restored.body["staged_version"]) == (200, 3)
    versions = call("GET", f"{path}/versions").body["items"]
    assert [(each["number"], each["state"]) for each in versions] == [(1, "former"), (2, "live"), (3, "staged")]
    assert versions[2]["definition"] == versions[0]["definition"]
    assert call("POST", f"{path}/restore", {"version": 9}).status == 404


def test_an_edit_to_what_is_meant_already_stages_nothing(call: Caller, stack: SimpleNamespace, path: str) -> None:
    edited = call("PATCH", path, {"definition": did("Play"), "name": "Fans"}, ANY).body

    assert (edited["name"], edited["staged_version"]) == ("Fans", None)
    assert len(runs(stack)) == 1


def test_a_part_of_a_staged_definition_cannot_become_a_draft(call: Caller, stack: SimpleNamespace, path: str) -> None:
    new = {"name": "All", "workspaces": [WORKSPACE], "inputs": [INPUT], "definition": did("Pay"), "activate": True}
    reader = call("POST", "/v1/audiences", new).headers["Location"]
    member = {"root": {"type": "audience_membership", "audience_id": int(path.rpartition("/")[2])}}
    call("PATCH", reader, {"definition": member}, ANY)

    assert call("POST", f"{path}/deactivate").status == 409


def test_a_job_is_watched_to_its_end(jobs: Caller, stack: SimpleNamespace, path: str) -> None:
    stack.profiles.save(a_user(1, "Play"), NOW_MS)
    assert jobs("GET", "/v1/jobs").body["items"][0]["id"] == "backfill-1"

    run_backfill(stack, 1)

    job = jobs("GET", "/v1/jobs/backfill-1").body
    assert (job["state"], job["progress"], job["error"]) == ("succeeded", 1.0, None)
    assert job["steps"][0] == {"step": "evaluate", "progress": 1.0, "looked_at": 1, "written": 1, "errors": []}
    assert jobs("GET", "/v1/jobs/backfill-7").status == 404
    assert jobs("POST", "/v1/jobs/backfill-1/cancel").status == 409
    assert jobs("POST", "/v1/jobs/backfill-1/restart").status == 409


def test_a_cancelled_job_says_so_and_is_restarted(jobs: Caller, stack: SimpleNamespace, path: str) -> None:
    plan_only = Backfill(
        Pipeline(
            Programs(stack.accounts, stack.audiences),
            MemoryIdentityStore(),
            stack.profiles,
            MemoryEventQueue(),
            MemoryArchive(),
        ),
        stack.audiences,
        MemoryMembershipStore(),
        stack.jobs,
        MemoryRunFiles(),
        stack.outputs,
        stack.workflows,
    )
    backfill.plan(plan_only, ACCOUNT, 1, 1, "run-1", datetime.now(UTC))

    cancelled = jobs("POST", "/v1/jobs/backfill-1/cancel").body
    assert (cancelled["state"], cancelled["error"]) == ("cancelled", "cancelled on request")
    assert cancelled["can_restart"] is jobs("GET", "/v1/jobs/backfill-1").body["can_restart"] is True
    restarted = jobs("POST", "/v1/jobs/backfill-1/restart").body

    assert (restarted["state"], restarted["attempt"], restarted["can_restart"]) == ("queued", 2, False)
    assert f"backfill-{ACCOUNT}-1-again-2" in runs(stack)
    run_backfill(stack, 1, token=2)
    assert jobs("GET", "/v1/jobs/backfill-1").body["state"] == "succeeded"


def test_a_backfill_that_a_later_one_replaces_is_not_offered_again(
    call: Caller, jobs: Caller, stack: SimpleNamespace, path: str
) -> None:
    run_backfill(stack, 1)
    job = stack.jobs.get(ACCOUNT, "backfill-1")
    stack.jobs.save(job.model_copy(update={"state": JobState.CANCELLED}))
    assert jobs("GET", "/v1/jobs/backfill-1").body["can_restart"] is True

    assert call("POST", f"{path}/deactivate").status == 200

    offered = {each["id"]: each["can_restart"] for each in jobs("GET", "/v1/jobs").body["items"]}
    assert offered["backfill-1"] is jobs("GET", "/v1/jobs/backfill-1").body["can_restart"] is False
    assert jobs("POST", "/v1/jobs/backfill-1/restart").status == 409


def test_a_job_whose_lease_ran_out_is_dead(jobs: Caller, stack: SimpleNamespace, path: str) -> None:
    run_backfill(stack, 1)
    job = stack.jobs.get(ACCOUNT, "backfill-1")
    stack.jobs.save(job.model_copy(update={"state": JobState.RUNNING, "lease_until": 5}))

    assert jobs("GET", "/v1/jobs/backfill-1").body["state"] == "dead"
    assert [each["id"] for each in jobs("GET", "/v1/jobs", state="dead").body["items"]] == ["backfill-1"]
    assert jobs("POST", "/v1/jobs/backfill-1/restart").body["state"] == "queued"


def test_only_who_may_write_audiences_stops_jobs(stack: SimpleNamespace, path: str) -> None:
    reader = Caller(jobs_handler.lambda_handler, ACCOUNT, Role.READ_ONLY)

    assert reader("GET", "/v1/jobs").status == 200
    assert reader("POST", "/v1/jobs/backfill-1/cancel").status == 403
