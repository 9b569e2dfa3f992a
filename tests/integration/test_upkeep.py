"""Nightly audit and retirement through their real handlers, over real tables."""

import json
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from audience_core import clock, wiring
from audience_core.domain.event import Environment
from audience_core.domain.ids import DAY_MS, AudienceId
from audience_core.domain.membership import Membership
from audience_core.domain.output import ConnectionStatus, Fault, FaultKind, SubscriptionState
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.marks import DynamoMarkStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.pipeline.process import process
from functions.reconcile import handler as reconciling
from functions.retire_profiles import handler as retiring
from tests.support.control import a_connection
from tests.support.control_stack import create_profiles_table, create_table
from tests.support.http_api import a_context, a_sample
from tests.support.population import ACCOUNT, Population, a_batch, at_least, custom_event

VIEWERS = AudienceId(1)
FAULT = Fault(kind=FaultKind.PARTNER_ERROR, message="it did not answer", at=datetime.now(UTC))


class Stack:
    """An account in memory, its profiles and what is derived from them in AWS; its only user is a viewer."""

    def __init__(self, region: str) -> None:
        self.population = Population(at_least(1, "view"))
        self.profiles = DynamoProfileStore(create_profiles_table(), create_table("chunks"), region)
        self.counts = create_table("counts")
        self.stores = SimpleNamespace(
            accounts=self.population.accounts,
            audiences=self.population.audiences,
            profiles=self.profiles,
            history=DynamoHistoryStore(create_table("history"), region),
            memberships=DynamoMembershipStore(create_table("memberships"), self.counts, region),
            marks=DynamoMarkStore(create_table("marks"), region),
            outputs=DynamoOutputStore(create_table("outputs"), region),
            workflows=MemoryWorkflows(),
        )

    def view(self, at: int) -> Profile:
        batch = a_batch(at, received_at=at, events=[custom_event("view", at, f"m-{at}")])
        process(self.population.pipeline(profiles=self.profiles), [batch], at)
        (profile,) = self.everybody()
        return profile

    def everybody(self) -> list[Profile]:
        pages = [self.profiles.page(ACCOUNT, Environment.PRODUCTION, each, None, 100) for each in range(BUCKETS)]
        return [profile for page in pages for profile in page.items]


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    stack = Stack(aws)
    monkeypatch.setattr(wiring, "stores", lambda: stack.stores)
    monkeypatch.setenv("RECONCILE_PAUSE_S", "0")
    wiring.settings.cache_clear()
    yield stack
    wiring.settings.cache_clear()


def test_a_night_mends_profile_list_and_size_and_the_next_finds_nothing(stack: Stack) -> None:
    viewer = stack.view(clock.now_ms() - 1000)
    viewer.memberships = set()
    stack.profiles.save(viewer, 0)
    stack.stores.memberships.apply(ACCOUNT, [Membership(VIEWERS, viewer.mpid, 5)], [])

    nights = [reconciling.lambda_handler({"stretches": 600, "audiences": 5}, a_context()) for _ in range(2)]

    repairs = [(n["memberships_repaired"], n["rows_repaired"], n["counts_repaired"]) for n in nights]
    assert repairs == [(1, 0, 1), (0, 0, 0)]
    assert [profile.memberships for profile in stack.everybody()] == [{VIEWERS}]
    assert stack.stores.memberships.counts(ACCOUNT, VIEWERS, 0).size == 1


def test_connections_of_which_no_partner_has_heard_are_announced_after_all(stack: Stack) -> None:
    """Not those that are being announced, faulted ones, or those that say nothing."""
    an_hour_ago = datetime.now(UTC) - timedelta(minutes=61)
    given: dict[str, dict[str, Any]] = {
        "forgotten": {"active_since": an_hour_ago},
        "doubtful": {"active_since": an_hour_ago, "subscription": SubscriptionState.DOUBTFUL},
        "new": {"active_since": datetime.now(UTC)},
        "announced": {"active_since": an_hour_ago, "subscription": SubscriptionState.ACTIVE},
        "silent": {"active_since": an_hour_ago, "status": ConnectionStatus.INACTIVE},
        "faulted": {"active_since": an_hour_ago, "fault": FAULT},
    }
    store = stack.stores.outputs
    saved = {
        name: store.save_connection(a_connection(connection_id=f"c-{name}", **each)) for name, each in given.items()
    }

    told = reconciling.lambda_handler({"stretches": 0, "audiences": 0}, a_context())

    assert told["connections_restarted"] == 2
    runs = [f"fill-7-c-{name}-{saved[name].version}-again-" for name in ("doubtful", "forgotten")]
    assert [run.rstrip("0123456789") for run in sorted(stack.stores.workflows.started)] == runs


def test_repairs_are_a_metric(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    buckets = zlib.compress(json.dumps([[7, 2, 1]]).encode())
    boto3.resource("dynamodb", region_name="us-east-1").Table(stack.counts).put_item(
        Item={"pk": f"{ACCOUNT}#{VIEWERS}", "sk": "count", "adds": 3, "drops": 1, "writes": 1, "buckets": buckets}
    )

    reconciling.lambda_handler(a_sample("reconcile"), a_context())

    assert '"Repairs":[1.0]' in capsys.readouterr().out


def test_who_was_not_heard_of_is_removed_and_others_stay(stack: Stack) -> None:
    now = clock.now_ms()
    stack.view(now - 31 * DAY_MS)

    first = retiring.lambda_handler(a_sample("retire_profiles"), a_context())
    again = retiring.lambda_handler(a_sample("retire_profiles"), a_context())

    assert (first["retired"], first["is_done"]) == (1, True)
    assert again == {"looked_at": 0, "retired": 0, "is_done": True}
    assert stack.everybody() == []


def test_who_was_heard_of_in_time_stays(stack: Stack) -> None:
    stack.view(clock.now_ms() - 29 * DAY_MS)

    assert retiring.lambda_handler(a_sample("retire_profiles"), a_context())["retired"] == 0
    assert len(stack.everybody()) == 1
