"""What every wake-up queue promises."""

from collections.abc import Callable
from uuid import uuid4

import boto3
import pytest

from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.messages import WakeUp
from audience_core.domain.stores import WakeUpQueue
from audience_core.persistence.memory.ingest import MemoryWakeUpQueue
from audience_core.persistence.queues import SqsWakeUpQueue, decode_wake_up

type Take = Callable[[], list[WakeUp]]

NOW = 1_795_430_000_100
ONE = WakeUp(AccountId(7), ConnectionId("c-1"), 3)
OTHERS = [
    WakeUp(AccountId(8), ConnectionId("c-1"), 3),
    WakeUp(AccountId(7), ConnectionId("c-2"), 3),
    WakeUp(AccountId(7), ConnectionId("c-1"), 4),
]


@pytest.fixture(params=["sqs", "memory"])
def queue_and_take(request: pytest.FixtureRequest) -> tuple[WakeUpQueue, Take]:
    if request.param == "memory":
        memory = MemoryWakeUpQueue()
        return memory, memory.take
    region = request.getfixturevalue("aws")
    client = boto3.client("sqs", region_name=region)
    name = f"wake-ups-{uuid4()}.fifo"
    url = client.create_queue(QueueName=name, Attributes={"FifoQueue": "true"})["QueueUrl"]

    def take() -> list[WakeUp]:
        taken = []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            taken += [decode_wake_up(message["Body"]) for message in messages]
            for message in messages:
                client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return taken

    return SqsWakeUpQueue(url, region), take


def by_key(wake_up: WakeUp) -> tuple[int, str, int]:
    return wake_up.account_id, wake_up.connection_id, wake_up.bucket


def test_wake_ups_arrive_as_they_were_sent(queue_and_take: tuple[WakeUpQueue, Take]) -> None:
    queue, take = queue_and_take

    queue.send([ONE, *OTHERS], NOW)

    assert sorted(take(), key=by_key) == sorted([ONE, *OTHERS], key=by_key)


def test_one_wake_up_a_second_is_enough(queue_and_take: tuple[WakeUpQueue, Take]) -> None:
    queue, take = queue_and_take

    queue.send([ONE, ONE], NOW)
    queue.send([ONE], NOW + 800)

    assert take() == [ONE]


def test_the_next_second_wakes_up_again_even_after_a_drain(queue_and_take: tuple[WakeUpQueue, Take]) -> None:
    queue, take = queue_and_take
    queue.send([ONE], NOW)
    take()

    queue.send([ONE], NOW + 1000)

    assert take() == [ONE]


def test_many_buckets_are_woken_at_once(queue_and_take: tuple[WakeUpQueue, Take]) -> None:
    queue, take = queue_and_take
    wake_ups = [WakeUp(AccountId(7), ConnectionId("c-1"), bucket) for bucket in range(23)]

    queue.send(wake_ups, NOW)

    assert {wake_up.bucket for wake_up in take()} == set(range(23))
