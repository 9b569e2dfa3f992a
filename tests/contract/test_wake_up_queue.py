"""What every wake-up queue promises."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from uuid import uuid4

import boto3
import pytest

from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.messages import WakeUp
from audience_core.domain.stores import WakeUpQueue
from audience_core.outputs.lanes import wake_ups_of
from audience_core.outputs.registry import CONNECTORS
from audience_core.persistence.memory.ingest import MemoryWakeUpQueue
from audience_core.persistence.queues import SqsWakeUpQueue, decode_wake_up
from tests.support.control import a_connection
from tests.support.lists import LISTS

type Take = Callable[[], list[WakeUp]]

NOW = 1_795_430_000_100
SLOW = replace(LISTS, max_concurrency=5)
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


def test_a_wake_up_keeps_its_slot(queue_and_take: tuple[WakeUpQueue, Take]) -> None:
    queue, take = queue_and_take
    slotted = replace(ONE, slot="o-1:4")

    queue.send([slotted], NOW)

    assert take() == [slotted]


def test_many_buckets_are_woken_at_once(queue_and_take: tuple[WakeUpQueue, Take]) -> None:
    queue, take = queue_and_take
    wake_ups = [WakeUp(AccountId(7), ConnectionId("c-1"), bucket) for bucket in range(23)]

    queue.send(wake_ups, NOW)

    assert {wake_up.bucket for wake_up in take()} == set(range(23))


def test_lanes_of_one_slot_are_worked_on_one_after_another(aws: str) -> None:
    client = boto3.client("sqs", region_name=aws)
    url = client.create_queue(QueueName=f"wake-ups-{uuid4()}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    connections = [a_connection(connection_id=f"c-{n}", output_id="o-1") for n in range(6)]
    other = a_connection(connection_id="c-9", output_id="o-2")
    lanes = [lane for each in connections for lane in wake_ups_of(each, SLOW)]
    queue = SqsWakeUpQueue(url, aws)
    queue.send([*lanes, *wake_ups_of(other, SLOW)], NOW)

    def received() -> dict[str, WakeUp]:
        """By their receipts: messages that are being worked on, as nobody deletes them yet."""
        found = {}
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages"):
            found[messages[0]["ReceiptHandle"]] = decode_wake_up(messages[0]["Body"])
        return found

    worked_on: list[WakeUp] = []
    while batch := received():
        outputs = Counter((wake_up.slot or "").partition(":")[0] for wake_up in batch.values())
        assert outputs["o-1"] <= 5
        assert outputs["o-2"] <= 5
        worked_on += batch.values()
        for receipt in batch:
            client.delete_message(QueueUrl=url, ReceiptHandle=receipt)

    assert len(worked_on) == len(set(worked_on)) == 7 * 8
    assert len({lane.slot for lane in lanes}) == 5
    assert wake_ups_of(connections[0], SLOW) == [lane for lane in lanes if lane.connection_id == "c-0"]


def test_lanes_without_a_limit_are_worked_on_side_by_side(aws: str) -> None:
    client = boto3.client("sqs", region_name=aws)
    url = client.create_queue(QueueName=f"wake-ups-{uuid4()}.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
    SqsWakeUpQueue(url, aws).send(wake_ups_of(a_connection(), CONNECTORS["webhook"]), NOW)

    buckets = set()
    while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages"):
        buckets.add(decode_wake_up(messages[0]["Body"]).bucket)

    assert buckets == set(range(8))
