"""One id goes with a request from the gateway to the partner; and no log on its way says of whom it was."""

import json
import logging
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from io import StringIO
from typing import Any

import boto3
import pytest

from audience_core import wiring, wiring_evaluation
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.ids import AudienceId
from audience_core.domain.output import SubscriptionState
from functions.deliver_changes import handler as deliver_changes
from functions.fan_out_changes import handler as fan_out_changes
from functions.ingest_api import handler as ingest_api
from functions.process_events import handler as process_events
from tests.support.control import (
    ACCOUNT,
    a_connection,
    a_workspace,
    an_account,
    an_audience,
    an_input,
    an_output,
)
from tests.support.control_stack import REGION
from tests.support.front_door import FrontDoor
from tests.support.http_api import a_context
from tests.support.whole_stack import WholeStack, forget_wiring

REQUEST = "request-1"  # what the front door calls each request
PERSON, TRAIT, SECRET = "nell@trail.example", "platinum-blonde", "s3cret-of-the-input"


@pytest.fixture
def stack(aws: str) -> Iterator[WholeStack]:
    with pytest.MonkeyPatch.context() as patch:
        stack = WholeStack()
        stack.tell(patch)
        stores = wiring.stores()
        stores.accounts.create(an_account())
        stores.workspaces.save(a_workspace())
        digest = sha256(SECRET.encode()).hexdigest()
        stores.workspaces.save_input(an_input(key="us1-key", secret_sha256=digest))
        stores.outputs.save(an_output(settings={"url": "https://partner.invalid/members"}))
        stores.audiences.publish(an_audience(status=AudienceStatus.ACTIVE))
        stores.outputs.save_connection(a_connection(subscription=SubscriptionState.ACTIVE))
        yield stack
    forget_wiring()


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """All that functions and the layer log; they hold on to the stream that was there when they were imported."""
    written = StringIO()
    # All are there by now: importing one more gives the layer's logger another stream.
    assert ingest_api.logger
    for name in (*logging.root.manager.loggerDict, None):
        for handler in logging.getLogger(name).handlers:
            if type(handler) is logging.StreamHandler:
                monkeypatch.setattr(handler, "stream", written)
    return written


def received(stack: WholeStack, queue: str) -> list[dict[str, Any]]:
    url = stack.names[queue]
    found = boto3.client("sqs", region_name=REGION).receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=0
    )
    return [
        {
            "messageId": each["MessageId"],
            "receiptHandle": each["ReceiptHandle"],
            "body": each["Body"],
            "attributes": {"ApproximateReceiveCount": "1", "MessageGroupId": "g"},
            "eventSource": "aws:sqs",
        }
        for each in found.get("Messages", [])
    ]


def in_stream(stack: WholeStack) -> list[dict[str, Any]]:
    """The written profiles as the table's stream has them."""
    items = boto3.client("dynamodb", region_name=REGION).scan(TableName=stack.names["ProfilesTable"])["Items"]
    images = [
        {
            name: {kind: b64encode(each).decode() if kind == "B" else each for kind, each in value.items()}
            for name, value in item.items()
        }
        for item in items
    ]
    return [
        {
            "eventName": "INSERT",
            "dynamodb": {"NewImage": image, "SequenceNumber": "1", "ApproximateCreationDateTime": 1795521600.0},
        }
        for image in images
    ]


def play(stack: WholeStack) -> None:
    """A batch that makes somebody a member, as far as a partner who cannot be reached."""
    credential = b64encode(f"us1-key:{SECRET}".encode()).decode()
    event = {"event_name": "Play Video", "custom_event_type": "other"}
    batch = {
        "user_identities": {"email": PERSON},
        "user_attributes": {"hair": TRAIT},
        "events": [{"event_type": "custom_event", "data": event}],
    }
    answer = FrontDoor(stack.template)("POST", "/v2/events", batch, {"Authorization": f"Basic {credential}"})
    assert answer.status == 202
    process_events.lambda_handler({"Records": received(stack, "EventsQueue")}, a_context())
    fan_out_changes.lambda_handler({"Records": in_stream(stack)}, a_context())
    (wake_up,) = received(stack, "WakeUpsQueue")
    assert json.loads(wake_up["body"])["correlation_id"] == REQUEST
    deliver_changes.lambda_handler({"Records": [wake_up]}, a_context())


def test_every_stage_logs_the_id_of_the_request(stack: WholeStack, logs: StringIO) -> None:
    play(stack)

    lines = [json.loads(line) for line in logs.getvalue().splitlines() if line.startswith('{"level"')]
    ids = {each["message"]: (each.get("correlation_id"), *each.get("correlation_ids", ())) for each in lines}
    told = {message for message, of in ids.items() if REQUEST in of}
    assert {"messages taken", "changes taken", "lane drained"} <= told


def test_no_log_says_of_whom_it_was(stack: WholeStack, logs: StringIO) -> None:
    play(stack)

    assert "messages taken" in logs.getvalue()
    for secret in (PERSON, PERSON.upper(), "nell", TRAIT, SECRET, b64encode(PERSON.encode()).decode()):
        assert secret not in logs.getvalue()


def test_what_time_alone_changes_has_no_request(stack: WholeStack) -> None:
    play(stack)
    item = boto3.client("dynamodb", region_name=REGION).scan(TableName=stack.names["ProfilesTable"])["Items"][0]
    message = {"type": "reevaluation", "account_id": ACCOUNT, "mpid": int(item["sk"]["S"])}
    stores = wiring.stores()
    stores.audiences.publish(an_audience(audience_id=AudienceId(2), status=AudienceStatus.ACTIVE))
    wiring_evaluation.pipeline.cache_clear()

    process_events.lambda_handler({"Records": [{"messageId": "m", "body": json.dumps(message)}]}, a_context())

    again = boto3.client("dynamodb", region_name=REGION).scan(TableName=stack.names["ProfilesTable"])["Items"][0]
    assert again["version"] != item["version"]
    assert (item["cause"]["S"], "cause" in again) == (REQUEST, False)
