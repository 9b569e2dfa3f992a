"""Lifetime audiences through their handlers and state machine: drafted, calculated, ready, archived, and refused."""

from datetime import timedelta
from types import SimpleNamespace

import boto3
import pytest

from audience_core import wiring, wiring_archive
from audience_core.api import edge
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.membership import Membership
from functions.start_calculations import handler as start_calculations
from tests.support.control import (
    OUTPUT,
)
from tests.support.control_stack import REGION, runs
from tests.support.http_api import Caller, a_context
from tests.support.lifetime_stack import (
    CALCULATIONS,
    PREMIUM,
    created,
    days_ago,
    definition,
    everything,
    members,
    opened,
    premium_stack,
    run,
    started,
    three_buyers,
)
from tests.support.machines import MachineFailedError


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


def test_drafts_are_calculated_together_and_ready(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    ever, lately = created(call), created(call, name="Lately", date_range={"start": days_ago(100)})

    answer = started(call, ever, lately)
    during = call("GET", f"/v1/audiences/{ever}").body
    run(stack, answer.body["id"])
    after = call("GET", f"/v1/audiences/{ever}").body

    assert (answer.status, answer.body["credits"], answer.body["state"]) == (202, 2, "queued")
    assert answer.headers["Location"] == f"{CALCULATIONS}/lifetime-1"
    assert (during["status"], during["calculating"]["id"], during["size"]) == ("calculating", "lifetime-1", None)
    assert (after["status"], after["calculating"], after["size"]) == ("ready", None, 4)
    assert after["expires_at"] > after["calculated_at"] >= after["created_at"]
    assert (members(call, ever), members(call, lately)) == (["1", "2", "3", "4"], ["2", "3"])
    assert list(runs(stack).values()) == [{"account_id": PREMIUM, "job_id": "lifetime-1", "token": 1}]


def test_a_calculation_tells_its_sizes_and_progress_and_is_a_job(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    audience = created(call)
    calculation = started(call, audience).body["id"]
    run(stack, calculation)

    found = call("GET", f"{CALCULATIONS}/{calculation}").body
    listed = call("GET", CALCULATIONS).body["items"]
    job = call("GET", f"/v1/jobs/{calculation}").body

    assert found["audiences"] == [{"audience_id": audience, "size": 4}]
    assert (found["state"], found["progress"], found["archive_version"], found["error"]) == ("succeeded", 1.0, 1, None)
    assert listed == [found]
    assert (job["kind"], job["state"]) == ("lifetime_calculation", "succeeded")


def test_membership_in_a_real_time_audience_is_read_from_its_member_list(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    real_time = created(call, kind="real_time", activate=True)
    stack.memberships.apply(PREMIUM, [Membership(AudienceId(real_time), Mpid(each), 0) for each in (2, 3, 77)], [])
    part = {"type": "audience_membership", "audience_id": real_time}
    both = created(call, definition={"root": {"type": "all_of", "criteria": [part, definition()["root"]]}})

    run(stack, started(call, both).body["id"])

    assert members(call, both) == ["2", "3"]


def test_lists_show_lifetime_audiences_by_tab_with_their_columns(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    ready, put_away, calculating = (
        created(call, name=name, date_range={"start": days_ago(300)}) for name in ("Ready", "Away", "Calculating")
    )
    draft = created(call, name="Draft", date_range={"start": "2020-01-01", "end": "2020-12-31"})
    created(call, name="Real-time", kind="real_time")
    run(stack, started(call, ready, put_away).body["id"])
    call("POST", f"/v1/audiences/{put_away}/archive")
    started(call, calculating)

    def tab(name: str) -> list[tuple[int, str]]:
        items = call("GET", "/v1/audiences", tab=name).body["items"]
        return [(each["id"], each["status"]) for each in items]

    assert tab("ready") == [(ready, "ready")]
    assert tab("archived") == [(put_away, "archived")]
    assert sorted(tab("in_progress")) == sorted([(draft, "draft"), (calculating, "calculating")])
    row = next(each for each in call("GET", "/v1/audiences", kind="lifetime").body["items"] if each["id"] == draft)
    assert (row["date_range"], row["size"]) == ({"start": "2020-01-01", "end": "2020-12-31"}, None)
    assert len(call("GET", "/v1/audiences", status="ready").body["items"]) == 1


def test_a_ready_audience_expires_cannot_be_connected_and_is_cloned(
    stack: SimpleNamespace, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_buyers(stack)
    audience = created(call, date_range={"start": days_ago(300)})
    run(stack, started(call, audience).body["id"])
    later = edge.now() + timedelta(days=30, seconds=5)
    monkeypatch.setattr(edge, "now", lambda: later)

    connected = call("POST", f"/v1/audiences/{audience}/connections", {"output_id": OUTPUT})
    clone = call("POST", f"/v1/audiences/{audience}/clone").body

    assert call("GET", f"/v1/audiences/{audience}").body["status"] == "archived"
    assert (connected.status, "archived" in connected.body["detail"]) == (409, True)
    assert started(call, audience).status == 409
    assert (clone["status"], clone["kind"], clone["size"], clone["expires_at"]) == ("draft", "lifetime", None, None)
    assert started(call, clone["id"]).status == 202


def test_connections_may_be_added_but_nothing_is_sent(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    audience = created(call)
    started(call, audience)
    before = set(runs(stack))

    answer = call("POST", f"/v1/audiences/{audience}/connections", {"output_id": OUTPUT})

    assert (answer.status, answer.body["status"], answer.body["active_since"]) == (201, "inactive", None)
    assert set(runs(stack)) == before


def test_a_schedule_is_set_shown_and_ended_and_begins_by_itself(
    stack: SimpleNamespace, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    three_buyers(stack)
    audience = created(call, recalculation={"every_days": 7}, date_range={"start": days_ago(300)})
    run(stack, started(call, audience).body["id"])
    path, anyway = f"/v1/audiences/{audience}", {"If-Match": "*"}

    def nightly() -> int:
        return int(start_calculations.lambda_handler({"account_id": PREMIUM}, a_context())["started"])

    assert call("GET", path).body["recalculation"] == {"every_days": 7, "problem": None}
    assert nightly() == 0
    assert call("PATCH", path, {"recalculation": {"every_days": 1}}, anyway).status == 200
    later = edge.now() + timedelta(days=1)
    monkeypatch.setattr(start_calculations, "datetime", SimpleNamespace(now=lambda zone: later))
    assert (nightly(), nightly()) == (1, 0)
    assert call("GET", path).body["calculating"]["id"] == "lifetime-2"
    assert call("PATCH", path, {"recalculation": {"every_days": None}}, anyway).status == 200
    assert call("GET", path).body["recalculation"] == {"every_days": None, "problem": None}


def test_a_failed_run_says_which_shard_and_goes_on_after_a_restart(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    audience = created(call)
    calculation = started(call, audience).body["id"]
    client, key = boto3.client("s3", region_name=REGION), f"shards/{PREMIUM}/made-1/1/users.parquet"
    content = client.get_object(Bucket=stack.bucket, Key=key)["Body"].read()
    client.delete_object(Bucket=stack.bucket, Key=key)

    with pytest.raises(MachineFailedError, match="shard 1"):
        run(stack, calculation)
    failed = call("GET", f"{CALCULATIONS}/{calculation}").body
    client.put_object(Bucket=stack.bucket, Key=key, Body=content)
    restarted = call("POST", f"/v1/jobs/{calculation}/restart").body
    run(stack, calculation, token=2)

    assert (failed["state"], "made-1/1/users.parquet is missing" in failed["error"]) == ("failed", True)
    assert (restarted["state"], restarted["attempt"]) == ("queued", 2)
    assert len(members(call, audience)) == 4
    assert [part.token for part in stack.jobs.parts(PREMIUM, calculation)] == [2, 2]


def test_what_is_given_up_is_a_draft_again_and_costs_nothing(stack: SimpleNamespace, call: Caller) -> None:
    three_buyers(stack)
    audience = created(call)
    calculation = started(call, audience).body["id"]
    assert call("GET", f"{CALCULATIONS}/quota").body == {"limit": 3, "used": 2, "left": 1, "period_days": 365}

    answer = call("POST", f"/v1/jobs/{calculation}/cancel")

    assert answer.body["state"] == "cancelled"
    assert call("GET", f"{CALCULATIONS}/quota").body["left"] == 3
    assert call("GET", f"/v1/audiences/{audience}").body["status"] == "draft"
    assert call("POST", f"/v1/jobs/{calculation}/restart").status == 409
