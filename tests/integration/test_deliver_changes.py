"""The functions of delivery over real tables and queues, with a real partner on loopback."""

import json
import time
from collections.abc import Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from audience_core import wiring
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.job import JobState
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import ConnectionStatus, SubscriptionState
from audience_core.domain.profile import Profile
from audience_core.errors import NotFoundError, NotOursError, TerminalDeliveryError
from audience_core.outputs.http import HttpSend
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.queues import SqsWakeUpQueue
from audience_core.persistence.secrets import SecretsManagerStore
from functions.deliver_changes import handler as deliver_changes
from functions.fill_connection_page import handler as fill_connection_page
from functions.sweep_ledger import handler as sweep_ledger
from functions.update_subscription import handler as update_subscription
from tests.support.control import ACCOUNT, AUDIENCE, CONNECTION, a_connection, an_audience, an_output
from tests.support.delivery import email
from tests.support.partners import SECRET, FaultyPartner, a_partner, refusing

EVENTS = Path("events")
INDEXES = {"ledger": ("dirty", "dirty_bucket", "dirty_since"), "profiles": ("due", "due_shard", "due_at")}
# In the bucket that the sample events name, and in the delivery lane 0.
ANN = Mpid(8)


class Context(SimpleNamespace):
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


CONTEXT: Any = Context(
    function_name="f", memory_limit_in_mb=512, invoked_function_arn="arn:aws:lambda:us-east-1:1:f", aws_request_id="r"
)


class Stack:
    """The parts of AWS that delivery uses, with one connection to a partner, announced already."""

    def __init__(self, region: str, url: str) -> None:
        for table in ("outputs", "audiences", "identities", "ledger", "profiles", "chunks", "jobs"):
            recreate_table(region, table)
        self.sqs = boto3.client("sqs", region_name=region)
        self.queue_url = self.sqs.create_queue(
            QueueName=f"wake-ups-{time.monotonic_ns()}.fifo", Attributes={"FifoQueue": "true", "VisibilityTimeout": "0"}
        )["QueueUrl"]
        self.stores = SimpleNamespace(
            outputs=DynamoOutputStore("outputs", region),
            audiences=DynamoAudienceStore("audiences", region),
            secrets=SecretsManagerStore(region),
            identities=DynamoIdentityStore("identities", region),
            ledger=DynamoLedgerStore("ledger", region),
            profiles=DynamoProfileStore("profiles", "chunks", region),
            wake_ups=SqsWakeUpQueue(self.queue_url, region),
            jobs=DynamoJobStore("jobs", region),
        )
        self.settings = wiring.Settings(region, {"WAKE_UPS_QUEUE_URL": self.queue_url})
        reference = self.stores.secrets.put(ACCOUNT, "o-1", {"signing_secret": SECRET})
        self.stores.audiences.save(an_audience())
        self.stores.outputs.save(an_output(settings={"url": url}, secret_ref=reference))
        self.stores.outputs.save_connection(a_connection(subscription=SubscriptionState.ACTIVE))

    @property
    def connection(self) -> Any:
        return self.stores.outputs.get_connection(ACCOUNT, CONNECTION)

    def change(self, **changes: Any) -> None:
        self.stores.outputs.save_connection(self.connection.model_copy(update=changes))

    def join(self, at: int) -> None:
        self.stores.ledger.desire(ACCOUNT, CONNECTION, ANN, email("ann"), 1, at)

    def received(self) -> list[dict[str, Any]]:
        """Messages of the queue as Lambda gets them."""
        answer = self.sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10, AttributeNames=["All"])
        return [
            {
                "messageId": message["MessageId"],
                "receiptHandle": message["ReceiptHandle"],
                "body": message["Body"],
                "attributes": message["Attributes"],
                "eventSource": "aws:sqs",
            }
            for message in answer.get("Messages", ())
        ]


def recreate_table(region: str, name: str) -> None:
    client = boto3.client("dynamodb", region_name=region)
    with suppress(client.exceptions.ResourceNotFoundException):
        client.delete_table(TableName=name)
    types = {"pk": "S", "sk": "S"}
    indexes: list[dict[str, Any]] = []
    if name in INDEXES:
        index, hash_key, range_key = INDEXES[name]
        types |= {hash_key: "S", range_key: "N"}
        indexes = [
            {"IndexName": index, "KeySchema": keys(hash_key, range_key), "Projection": {"ProjectionType": "ALL"}}
        ]
    client.create_table(
        TableName=name,
        KeySchema=keys("pk", "sk"),
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in types.items()],
        BillingMode="PAY_PER_REQUEST",
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )


def keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as partner:
        yield partner


@pytest.fixture
def stack(aws: str, partner: FaultyPartner, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(aws, partner.url)
    monkeypatch.setattr(wiring, "stores", lambda: stack.stores)
    monkeypatch.setattr(wiring, "settings", lambda: stack.settings)
    monkeypatch.setattr(wiring, "send", lambda: HttpSend(allow_private=True))
    return stack


def sample(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return event


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def test_a_wake_up_delivers_what_is_dirty(stack: Stack, partner: FaultyPartner) -> None:
    stack.join(now_ms())

    answer = deliver_changes.lambda_handler(sample("deliver_wake_up"), CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert partner.members(AUDIENCE) == {"8": {("email", "ann@example.com")}}


def test_a_partner_that_is_down_keeps_the_message_and_hides_it(stack: Stack, partner: FaultyPartner) -> None:
    partner.default = refusing(HTTPStatus.SERVICE_UNAVAILABLE, Retry_After="60")
    stack.join(now_ms())
    stack.stores.wake_ups.send([WakeUp(ACCOUNT, CONNECTION, 0)], now_ms())
    (record,) = stack.received()

    answer = deliver_changes.lambda_handler({"Records": [record]}, CONTEXT)

    assert answer == {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}
    attributes = stack.sqs.get_queue_attributes(QueueUrl=stack.queue_url, AttributeNames=["All"])["Attributes"]
    assert attributes["ApproximateNumberOfMessagesNotVisible"] == "1"
    assert stack.connection.fault is None


def test_after_the_last_attempt_the_message_is_gone_and_the_connection_faulted(
    stack: Stack, partner: FaultyPartner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DELIVERY_ATTEMPTS", "3")
    partner.default = refusing(HTTPStatus.TOO_MANY_REQUESTS)
    stack.join(now_ms())
    event = sample("deliver_wake_up")
    event["Records"][0]["attributes"]["ApproximateReceiveCount"] = "3"

    answer = deliver_changes.lambda_handler(event, CONTEXT)

    assert answer == {"batchItemFailures": []}
    assert stack.connection.fault.kind == "rate_limit"


def test_the_sweep_queues_what_was_left_behind(stack: Stack) -> None:
    stack.join(now_ms() - 61_000)

    assert sweep_ledger.lambda_handler(sample("sweep_ledger"), CONTEXT) == {"awakened": 1}

    (record,) = stack.received()
    assert json.loads(record["body"]) == {"account_id": ACCOUNT, "connection_id": CONNECTION, "bucket": 0}


def test_a_connection_is_announced_filled_and_delivered(stack: Stack, partner: FaultyPartner) -> None:
    stack.change(subscription=SubscriptionState.NONE)
    identities = {Identity("email", "ann@example.com"): 1}
    stack.stores.profiles.save(
        Profile(ACCOUNT, Environment.PRODUCTION, ANN, identities=identities, memberships={AUDIENCE}), 1
    )

    begun = update_subscription.lambda_handler(sample("update_subscription"), CONTEXT)
    assert begun == {"work": "fill", "token": 1}
    page = fill_connection_page.lambda_handler(sample("fill_connection_page"), CONTEXT)
    deliver_changes.lambda_handler({"Records": stack.received()}, CONTEXT)

    assert (page["is_done"], page["cursor"]) == (True, None)
    assert [message["type"] for message in partner.heard] == [
        "audience_subscription_request",
        "audience_membership_change_request",
    ]
    assert partner.members(AUDIENCE) == {"8": {("email", "ann@example.com")}}
    update_subscription.lambda_handler({**sample("update_subscription"), "step": "succeed"}, CONTEXT)
    job = stack.stores.jobs.get(ACCOUNT, f"fill-{CONNECTION}-1")
    assert (job.state, job.kind, job.connection_id) == ("succeeded", "connection_fill", CONNECTION)
    assert [(part.name, part.progress) for part in stack.stores.jobs.parts(ACCOUNT, job.job_id)] == [("08", 1.0)]


def test_a_cancelled_fill_stops_at_the_next_page(stack: Stack, partner: FaultyPartner) -> None:
    update_subscription.lambda_handler(sample("update_subscription"), CONTEXT)
    job = stack.stores.jobs.get(ACCOUNT, f"fill-{CONNECTION}-1")
    stack.stores.jobs.save(job.model_copy(update={"state": JobState.CANCELLED}))

    with pytest.raises(NotOursError):
        fill_connection_page.lambda_handler(sample("fill_connection_page"), CONTEXT)
    with pytest.raises(NotOursError):
        update_subscription.lambda_handler(sample("update_subscription"), CONTEXT)


def test_a_deleted_connection_takes_its_members_along(stack: Stack, partner: FaultyPartner) -> None:
    stack.join(now_ms())
    deliver_changes.lambda_handler(sample("deliver_wake_up"), CONTEXT)
    stack.change(status=ConnectionStatus.DELETING)
    connection = {"account_id": ACCOUNT, "connection_id": CONNECTION, "version": 2, "run": "run-1", "token": 1}

    begun = update_subscription.lambda_handler({"step": "announce", "retries": 0, **connection}, CONTEXT)
    for bucket in range(8):
        fill_connection_page.lambda_handler({"work": "withdraw", "bucket": bucket, **connection}, CONTEXT)
    finish = {"step": "finish", "retries": 0, **connection}
    early = update_subscription.lambda_handler(finish, CONTEXT)
    fill_connection_page.lambda_handler({"work": "wake", **connection}, CONTEXT)
    deliver_changes.lambda_handler({"Records": stack.received()}, CONTEXT)
    late = update_subscription.lambda_handler(finish, CONTEXT)

    assert (begun, early, late) == ({"work": "withdraw", "token": 1}, {"is_done": False}, {"is_done": True})
    assert partner.members(AUDIENCE) == {}
    assert partner.heard[-1]["action"] == "remove"
    with pytest.raises(NotFoundError):
        stack.stores.outputs.get_connection(ACCOUNT, CONNECTION)


def test_a_failed_workflow_leaves_an_explained_fault(stack: Stack, partner: FaultyPartner) -> None:
    partner.default = refusing(HTTPStatus.UNAUTHORIZED)
    stack.change(subscription=SubscriptionState.NONE)
    event = sample("update_subscription")

    with pytest.raises(TerminalDeliveryError):
        update_subscription.lambda_handler(event, CONTEXT)
    update_subscription.lambda_handler({**event, "step": "fail", "error": "TerminalDeliveryError"}, CONTEXT)

    # What the partner answered says more than that the workflow failed.
    assert stack.connection.fault.kind == "authentication"
    job = stack.stores.jobs.get(ACCOUNT, f"fill-{CONNECTION}-1")
    assert (job.state, job.error) == ("failed", "TerminalDeliveryError")
    stack.change(fault=None)
    update_subscription.lambda_handler({**event, "step": "fail", "error": "Sandbox.Timedout"}, CONTEXT)
    assert "Sandbox.Timedout" in stack.connection.fault.message
