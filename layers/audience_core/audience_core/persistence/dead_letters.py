"""Messages that could not be processed, as far as they speak of users who are to be erased."""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from audience_core.persistence.clients import client

# Long enough to look at all, short enough that a crash does not hide messages.
_HIDDEN_S = 60
_PAGE = 10
# More than anybody should have there; what is left is looked at by the next visit.
_MAX_PAGES = 1000


class SqsDeadLetters:
    """A message is lines; one that loses some is sent again with the others."""

    def __init__(self, queue_urls: Sequence[str], region: str | None = None) -> None:
        self._urls, self._region = queue_urls, region

    @cached_property
    def _client(self) -> Any:
        return client("sqs", self._region)

    def remove(self, is_wanted: Callable[[str], bool]) -> int:
        return sum(self._remove(url, is_wanted) for url in self._urls)

    def _remove(self, url: str, is_wanted: Callable[[str], bool]) -> int:
        removed, kept = 0, []
        for _ in range(_MAX_PAGES):
            found = self._client.receive_message(
                QueueUrl=url, MaxNumberOfMessages=_PAGE, VisibilityTimeout=_HIDDEN_S
            ).get("Messages", [])
            if not found:
                break
            for message in found:
                lines = message["Body"].split("\n")
                left = [line for line in lines if not is_wanted(line)]
                removed += len(lines) - len(left)
                if len(left) == len(lines):
                    kept.append(message["ReceiptHandle"])
                    continue
                if left:
                    self._client.send_message(QueueUrl=url, MessageBody="\n".join(left))
                self._client.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        for handle in kept:
            self._client.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
        return removed
