"""Owners are told of faults: through the real stream of the table, by real mail and events of an AWS in memory."""

import threading
import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto.dynamodb.models import dynamodb_backends

from audience_core import wiring
from audience_core.domain.output import FaultKind
from audience_core.errors import UnavailableError
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.marks import DynamoMarkStore
from audience_core.persistence.notices import EventBridgeBus, SesMail
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.pipeline.notify_fault import Notices
from audience_core.pipeline.partner_link import record_fault
from functions.notify_faults import handler
from tests.support.ab_tests import an_ab_test
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    CONNECTION,
    NOW,
    OUTPUT,
    a_connection,
    an_account,
    an_audience,
    an_output,
)
from tests.support.control_stack import create_table
from tests.support.http_api import a_context, a_sample
from tests.support.owners import SENDER, Owners

CONSOLE = "https://console.example"
AT = int(NOW.timestamp() * 1000)


class Stack:
    """A connection whose table has a stream, a bus with somebody listening, and a mailbox."""

    def __init__(self, region: str) -> None:
        self.region = region
        self._table = self._outputs_table()
        self.outputs = DynamoOutputStore(self._table, region)
        accounts = DynamoAccountStore(create_table("accounts"), region)
        audiences = DynamoAudienceStore(create_table("audiences"), region)
        self._owners = Owners(region)
        marks = DynamoMarkStore(create_table("marks"), region)
        mail = SesMail(SENDER, region)
        events = EventBridgeBus(self._owners.bus, region)
        self.notices = Notices(accounts, audiences, self.outputs, marks, events, mail, lambda: CONSOLE)
        accounts.create(an_account(contact_email="owner@example.com"))
        audiences.save(an_audience(name="Weekend\nHikers"))
        self.outputs.save(an_output())
        self.outputs.save_connection(a_connection())

    def _outputs_table(self) -> str:
        client, name = boto3.client("dynamodb", region_name=self.region), f"outputs-{uuid.uuid4()}"
        client.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        return name

    def records(self) -> list[dict[str, Any]]:
        """All records of the stream so far; the AWS in memory keeps them, but has no API that reads them."""
        shard = dynamodb_backends["123456789012"][self.region].tables[self._table].stream_shard
        assert shard is not None
        return list(shard.get(shard.starting_sequence_number, 1000))

    def tell(self) -> dict[str, Any]:
        answer: dict[str, Any] = handler.lambda_handler({"Records": self.records()}, a_context())
        return answer

    def fault(
        self, message: str = "the partner answered 503", at: int = AT, kind: FaultKind = FaultKind.PARTNER_ERROR
    ) -> None:
        record_fault(self.outputs, ACCOUNT, CONNECTION, kind, message, at)

    def resume(self) -> None:
        connection = self.outputs.get_connection(ACCOUNT, CONNECTION)
        self.outputs.save_connection(connection.model_copy(update={"fault": None}))

    def mails(self) -> list[Any]:
        return self._owners.mails()

    def events(self) -> list[dict[str, Any]]:
        return self._owners.events()


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(aws)
    monkeypatch.setattr(wiring, "notices", lambda: stack.notices)
    return stack


def test_a_fault_is_told_by_one_mail_and_one_event(stack: Stack) -> None:
    stack.fault()

    assert stack.tell() == {"batchItemFailures": []}
    assert stack.tell() == {"batchItemFailures": []}

    (event,) = stack.events()
    assert (event["source"], event["detail-type"]) == ("audience-manager", "Connection Faulted")
    assert event["detail"] == {
        "account_id": ACCOUNT,
        "connection_id": CONNECTION,
        "audience_id": AUDIENCE,
        "variant": None,
        "output_id": OUTPUT,
        "fault": {
            "kind": "partner_error",
            "message": "the partner answered 503",
            "at": NOW.isoformat(),
            "log_in_url": None,
        },
    }
    (mail,) = stack.mails()
    assert mail.destinations["ToAddresses"] == ["owner@example.com"]
    assert mail.subject == "Connection of Weekend Hikers to Our warehouse is faulted: partner_error"
    assert "the partner answered 503" in mail.body
    assert f"POST /v1/connections/{CONNECTION}/resume" in mail.body
    assert CONSOLE not in mail.body


@pytest.mark.parametrize(
    ("log_in_ref", "kind", "is_linked"),
    [
        ("log-in", FaultKind.AUTHENTICATION, True),
        ("log-in", FaultKind.PERMISSIONS, False),
        (None, FaultKind.AUTHENTICATION, False),
    ],
)
def test_where_a_log_in_mends_it_notices_lead_there(
    stack: Stack, log_in_ref: str | None, kind: FaultKind, is_linked: bool
) -> None:
    output = stack.outputs.get(ACCOUNT, OUTPUT)
    stack.outputs.save(output.model_copy(update={"log_in_ref": log_in_ref}))
    stack.fault(kind=kind)

    stack.tell()

    (mail,), (event,) = stack.mails(), stack.events()
    page = f"{CONSOLE}/outputs/{OUTPUT}/log-in"
    assert (page in mail.body, event["detail"]["fault"]["log_in_url"]) == (is_linked, page if is_linked else None)


def test_a_notice_names_the_variant(stack: Stack) -> None:
    connection = stack.outputs.get_connection(ACCOUNT, CONNECTION)
    stack.outputs.save_connection(connection.model_copy(update={"variant": an_ab_test(30).control}))

    stack.fault()
    stack.tell()

    (mail,), (event,) = stack.mails(), stack.events()
    assert mail.subject.startswith("Connection of Weekend Hikers - Control to Our warehouse")
    assert event["detail"]["variant"] == "Control"


def test_lanes_that_fault_at_the_same_moment_make_one_notice(stack: Stack) -> None:
    lanes = [threading.Thread(target=stack.fault, args=(f"lane {n}", AT + n)) for n in range(8)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()

    stack.tell()

    assert (len(stack.mails()), len(stack.events())) == (1, 1)


def test_each_fault_is_told_and_what_else_changes_is_not(stack: Stack) -> None:
    stack.fault()
    connection = stack.outputs.get_connection(ACCOUNT, CONNECTION)
    stack.outputs.save_connection(connection.model_copy(update={"settings": {"list": "vip"}}))
    stack.resume()
    stack.fault("again", AT + 1)

    stack.tell()

    assert [event["detail"]["fault"]["message"] for event in stack.events()] == ["the partner answered 503", "again"]
    assert len(stack.mails()) == 2


def test_the_outputs_own_contact_comes_first(stack: Stack) -> None:
    output = stack.outputs.get(ACCOUNT, OUTPUT)
    stack.outputs.save(output.model_copy(update={"contact_email": "ops@example.com"}))
    stack.fault()

    stack.tell()

    assert [mail.destinations["ToAddresses"] for mail in stack.mails()] == [["ops@example.com"]]


def test_without_a_sender_there_is_the_event_alone(stack: Stack) -> None:
    stack.notices = replace(stack.notices, mail=None)
    stack.fault()

    assert stack.tell() == {"batchItemFailures": []}

    assert (len(stack.mails()), len(stack.events())) == (0, 1)


def test_a_mail_that_cannot_be_sent_keeps_neither_the_event_nor_a_later_mail(stack: Stack) -> None:
    working, stack.notices = stack.notices, replace(stack.notices, mail=unreachable(stack.region))
    stack.fault()
    sequence = stack.records()[-1]["dynamodb"]["SequenceNumber"]
    assert stack.tell() == {"batchItemFailures": [{"itemIdentifier": sequence}]}
    assert len(stack.events()) == 1

    stack.notices = working
    stack.tell()

    assert (len(stack.mails()), len(stack.events())) == (1, 0)


def test_a_fault_that_could_not_be_told_is_told_although_another_one_followed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack.fault("first")
    stack.resume()
    stack.fault("second", AT + 1)
    put, failing = stack.notices.bus.put, ["first"]

    def put_later(kind: str, detail: Mapping[str, Any]) -> None:
        if failing and failing.pop():
            raise UnavailableError("the event bus does not answer")
        put(kind, detail)

    monkeypatch.setattr(stack.notices.bus, "put", put_later)
    assert len(stack.tell()["batchItemFailures"]) == 1
    assert stack.tell() == {"batchItemFailures": []}

    assert [event["detail"]["fault"]["message"] for event in stack.events()] == ["first", "second"]
    assert len(stack.mails()) == 2


def test_a_mail_that_will_never_be_taken_is_given_up(stack: Stack, caplog: pytest.LogCaptureFixture) -> None:
    stack.notices = replace(stack.notices, mail=SesMail("nobody-verified@example.org", stack.region))
    stack.fault()

    assert stack.tell() == {"batchItemFailures": []}

    assert len(stack.events()) == 1
    assert "fault not told" in caplog.text


def test_the_sample_event_is_read(stack: Stack) -> None:
    handler.lambda_handler(a_sample("notify_faults"), a_context())

    assert [event["detail"]["connection_id"] for event in stack.events()] == [CONNECTION]


def unreachable(region: str) -> SesMail:
    """Mail whose service does not answer: nothing listens on that port."""
    mail = SesMail(SENDER, region)
    mail._client = boto3.client(
        "sesv2",
        region_name=region,
        endpoint_url="http://127.0.0.1:9",
        config=boto3.session.Config(retries={"total_max_attempts": 1}, connect_timeout=1),
    )
    return mail
