"""What every queue of shared changes promises."""

from collections.abc import Callable
from uuid import uuid4

import boto3
import pytest

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.messages import SharedChange
from audience_core.domain.sharing_stores import SharedChangeQueue
from audience_core.errors import UnavailableError
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.persistence.queues import PROFILES_PER_MESSAGE, SqsSharedChangeQueue, decode_shared

ACCOUNT, OTHER = AccountId(7), AccountId(8)

type Case = tuple[SharedChangeQueue, Callable[[], list[list[SharedChange]]]]


def of_sqs(region: str) -> Case:
    client = boto3.client("sqs", region_name=region)
    url = client.create_queue(QueueName=f"shared-changes-{uuid4()}")["QueueUrl"]

    def taken() -> list[list[SharedChange]]:
        found = []
        while messages := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            found += [decode_shared(message["Body"]) for message in messages]
        return found

    return SqsSharedChangeQueue(url, region), taken


def of_memory() -> Case:
    queue = MemorySharedChangeQueue()
    return queue, lambda: [queue.take()]


@pytest.fixture(params=["sqs", "memory"])
def case(request: pytest.FixtureRequest) -> Case:
    return of_memory() if request.param == "memory" else of_sqs(request.getfixturevalue("aws"))


def a_change(number: int, account_id: AccountId = ACCOUNT) -> SharedChange:
    return SharedChange(account_id, Mpid(-number), 3, (AudienceId(1), AudienceId(2)), f"r-{number}")


def test_every_change_arrives_once(case: Case) -> None:
    queue, taken = case
    sent = [a_change(number, account_id) for number in range(120) for account_id in (ACCOUNT, OTHER)]

    queue.send(sent)
    queue.send([])

    arrived = [change for message in taken() for change in message]
    assert sorted(arrived, key=repr) == sorted(sent, key=repr)


def test_a_message_is_of_one_account_and_bounded(aws: str) -> None:
    queue, taken = of_sqs(aws)

    queue.send([a_change(number, account_id) for number in range(120) for account_id in (ACCOUNT, OTHER)])

    messages = taken()
    assert all(len({change.account_id for change in message}) == 1 for message in messages)
    assert max(map(len, messages)) == PROFILES_PER_MESSAGE
    assert len(messages) == 6


def test_a_queue_that_does_not_answer_is_unavailable(aws: str) -> None:
    with pytest.raises(UnavailableError):
        SqsSharedChangeQueue("https://sqs.us-east-1.amazonaws.com/123456789012/none", aws).send([a_change(1)])
