"""Dead-letter queues of a stack, found by the names of its outputs, and how messages leave them."""

from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audience_cli.errors import CliError, UnreachableError

# Outputs `EventsQueueUrl` and `EventsDeadLetterQueueUrl` are a queue and where its failures go.
DEAD_LETTER_OUTPUT = "DeadLetterQueueUrl"
QUEUE_OUTPUT = "QueueUrl"
COUNT = "ApproximateNumberOfMessages"
PAGE = 10
# Long enough to send a page back, short enough that a crash does not hide messages.
HIDDEN_SECONDS = 120
# Services that do not know the task answer one of these.
NO_TASKS = frozenset({"AWS.SimpleQueueService.UnsupportedOperation", "InvalidAction", "UnknownOperation"})


class AwsError(CliError):
    """AWS refused."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A queue and what failed in it."""

    name: str
    url: str
    source_url: str
    count: int


class Queues:
    """Raise `AwsError` when AWS refuses and `UnreachableError` when it cannot be asked."""

    def __init__(self, endpoint: str, *, is_local: bool) -> None:
        fixed = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
        session = boto3.Session(**fixed) if is_local else boto3.Session()
        try:
            self._stacks = session.client("cloudformation", endpoint_url=endpoint or None)
            self._sqs = session.client("sqs", endpoint_url=endpoint or None)
        except BotoCoreError as error:
            raise UnreachableError(str(error)) from error

    def dead_letters(self, stack: str) -> list[DeadLetters]:
        """Of every queue of the stack, by name."""
        described = self._ask(self._stacks.describe_stacks, StackName=stack)["Stacks"][0]
        outputs = {each["OutputKey"]: each["OutputValue"] for each in described.get("Outputs", [])}
        names = sorted(key.removesuffix(DEAD_LETTER_OUTPUT) for key in outputs if key.endswith(DEAD_LETTER_OUTPUT))
        return [
            self._dead_letters(name, outputs[name + DEAD_LETTER_OUTPUT], outputs.get(name + QUEUE_OUTPUT, ""))
            for name in names
        ]

    def preview(self, letters: DeadLetters, limit: int) -> list[dict[str, Any]]:
        """Some messages, which stay where they are."""
        found = self._receive(letters.url, min(limit, PAGE), hidden_seconds=0)
        return [{"id": each["MessageId"], "attributes": each["Attributes"], "body": each["Body"]} for each in found]

    def redrive(self, letters: DeadLetters) -> str:
        """Send every message back; what was done, as a sentence."""
        try:
            source, destination = self._arn(letters.url), self._arn(letters.source_url)
            self._sqs.start_message_move_task(SourceArn=source, DestinationArn=destination)
        except ClientError as error:
            if error.response["Error"]["Code"] not in NO_TASKS:
                raise AwsError(str(error)) from error
            return f"{self._move(letters)} messages sent back"
        except BotoCoreError as error:
            raise UnreachableError(str(error)) from error
        return f"{letters.count} messages are being sent back"

    def _dead_letters(self, name: str, url: str, source_url: str) -> DeadLetters:
        found = self._ask(self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=[COUNT])
        return DeadLetters(name, url, source_url, int(found["Attributes"][COUNT]))

    def _arn(self, url: str) -> str:
        found = self._ask(self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def _move(self, letters: DeadLetters) -> int:
        """Send, then delete: a crash in between repeats a message, which every consumer bears."""
        moved = 0
        while moved < letters.count and (page := self._receive(letters.url, PAGE, HIDDEN_SECONDS)):
            for message in page:
                self._ask(self._sqs.send_message, QueueUrl=letters.source_url, **_copy(message))
                self._ask(self._sqs.delete_message, QueueUrl=letters.url, ReceiptHandle=message["ReceiptHandle"])
                moved += 1
        return moved

    def _receive(self, url: str, limit: int, hidden_seconds: int) -> list[dict[str, Any]]:
        found = self._ask(
            self._sqs.receive_message,
            QueueUrl=url,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=hidden_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        messages: list[dict[str, Any]] = found.get("Messages", [])
        return messages

    def _ask(self, call: Any, **parts: Any) -> Any:
        try:
            return call(**parts)
        except ClientError as error:
            raise AwsError(str(error)) from error
        except BotoCoreError as error:
            raise UnreachableError(str(error)) from error


def _copy(message: dict[str, Any]) -> dict[str, Any]:
    """The message as it was sent; in a FIFO queue in its old group, under an id that deduplication does not know."""
    copied = {"MessageBody": message["Body"], "MessageAttributes": message.get("MessageAttributes", {})}
    group = message.get("Attributes", {}).get("MessageGroupId")
    if group:
        copied |= {"MessageGroupId": group, "MessageDeduplicationId": message["MessageId"]}
    return copied
