"""The function on the profiles table's stream, over real tables and queues."""

import base64
import json
from contextlib import suppress
from itertools import count
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from audience_core import wiring_counting, wiring_outputs
from audience_core.domain.audience import AudienceCounts, AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.output import Target, delivery_bucket_of
from audience_core.domain.profile import Profile
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.queues import SqsReevaluationQueue, SqsWakeUpQueue
from audience_core.pipeline.count_members import Counting
from audience_core.pipeline.fan_out import FanOut
from audience_core.pipeline.member_sets import MemberSets
from functions.count_members import handler as count_members
from functions.fan_out_changes import handler
from tests.support.control import ACCOUNT, AUDIENCE, CONNECTION, a_connection, an_account, an_audience, an_output

EVENTS = Path("events")
INDEXES = {"ledger": ("dirty", "dirty_bucket", "dirty_since"), "profiles": ("due", "due_shard", "due_at")}
TABLES = (
    "accounts",
    "audiences",
    "outputs",
    "profiles",
    "chunks",
    "identities",
    "history",
    "memberships",
    "counts",
    "ledger",
)
NOW = 1_795_521_600_000
ANN = Mpid(8)
FIRST_VERSION = NOW // 1000
_names = count()
CONTEXT = SimpleNamespace(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:us-east-1:1:f", aws_request_id="r"
)


class Stack:
    """The parts of AWS that fanning out uses, with one connection of audience 1."""

    def __init__(self, region: str) -> None:
        self.dynamodb, self.sqs = boto3.client("dynamodb", region_name=region), boto3.client("sqs", region_name=region)
        for table in TABLES:
            self._recreate(table)
        name = f"fan-out-{next(_names)}"
        self.reevaluations_url = self._queue(name, {})
        self.wake_ups_url = self._queue(f"{name}.fifo", {"FifoQueue": "true"})
        self.profiles = DynamoProfileStore("profiles", "chunks", region)
        audiences = DynamoAudienceStore("audiences", region)
        self.fan_out = FanOut(
            DynamoAccountStore("accounts", region),
            audiences,
            DynamoOutputStore("outputs", region),
            DynamoHistoryStore("history", region),
            DynamoMembershipStore("memberships", "counts", region),
            DynamoLedgerStore("ledger", region),
            SqsReevaluationQueue(self.reevaluations_url, region),
            SqsWakeUpQueue(self.wake_ups_url, region),
            DynamoIdentityStore("identities", region),
            self.profiles,
            MemberSets(audiences),
            MemorySharedChangeQueue(),
        )
        self.fan_out.accounts.create(an_account())
        self.fan_out.outputs.save(an_output())
        self.fan_out.outputs.save_connection(a_connection())

    def image(self, profile: Profile) -> dict[str, Any]:
        """A profile's item as a stream record shows it."""
        stored = self.profiles.save(profile, NOW)
        key = {"pk": {"S": f"{ACCOUNT}#p#{stored.mpid & 63:02d}"}, "sk": {"S": str(stored.mpid)}}
        item = self.dynamodb.get_item(TableName="profiles", Key=key)["Item"]
        return {name: _in_json(value) for name, value in item.items()}

    def members(self) -> list[tuple[Mpid, int]]:
        rows = self.fan_out.memberships.members(ACCOUNT, AUDIENCE, None, 100).items
        return [(row.mpid, row.since) for row in rows]

    def desired(self, mpid: Mpid) -> list[Target | None]:
        rows = self.fan_out.ledger.rows(ACCOUNT, CONNECTION, delivery_bucket_of(mpid), None, 100).items
        return [row.desired for row in rows if row.mpid == mpid]

    def queued(self, url: str) -> list[Any]:
        messages = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", ())
        return [json.loads(message["Body"]) for message in messages]

    def _queue(self, name: str, attributes: dict[str, str]) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def _recreate(self, name: str) -> None:
        types, indexes = {"pk": "S", "sk": "S"}, []
        if name in INDEXES:
            index, hash_key, range_key = INDEXES[name]
            types |= {hash_key: "S", range_key: "N"}
            indexes = [
                {"IndexName": index, "KeySchema": _keys(hash_key, range_key), "Projection": {"ProjectionType": "ALL"}}
            ]
        with suppress(self.dynamodb.exceptions.ResourceNotFoundException):
            self.dynamodb.delete_table(TableName=name)
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=_keys("pk", "sk"),
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in types.items()],
            BillingMode="PAY_PER_REQUEST",
            **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
        )


def _keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


def _in_json(value: dict[str, Any]) -> dict[str, Any]:
    return {kind: base64.b64encode(each).decode() if kind == "B" else each for kind, each in value.items()}


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(aws)
    monkeypatch.setattr(wiring_outputs, "fan_out", lambda: stack.fan_out)
    of = stack.fan_out
    counting = Counting(of.accounts, of.history, of.memberships, of.identities, MemberSets(of.audiences))
    monkeypatch.setattr(wiring_counting, "counting", lambda: counting)
    return stack


def take(*records: dict[str, Any]) -> dict[str, Any]:
    """Both readers of the stream; what fan-out answers."""
    count_members.lambda_handler({"Records": list(records)}, CONTEXT)
    answer: dict[str, Any] = handler.lambda_handler({"Records": list(records)}, CONTEXT)
    return answer


def a_record(old: dict[str, Any] | None, new: dict[str, Any] | None, sequence: int) -> dict[str, Any]:
    images = {"OldImage": old, "NewImage": new}
    change = {name: image for name, image in images.items() if image is not None}
    return {
        "eventID": str(sequence),
        "eventSource": "aws:dynamodb",
        "dynamodb": {**change, "SequenceNumber": str(sequence), "ApproximateCreationDateTime": NOW / 1000},
    }


def a_member(version: int = 0, **given: Any) -> Profile:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, ANN, version, memberships={AUDIENCE})
    profile.identities = {Identity("email", "ann@example.com"): NOW}
    profile.changes = (MembershipChange(AUDIENCE, True, NOW - 5, Reason.EVENT),)
    for name, value in given.items():
        setattr(profile, name, value)
    return profile


def a_left(version: int) -> Profile:
    return a_member(version, memberships=set(), changes=(MembershipChange(AUDIENCE, False, NOW, Reason.TIME),))


def test_joins_and_leaves_reach_members_counts_ledger_and_queue(stack: Stack) -> None:
    joined = stack.image(a_member())
    left = stack.image(a_left(FIRST_VERSION))

    answer = take(a_record(None, joined, 1))

    assert answer == {"batchItemFailures": []}
    assert stack.members() == [(ANN, NOW - 5)]
    assert stack.desired(ANN) == [Target((Identity("email", "ann@example.com"),))]
    assert stack.queued(stack.wake_ups_url) == [
        {"account_id": ACCOUNT, "connection_id": CONNECTION, "bucket": delivery_bucket_of(ANN)}
    ]
    take(a_record(joined, left, 2))
    assert stack.members() == []
    assert stack.desired(ANN) == [None]
    assert stack.fan_out.memberships.counts(ACCOUNT, AUDIENCE, NOW) == AudienceCounts(size=0, adds_24h=1, drops_24h=1)
    assert [(each.at, each.reason) for each in stack.fan_out.history.newest(ACCOUNT, AUDIENCE, None, 9).items] == [
        (NOW, Reason.TIME),
        (NOW - 5, Reason.EVENT),
    ]


def test_records_that_come_again_count_once(stack: Stack) -> None:
    joined = stack.image(a_member())
    left = stack.image(a_left(FIRST_VERSION))
    records = [a_record(None, joined, 9), a_record(joined, left, 10)]

    for batch in (records, records[1:], records):
        take(*batch)

    assert stack.fan_out.memberships.counts(ACCOUNT, AUDIENCE, NOW) == AudienceCounts(size=0, adds_24h=1, drops_24h=1)


def test_a_profile_of_outdated_definitions_is_queued_again(stack: Stack) -> None:
    stack.fan_out.audiences.publish(an_audience(status=AudienceStatus.ACTIVE))

    handler.lambda_handler({"Records": [a_record(None, stack.image(a_member()), 1)]}, CONTEXT)

    assert stack.queued(stack.reevaluations_url) == [{"type": "reevaluation", "account_id": ACCOUNT, "mpid": ANN}]


def test_a_record_that_cannot_be_read_holds_up_only_what_follows_it(stack: Stack) -> None:
    joined = stack.image(a_member())
    broken = {**joined, "state": {"B": base64.b64encode(b"?").decode()}}
    records = [a_record(None, joined, 1), a_record(joined, broken, 2), a_record(joined, joined, 3)]

    answer = handler.lambda_handler({"Records": records}, CONTEXT)

    assert answer == {"batchItemFailures": [{"itemIdentifier": "2"}]}
    assert stack.members() == [(ANN, NOW - 5)]


@pytest.mark.parametrize(
    "sample", sorted(path.name for path in EVENTS.glob("fan_out_*.json") if path.stem != "fan_out_shared")
)
def test_sample_events_are_understood(stack: Stack, sample: str) -> None:
    event = json.loads((EVENTS / sample).read_text())

    assert handler.lambda_handler(event, CONTEXT) == {"batchItemFailures": []}


def test_the_samples_tell_a_membership_from_join_to_deletion(stack: Stack) -> None:
    sizes = []
    for sample in ("join", "leave", "delete"):
        take(*json.loads((EVENTS / f"fan_out_{sample}.json").read_text())["Records"])
        sizes.append(stack.fan_out.memberships.counts(ACCOUNT, AUDIENCE, NOW).size)

    assert sizes == [1, 0, 0]
