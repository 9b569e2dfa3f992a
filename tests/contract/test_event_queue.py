"""What every events queue promises, and how SQS is spoken to."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest
from botocore.exceptions import ClientError

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import PipelineMessage, Reevaluation, Release
from audience_core.domain.stores import EventQueue
from audience_core.errors import UnavailableError
from audience_core.persistence.memory.ingest import MemoryEventQueue
from audience_core.persistence.queues import (
    BILLED_BYTES,
    MAX_ATTEMPTS,
    MAX_BYTES,
    SqsEventQueue,
    decode,
    encode,
    unpack,
)
from tests.support.batches import accepted

type Take = Callable[[], list[PipelineMessage]]

BATCH = accepted({"mpid": "-5", "user_attributes": {"tier": "gold", "parks": [1, 2.5, None], "é": "\ud800\uffff\x00"}})
HISTORY = accepted({"events": []}, is_historical=True)
REEVALUATION = Reevaluation(AccountId(7), Mpid(-(2**63)))
RELEASE = Release(
    AccountId(7), Environment.DEVELOPMENT, Mpid(2**63 - 1), Identity("email", "a@b.co"), 1_795_430_000_000
)


@pytest.fixture
def queue_url(aws: str) -> str:
    name = f"events-{uuid4()}"
    url: str = boto3.client("sqs", region_name=aws).create_queue(QueueName=name)["QueueUrl"]
    return url


@pytest.fixture(params=["sqs", "memory"])
def queue_and_take(request: pytest.FixtureRequest) -> tuple[EventQueue, Take]:
    if request.param == "memory":
        memory = MemoryEventQueue()
        return memory, memory.take
    url, region = request.getfixturevalue("queue_url"), request.getfixturevalue("aws")
    return SqsEventQueue(url, region), lambda: [each for body in received(url, region) for each in unpack(body)]


def received(url: str, region: str) -> list[str]:
    client = boto3.client("sqs", region_name=region)
    bodies = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        bodies += [message["Body"] for message in messages]
    return bodies


def test_every_kind_of_message_arrives_as_it_was_sent(queue_and_take: tuple[EventQueue, Take]) -> None:
    queue, take = queue_and_take

    queue.send([BATCH, HISTORY, REEVALUATION, RELEASE])

    taken = take()
    assert len(taken) == 4
    assert all(message in taken for message in (BATCH, HISTORY, REEVALUATION, RELEASE))


def test_more_messages_than_fit_one_call_all_arrive(queue_and_take: tuple[EventQueue, Take]) -> None:
    queue, take = queue_and_take
    messages = [Reevaluation(AccountId(7), Mpid(number + 1)) for number in range(25)]

    queue.send(messages)

    assert {message.mpid for message in take() if isinstance(message, Reevaluation)} == set(range(1, 26))


def test_sending_nothing_sends_nothing(queue_and_take: tuple[EventQueue, Take]) -> None:
    queue, take = queue_and_take

    queue.send([])

    assert take() == []


def test_equal_messages_have_equal_text() -> None:
    one = accepted({"a": 1, "b": {"c": 2, "d": 3}})
    same = accepted({"b": {"d": 3, "c": 2}, "a": 1})

    assert encode(one) == encode(same)


@pytest.mark.parametrize("text", ["[]", "{}", '{"type":"batches"}', "nothing"])
def test_other_text_is_no_message(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        decode(text)


class FlakySqs:
    """Refuses one entry of each call, so many times."""

    def __init__(self, refusals: int) -> None:
        self.refusals = refusals
        self.calls: list[list[dict[str, Any]]] = []

    def send_message_batch(self, QueueUrl: str, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 as boto3
        self.calls.append(Entries)
        if len(self.calls) > self.refusals:
            return {"Successful": Entries}
        return {"Failed": [{"Id": Entries[-1]["Id"]}]}


class DeadSqs:
    def send_message_batch(self, **call: Any) -> dict[str, Any]:
        raise ClientError({"Error": {"Code": "ServiceUnavailable", "Message": ""}}, "SendMessageBatch")


def a_queue(monkeypatch: pytest.MonkeyPatch, client: Any) -> SqsEventQueue:
    monkeypatch.setattr(boto3, "client", lambda service, **given: client)
    return SqsEventQueue("https://queue.example")


def test_only_what_sqs_refused_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FlakySqs(refusals=2)
    big = accepted({"user_attributes": {"a": "x" * BILLED_BYTES}})

    a_queue(monkeypatch, client).send([big, RELEASE])

    assert [[entry["MessageBody"] for entry in call] for call in client.calls] == [
        [encode(big), encode(RELEASE)],
        [encode(RELEASE)],
        [encode(RELEASE)],
    ]


def test_small_messages_share_a_body(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FlakySqs(refusals=0)

    a_queue(monkeypatch, client).send([REEVALUATION, RELEASE])

    ((entry,),) = client.calls
    assert unpack(entry["MessageBody"]) == [REEVALUATION, RELEASE]


def test_what_sqs_keeps_refusing_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FlakySqs(refusals=MAX_ATTEMPTS)

    with pytest.raises(UnavailableError):
        a_queue(monkeypatch, client).send([REEVALUATION])


def test_a_queue_that_does_not_answer_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnavailableError):
        a_queue(monkeypatch, DeadSqs()).send([REEVALUATION])


def test_a_call_holds_no_more_than_sqs_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    client = FlakySqs(refusals=0)
    big = [accepted({"user_attributes": {"a": "é" * 50_000}}, batch_id=str(number)) for number in range(5)]

    a_queue(monkeypatch, client).send(big)

    assert [len(call) for call in client.calls] == [2, 2, 1]
    assert all(sum(len(entry["MessageBody"].encode()) for entry in call) <= MAX_BYTES for call in client.calls)
