"""Hides a received queue message for a while: the back-off of what could not be done yet."""

from audience_core.persistence.clients import client


def postpone(queue_url: str, receipt_handle: str, seconds: int, region: str | None = None) -> None:
    """In a FIFO queue the messages of its group wait behind it.

    Args:
        seconds: at most 43,200, the time since it was received included.
    """
    client("sqs", region).change_message_visibility(
        QueueUrl=queue_url, ReceiptHandle=receipt_handle, VisibilityTimeout=seconds
    )
