"""A split audience from connection to deletion: real tables, queues and functions, and a real partner on loopback."""

import time
import uuid
from collections.abc import Iterator
from itertools import count
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from audience_core import wiring
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.output import DELIVERY_BUCKETS, ConnectionStatus
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.profile_change import ProfileChange
from audience_core.outputs.http import HttpSend
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.queues import SqsReevaluationQueue, SqsWakeUpQueue
from audience_core.persistence.secrets import SecretsManagerStore
from audience_core.persistence.sharing import DynamoSharingStore
from audience_core.persistence.splits import DynamoSplitStore
from audience_core.pipeline.fan_out import FanOut, fan_out
from audience_core.pipeline.member_sets import MemberSets
from functions.ab_tests_api import handler as ab_tests_api
from functions.deliver_changes import handler as deliver_changes
from functions.fill_connection_page import handler as fill_connection_page
from functions.outputs_api import handler as outputs_api
from functions.update_subscription import handler as update_subscription
from tests.support.ab_tests import an_ab_test, mpids_in
from tests.support.control import ACCOUNT, AUDIENCE, OUTPUT, an_account, an_audience, an_output
from tests.support.control_stack import create_profiles_table, create_table
from tests.support.http_api import Caller
from tests.support.partners import SECRET, FaultyPartner, a_partner

TEST = an_ab_test(40, 25)
A, B, CONTROL = TEST.variants


class Context(SimpleNamespace):
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


CONTEXT: Any = Context(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:us-east-1:1:f", aws_request_id="r"
)


class Stack:
    """Everything behind the profiles' stream, and the API; workflows are played by hand."""

    def __init__(self, region: str, url: str) -> None:
        self.sqs, self._sequences = boto3.client("sqs", region_name=region), count(1)
        counts, audiences = create_table("counts"), DynamoAudienceStore(create_table("audiences"), region)
        reevaluations, self.wake_ups_url = self._queue(""), self._queue(".fifo")
        self.stores = SimpleNamespace(
            accounts=DynamoAccountStore(create_table("accounts"), region),
            audiences=audiences,
            outputs=DynamoOutputStore(create_table("outputs"), region),
            secrets=SecretsManagerStore(region),
            workflows=MemoryWorkflows(),
            history=DynamoHistoryStore(create_table("history"), region),
            memberships=DynamoMembershipStore(create_table("memberships"), counts, region),
            splits=DynamoSplitStore(counts, region),
            ledger=DynamoLedgerStore(_ledger_table(region), region),
            identities=DynamoIdentityStore(create_table("identities"), region),
            profiles=DynamoProfileStore(create_profiles_table(), create_table("chunks"), region),
            wake_ups=SqsWakeUpQueue(self.wake_ups_url, region),
            jobs=DynamoJobStore(create_table("jobs"), region),
            sharing=DynamoSharingStore(create_table("sharing"), region),
        )
        of = self.stores
        control, derived = (of.accounts, audiences, of.outputs), (of.history, of.memberships, of.ledger)
        queues = SqsReevaluationQueue(reevaluations, region), of.wake_ups
        self.fan_out = FanOut(
            *control, *derived, *queues, of.identities, of.profiles, MemberSets(audiences), MemorySharedChangeQueue()
        )
        of.accounts.create(an_account())
        reference = of.secrets.put(ACCOUNT, "o-1", {"signing_secret": SECRET})
        of.outputs.save(an_output(settings={"url": url}, secret_ref=reference))
        audiences.save(an_audience(external_name="Fans", status=AudienceStatus.ACTIVE, ab_test=TEST))

    def write(self, mpid: Mpid, *, is_member: bool) -> None:
        """A profile's write, and what the stream makes of it."""
        now_ms = time.time_ns() // 1_000_000
        old = self.stores.profiles.load(ACCOUNT, Environment.PRODUCTION, [mpid]).get(mpid)
        new = Profile(ACCOUNT, Environment.PRODUCTION, mpid, old.version if old else 0)
        new.identities = {Identity("email", f"{mpid}@example.com"): 1}
        new.memberships = {AUDIENCE} if is_member else set()
        self.stores.profiles.save(new, now_ms)
        fan_out(self.fan_out, [ProfileChange(old, new, str(next(self._sequences)), now_ms)], now_ms)

    def deliver(self) -> None:
        while messages := self._received():
            assert deliver_changes.lambda_handler({"Records": messages}, CONTEXT) == {"batchItemFailures": []}

    def play(self, connection_id: str) -> None:
        """The connection's workflow, as its state machine goes through it."""
        version = self.stores.outputs.get_connection(ACCOUNT, connection_id).version
        job = {"account_id": ACCOUNT, "connection_id": connection_id, "version": version, "run": f"run-{version}"}
        begun = update_subscription.lambda_handler({"step": "announce", "retries": 0, **job}, CONTEXT)
        buckets = {"fill": BUCKETS, "withdraw": DELIVERY_BUCKETS}[begun["work"]]
        for bucket in range(buckets):
            page = {"work": begun["work"], "token": begun["token"], "bucket": bucket, **job}
            assert fill_connection_page.lambda_handler(page, CONTEXT)["is_done"]
        fill_connection_page.lambda_handler({"work": "wake", **job}, CONTEXT)
        self.deliver()
        if begun["work"] == "withdraw":
            finished = update_subscription.lambda_handler({"step": "finish", "retries": 0, **job}, CONTEXT)
            assert finished == {"is_done": True}

    def _queue(self, suffix: str) -> str:
        attributes = {"FifoQueue": "true", "VisibilityTimeout": "0"} if suffix else {}
        url: str = self.sqs.create_queue(QueueName=f"q-{uuid.uuid4()}{suffix}", Attributes=attributes)["QueueUrl"]
        return url

    def _received(self) -> list[dict[str, Any]]:
        """Messages of the queue as Lambda gets them, which are gone once it took them."""
        answer = self.sqs.receive_message(QueueUrl=self.wake_ups_url, MaxNumberOfMessages=10, AttributeNames=["All"])
        messages = answer.get("Messages", ())
        for each in messages:
            self.sqs.delete_message(QueueUrl=self.wake_ups_url, ReceiptHandle=each["ReceiptHandle"])
        return [
            {
                "messageId": each["MessageId"],
                "receiptHandle": each["ReceiptHandle"],
                "body": each["Body"],
                "attributes": each["Attributes"],
                "eventSource": "aws:sqs",
            }
            for each in messages
        ]


def _ledger_table(region: str) -> str:
    name = f"ledger-{uuid.uuid4()}"
    types = {"pk": "S", "sk": "S", "dirty_bucket": "S", "dirty_since": "N"}
    table, dirty = (
        [{"AttributeName": first, "KeyType": "HASH"}, {"AttributeName": second, "KeyType": "RANGE"}]
        for first, second in (("pk", "sk"), ("dirty_bucket", "dirty_since"))
    )
    boto3.client("dynamodb", region_name=region).create_table(
        TableName=name,
        KeySchema=table,
        AttributeDefinitions=[{"AttributeName": each, "AttributeType": kind} for each, kind in types.items()],
        GlobalSecondaryIndexes=[{"IndexName": "dirty", "KeySchema": dirty, "Projection": {"ProjectionType": "ALL"}}],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as partner:
        yield partner


@pytest.fixture
def stack(aws: str, partner: FaultyPartner, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(aws, partner.url)
    settings = wiring.Settings(aws, {"WAKE_UPS_QUEUE_URL": stack.wake_ups_url})
    monkeypatch.setattr(wiring, "stores", lambda: stack.stores)
    monkeypatch.setattr(wiring, "settings", lambda: settings)
    monkeypatch.setattr(wiring, "send", lambda: HttpSend(allow_private=True))
    return stack


def connected(stack: Stack, variant: str | None) -> str:
    """Id of a new connection whose workflow has run."""
    body = {"output_id": OUTPUT} | ({"variant": variant} if variant else {})
    made = Caller(outputs_api.lambda_handler, ACCOUNT)("POST", f"/v1/audiences/{AUDIENCE}/connections", body)
    assert made.status == 201, made.body
    assert (made.body["variant"] or {}).get("name") == variant
    stack.play(made.body["id"])
    return str(made.body["id"])


def known(partner: FaultyPartner, *audience_ids: int) -> list[set[int]]:
    """Mpids that the partner has in each of its audiences."""
    return [{int(mpid) for mpid in partner.members(audience_id)} for audience_id in audience_ids]


@pytest.mark.long
def test_a_split_audience_is_connected_kept_up_and_taken_apart_again(stack: Stack, partner: FaultyPartner) -> None:
    early = {variant.audience_id: set(mpids_in(variant, 3)) for variant in TEST.variants}
    for mpid in sorted(set().union(*early.values())):
        stack.write(mpid, is_member=True)

    ids = {name: connected(stack, name) for name in (None, "Variation A", "Control")}

    # Members of before, each where they belong; and nobody is told of variation B.
    everybody = set().union(*early.values())
    audiences = (AUDIENCE, A.audience_id, B.audience_id, CONTROL.audience_id)
    assert known(partner, *audiences) == [everybody, early[A.audience_id], set(), early[CONTROL.audience_id]]
    announced = {m["audience_id"]: m["audience_name"] for m in partner.heard if "audience_name" in m}
    assert announced == {
        AUDIENCE: "Fans",
        A.audience_id: "Fans - Variation A",
        CONTROL.audience_id: "Fans - Control",
    }

    # Members to come, one of each variant; and one leaves.
    late = {variant.audience_id: mpids_in(variant, 4)[3] for variant in TEST.variants}
    for mpid in late.values():
        stack.write(mpid, is_member=True)
    leaver = min(early[CONTROL.audience_id])
    stack.write(leaver, is_member=False)
    stack.deliver()

    in_a = early[A.audience_id] | {late[A.audience_id]}
    in_control = (early[CONTROL.audience_id] | {late[CONTROL.audience_id]}) - {leaver}
    now_in = (everybody | set(late.values())) - {leaver}
    assert known(partner, *audiences) == [now_in, in_a, set(), in_control]
    entries = [a for m in partner.heard for p in m.get("user_profiles", ()) for a in p["audiences"]]
    assert {each["audience_id"]: each["audience_name"] for each in entries} == announced
    call = Caller(ab_tests_api.lambda_handler, ACCOUNT)
    shown = call("GET", f"/v1/audiences/{AUDIENCE}/ab-test")
    assert [each["size"] for each in shown.body["variants"]] == [len(in_a), 4, len(in_control)]

    # The test ends: its connections go, with everybody in them; that of the audience stays as it is.
    path = f"/v1/audiences/{AUDIENCE}/ab-test"
    assert call("DELETE", path, headers={"If-Match": shown.headers["ETag"]}).status == 204
    assert call("GET", path).status == 404
    left = stack.stores.outputs.list_connections(ACCOUNT)
    assert {each.connection_id: each.status for each in left} == {
        ids[None]: ConnectionStatus.ACTIVE,
        ids["Variation A"]: ConnectionStatus.DELETING,
        ids["Control"]: ConnectionStatus.DELETING,
    }
    for name in ("Variation A", "Control"):
        stack.play(ids[name])

    assert known(partner, *audiences) == [now_in, set(), set(), set()]
    assert [m["audience_id"] for m in partner.heard if m.get("action") == "remove"] == [
        A.audience_id,
        CONTROL.audience_id,
    ]
    assert [each.connection_id for each in stack.stores.outputs.list_connections(ACCOUNT)] == [ids[None]]


def test_members_who_join_while_a_variant_is_being_connected_are_not_lost(stack: Stack, partner: FaultyPartner) -> None:
    body = {"output_id": OUTPUT, "variant": "Variation B"}
    made = Caller(outputs_api.lambda_handler, ACCOUNT)("POST", f"/v1/audiences/{AUDIENCE}/connections", body)
    mine, others = mpids_in(B, 4), mpids_in(A, 4)
    for mpid in (*mine[:2], *others[:2]):
        stack.write(mpid, is_member=True)

    stack.play(made.body["id"])
    for mpid in (*mine[2:], *others[2:]):
        stack.write(mpid, is_member=True)
    stack.deliver()

    assert known(partner, B.audience_id) == [set(mine)]
    rows = [
        row.mpid
        for lane in range(DELIVERY_BUCKETS)
        for row in stack.stores.ledger.rows(ACCOUNT, made.body["id"], lane, None, 100).items
    ]
    assert sorted(rows) == sorted(mine)
    assert made.body["variant"] == {"id": B.audience_id, "name": "Variation B"}
