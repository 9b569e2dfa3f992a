"""Dead letters: found by redrive policies, shown, and sent back."""

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from tests.unit.cli.conftest import Run


class Stack:
    """Queues as CloudFormation would have named them."""

    def __init__(self) -> None:
        self.sqs = boto3.client("sqs")
        self.dead = self._create("audiences-EventsDeadLetterQueue-AB12CD34EF56")
        arn = self.sqs.get_queue_attributes(QueueUrl=self.dead, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        policy = json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": 3})
        self.live = self._create("audiences-EventsQueue-GH12CD34EF56", RedrivePolicy=policy)
        self._create("other-EventsQueue-GH12CD34EF56", RedrivePolicy=policy)

    def fail(self, *bodies: str) -> None:
        for body in bodies:
            self.sqs.send_message(QueueUrl=self.dead, MessageBody=body)

    def bodies(self, url: str) -> list[str]:
        found = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0)
        return sorted(each["Body"] for each in found.get("Messages", []))

    def _create(self, name: str, **attributes: str) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url


@pytest.fixture
def stack(home, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with mock_aws():
        yield Stack()


def test_dead_letters_are_counted(run: Run, stack: Stack) -> None:
    stack.fail("a", "b")

    assert json.loads(run("redrive", "--json").stdout) == [{"queue": "EventsQueue", "dead_letters": 2}]


def test_a_preview_changes_nothing(run: Run, stack: Stack) -> None:
    stack.fail("a")

    result = run("redrive", "eventsqueue", "--preview", "5")

    assert [each["body"] for each in json.loads(result.stdout)] == ["a"]
    assert stack.bodies(stack.dead) == ["a"]


def test_nothing_moves_without_consent(run: Run, stack: Stack) -> None:
    stack.fail("a")

    run("redrive", "EventsQueue", stdin="n\n")

    assert stack.bodies(stack.dead) == ["a"]


def test_messages_go_back_to_their_queue(run: Run, stack: Stack) -> None:
    stack.fail("a", "b")

    result = run("redrive", "--all", "--yes")

    assert result.exit_code == 0, result.output
    assert stack.bodies(stack.dead) == []
    assert stack.bodies(stack.live) == ["a", "b"]


def test_an_unknown_queue_is_named_with_those_there_are(run: Run, stack: Stack) -> None:
    result = run("redrive", "Nothing")

    assert result.exit_code == 2
    assert "EventsQueue" in result.output


def test_a_stack_without_queues_is_an_error(run: Run, stack: Stack) -> None:
    result = run("redrive", "--stack-name", "absent")

    assert result.exit_code == 2
    assert "--stack-name" in result.output
