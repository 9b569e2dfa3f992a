"""Dead-letter queues of a stack, found by the redrive policies of its queues, and how messages leave them."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audience_cli.errors import CliError, UnreachableError

COUNT = "ApproximateNumberOfMessages"
PAGE = 10
# Long enough to send a page back, short enough that a crash does not hide messages.
HIDDEN_SECONDS = 120
# Services that do not know the task answer one of these.
NO_TASKS = frozenset({"AWS.SimpleQueueService.UnsupportedOperation", "InvalidAction", "UnknownOperation"})
# What CloudFormation adds to the name of a resource.
SUFFIX = re.compile(r"(-[A-Za-z0-9]{8,})?(\.fifo)?$")


class AwsError(CliError):
    """AWS refused."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """What failed in the queue `name`."""

    name: str
    url: str
    arn: str
    source_url: str
    source_arn: str
    count: int


class Queues:
    """Raise `AwsError` when AWS refuses and `UnreachableError` when it cannot be asked."""

    def __init__(self, endpoint: str, *, is_local: bool) -> None:
        fixed = {"aws_access_key_id": "local", "aws_secret_access_key": "local", "region_name": "us-east-1"}
        session = boto3.Session(**fixed) if is_local else boto3.Session()
        try:
            self._sqs = session.client("sqs", endpoint_url=endpoint or None)
        except BotoCoreError as error:
            raise UnreachableError(str(error)) from error

    def dead_letters(self, stack: str) -> list[DeadLetters]:
        """Of every queue of the stack that has such a queue, by name."""
        urls = {url.rpartition("/")[2]: url for url in self._urls(f"{stack}-")}
        found = {name: self._attributes(url) for name, url in urls.items()}
        by_arn = {attributes["QueueArn"]: name for name, attributes in found.items()}
        letters = []
        for name, attributes in sorted(found.items()):
            dead = by_arn.get(json.loads(attributes.get("RedrivePolicy", "{}")).get("deadLetterTargetArn"))
            if dead:
                shown = SUFFIX.sub("", name.removeprefix(f"{stack}-"))
                arns = found[dead]["QueueArn"], attributes["QueueArn"]
                letters.append(DeadLetters(shown, urls[dead], arns[0], urls[name], arns[1], int(found[dead][COUNT])))
        return letters

    def preview(self, letters: DeadLetters, limit: int) -> list[dict[str, Any]]:
        """Some messages, which stay where they are."""
        found = self._receive(letters.url, min(limit, PAGE), hidden_seconds=0)
        return [{"id": each["MessageId"], "attributes": each["Attributes"], "body": each["Body"]} for each in found]

    def kinds(self, letters: DeadLetters) -> list[str]:
        """What some of the messages are, each kind once; those of deliveries have none."""
        bodies = [line for each in self.preview(letters, PAGE) for line in each["body"].split("\n")]
        return sorted({kind for body in bodies if (kind := _kind(body))})

    def redrive(self, letters: DeadLetters) -> str:
        """Send every message back; what was done, as a sentence."""
        try:
            self._sqs.start_message_move_task(SourceArn=letters.arn, DestinationArn=letters.source_arn)
        except ClientError as error:
            if error.response["Error"]["Code"] not in NO_TASKS:
                raise AwsError(str(error)) from error
            return f"sent back: {self._move(letters)}"
        except BotoCoreError as error:
            raise UnreachableError(str(error)) from error
        return f"being sent back: {letters.count}"

    def _urls(self, prefix: str) -> Iterator[str]:
        query: dict[str, Any] = {"QueueNamePrefix": prefix, "MaxResults": 1000}
        while True:
            page = self._ask(self._sqs.list_queues, **query)
            yield from page.get("QueueUrls", [])
            if not page.get("NextToken"):
                return
            query["NextToken"] = page["NextToken"]

    def _attributes(self, url: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self._ask(self._sqs.get_queue_attributes, QueueUrl=url, AttributeNames=["All"])[
            "Attributes"
        ]
        return found

    def _move(self, letters: DeadLetters) -> int:
        """Send, then delete: a crash in between repeats a message, which every consumer bears."""
        moved = 0
        while moved < letters.count and (page := self._receive(letters.url, PAGE, HIDDEN_SECONDS)):
            for message in page:
                self._ask(self._sqs.send_message, QueueUrl=letters.source_url, **_copy(message, letters.source_url))
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


def _kind(line: str) -> str | None:
    try:
        told = json.loads(line)
    except ValueError:
        return "unreadable"
    return told.get("type") if isinstance(told, dict) else "unreadable"


def _copy(message: dict[str, Any], url: str) -> dict[str, Any]:
    """The message as it was sent, in its old group; in a FIFO queue under an id that deduplication does not know."""
    copied = {"MessageBody": message["Body"], "MessageAttributes": message.get("MessageAttributes", {})}
    group = message.get("Attributes", {}).get("MessageGroupId")
    if group:
        copied["MessageGroupId"] = group
    if url.endswith(".fifo"):
        copied["MessageDeduplicationId"] = message["MessageId"]
    return copied
