"""Profiles are lost and put back from a copy of their table: what is derived of them is right again after the audit."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from audience_core import wiring
from audience_core.domain.archive import Erasure, OwnedBatch
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment, Source
from audience_core.domain.ids import InputId, Mpid
from audience_core.domain.messages import AcceptedBatch
from audience_core.persistence.queues import SqsEventQueue, encode, unpack
from functions.process_events import handler as process_events
from functions.reconcile import handler as reconcile
from local.replay import replay
from tests.support.control import ACCOUNT, AUDIENCE, INPUT, WORKSPACE, an_account, an_audience
from tests.support.control_stack import REGION
from tests.support.http_api import a_context
from tests.support.whole_stack import WholeStack, forget_wiring

NOW = time.time_ns() // 1_000_000
PLAYERS, OTHERS, GONE = range(5), range(5, 8), Mpid(99)
STATE, DERIVED = (
    ("ProfilesTable", "ChunksTable", "IdentitiesTable"),
    ("MembershipsTable", "CountsTable", "HistoryTable"),
)


@pytest.fixture
def stack(aws: str) -> Iterator[WholeStack]:
    with pytest.MonkeyPatch.context() as patch:
        stack = WholeStack()
        stack.tell(patch, RECONCILE_PAUSE_S="0")
        wiring.stores().accounts.create(an_account())
        wiring.stores().audiences.publish(an_audience(status=AudienceStatus.ACTIVE))
        yield stack
    forget_wiring()


def table(stack: WholeStack, name: str) -> Any:
    return boto3.resource("dynamodb", region_name=REGION).Table(stack.names[name])


def send(stack: WholeStack) -> None:
    """A batch of each user; the players did what the audience asks for."""
    records = []
    for user in (*PLAYERS, *OTHERS):
        name = "Play Video" if user in PLAYERS else "Look"
        data = {"event_name": name, "custom_event_type": "other", "timestamp_unixtime_ms": NOW - 60_000}
        body = {
            "environment": "production",
            "user_identities": {"customer_id": f"customer-{user}"},
            "events": [{"event_type": "custom_event", "data": data}],
        }
        batch = AcceptedBatch(Source(ACCOUNT, WORKSPACE, InputId(INPUT)), f"batch-{user}", NOW, body)
        records.append({"messageId": str(user), "body": encode(batch)})
    assert process_events.lambda_handler({"Records": records}, a_context()) == {"batchItemFailures": []}


def by_key(items: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
    return {(each["pk"], each["sk"]): each for each in items}


def audited(expected: int) -> tuple[set[Mpid], int]:
    """Members and size after the audit looked at everything, which it does by chance."""
    stores = wiring.stores()
    for _ in range(20):
        reconcile.lambda_handler({"stretches": 150, "audiences": 5}, a_context())
        members = {each.mpid for each in stores.memberships.members(ACCOUNT, AUDIENCE, None, 100).items}
        if len(members) == expected:
            break
    return members, stores.memberships.counts(ACCOUNT, AUDIENCE, NOW).size


@pytest.mark.long
def test_what_is_derived_of_restored_profiles_is_right_again(stack: WholeStack) -> None:
    send(stack)
    before = audited(len(PLAYERS))
    copies = {name: table(stack, name).scan()["Items"] for name in STATE}
    for name in (*STATE, *DERIVED):
        with table(stack, name).batch_writer() as batch:
            for item in table(stack, name).scan()["Items"]:
                batch.delete_item({"pk": item["pk"], "sk": item["sk"]})
    assert audited(0) == (set(), 0), "all is lost"

    for name, items in copies.items():
        with table(stack, name).batch_writer() as batch:
            for item in items:
                batch.put_item(item)
    forget_wiring()
    after = audited(len(PLAYERS))
    send(stack)

    assert len(before[0]) == before[1] == len(PLAYERS)
    assert after == before
    for name, items in copies.items():
        assert by_key(table(stack, name).scan()["Items"]) == by_key(items), "a batch that comes again changes nothing"


def test_the_archive_is_applied_again_from_a_minute_on(stack: WholeStack) -> None:
    stores, minute = wiring.stores(), NOW - NOW % 60_000
    for number, (environment, at) in enumerate(
        [("production", minute - 60_000), ("production", minute), ("production", minute), ("development", minute)]
    ):
        body = {"environment": environment, "user_identities": {"customer_id": f"customer-{number}"}}
        batch = AcceptedBatch(Source(ACCOUNT, WORKSPACE, InputId(INPUT)), f"batch-{number}", at, body)
        entry = OwnedBatch(batch, Mpid(number + 1), ())
        stores.archive.put([entry], at)
        # A message that was delivered twice was archived twice.
        stores.archive.put([entry, Erasure(ACCOUNT, Environment.PRODUCTION, GONE, at)], at)

    assert isinstance(stores.events, SqsEventQueue)
    queued = replay(stores.archive, stores.events, ACCOUNT, datetime.fromtimestamp(minute / 1000, UTC))

    found = boto3.client("sqs", region_name=REGION).receive_message(
        QueueUrl=stack.names["EventsQueue"], MaxNumberOfMessages=10
    )["Messages"]
    batches = [each for message in found for each in unpack(message["Body"]) if isinstance(each, AcceptedBatch)]
    assert queued == len(batches) == 3
    assert {each.batch_id for each in batches} == {"batch-1", "batch-2", "batch-3"}
