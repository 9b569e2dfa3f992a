"""What every queue of re-evaluations promises, and how SQS is told when."""

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import boto3
import pytest

from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import Due, Reevaluation
from audience_core.domain.stores import ReevaluationQueue
from audience_core.persistence.memory.ingest import MemoryReevaluationQueue
from audience_core.persistence.queues import PROFILES_PER_MESSAGE, SqsReevaluationQueue, unpack

type Take = Callable[[], list[Mpid]]

ACCOUNT = AccountId(7)
NOW = 1_795_430_000_100


@pytest.fixture
def sqs(aws: str) -> tuple[SqsReevaluationQueue, str]:
    url = boto3.client("sqs", region_name=aws).create_queue(QueueName=f"reevaluations-{uuid4()}")["QueueUrl"]
    return SqsReevaluationQueue(url, aws), url


@pytest.fixture(params=["sqs", "memory"])
def queue_and_take(request: pytest.FixtureRequest) -> tuple[ReevaluationQueue, Take]:
    if request.param == "memory":
        memory = MemoryReevaluationQueue()
        return memory, lambda: [each.mpid for each in memory.take()]
    queue, url = request.getfixturevalue("sqs")
    return queue, lambda: [mpid for body in bodies(url) for mpid in mpids_of(body)]


def bodies(url: str) -> list[str]:
    client = boto3.client("sqs", region_name="us-east-1")
    found: list[str] = []
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        found += [message["Body"] for message in messages]
    return found


def mpids_of(body: str) -> list[Mpid]:
    messages = unpack(body)
    assert all(isinstance(each, Reevaluation) and each.account_id == ACCOUNT for each in messages)
    return [each.mpid for each in messages if isinstance(each, Reevaluation)]


def test_what_is_due_is_queued_whole(queue_and_take: tuple[ReevaluationQueue, Take]) -> None:
    queue, take = queue_and_take
    mpids = [Mpid(number) for number in range(1, 1202)]

    queue.send([Due(ACCOUNT, mpid, NOW - mpid) for mpid in mpids], NOW)

    assert queue.waiting() > 0
    assert sorted(take()) == mpids


def test_nothing_queued_waits_for_nobody(queue_and_take: tuple[ReevaluationQueue, Take]) -> None:
    queue, take = queue_and_take

    queue.send([], NOW)

    assert (queue.waiting(), take()) == (0, [])


def test_a_message_holds_no_more_than_a_function_can_do(sqs: tuple[SqsReevaluationQueue, str]) -> None:
    queue, url = sqs

    queue.send([Due(ACCOUNT, Mpid(number), NOW) for number in range(1, 2 * PROFILES_PER_MESSAGE + 2)], NOW)

    assert sorted(len(mpids_of(body)) for body in bodies(url)) == [1, PROFILES_PER_MESSAGE, PROFILES_PER_MESSAGE]


@pytest.mark.parametrize(
    ("ahead_ms", "delay_s"),
    [(-5, 0), (0, 0), (1, 2), (999, 2), (1000, 2), (1001, 3), (90_000, 91), (10_000_000, 900)],
)
def test_nobody_is_shown_before_the_instant(sqs: tuple[SqsReevaluationQueue, str], ahead_ms: int, delay_s: int) -> None:
    queue, _ = sqs
    sent: list[dict[str, Any]] = []
    events = queue._queue._client.meta.events
    events.register("before-parameter-build.sqs.SendMessageBatch", lambda params, **_: sent.append(params))

    queue.send([Due(ACCOUNT, Mpid(1), NOW + ahead_ms)], NOW)

    assert [entry["DelaySeconds"] for call in sent for entry in call["Entries"]] == [delay_s]


def test_those_of_later_instants_do_not_count_as_waiting(sqs: tuple[SqsReevaluationQueue, str]) -> None:
    queue, _ = sqs

    queue.send([Due(ACCOUNT, Mpid(1), NOW + 60_000)], NOW)

    assert queue.waiting() == 0
