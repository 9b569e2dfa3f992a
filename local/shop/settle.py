"""Waits until what was sent has gone all the way: queues empty, sizes and the partner's figures at rest."""

import time
from collections.abc import Callable
from typing import Any

from audience_cli.api import Api
from local import aws
from local.deploy import Outputs

QUEUES = ("EventsQueueUrl", "WakeUpsQueueUrl")
PATIENCE_SECONDS = 600.0
COUNTS = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed")
# As long as this nothing may change: longer than a wake-up of the partner's lane is put off.
QUIET_SECONDS = 8.0
# A queue that is empty for as long has no message on its way to a function.
DRAINED_SECONDS = 2.0


def settle(
    look: Callable[[], tuple[int, Any]],
    tell: Callable[[int], None] = lambda _: None,
    quiet_seconds: float = QUIET_SECONDS,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether all came to rest within the patience.

    Args:
        look: messages still queued, and whatever else must stop changing.
        tell: hears how many messages are queued.
        quiet_seconds: for how long nothing may have changed.
    """
    end = clock() + PATIENCE_SECONDS
    before, since = look(), clock()
    while clock() < end:
        sleep(1.0)
        now = look()
        tell(now[0])
        if now != before or now[0]:
            before, since = now, clock()
        elif clock() - since >= quiet_seconds:
            return True
    return False


def queued(outputs: Outputs, endpoint: str) -> int:
    """Messages that nobody has dealt with yet."""
    sqs = aws.client("sqs", endpoint)
    asked = (sqs.get_queue_attributes(QueueUrl=outputs[name], AttributeNames=list(COUNTS)) for name in QUEUES)
    return sum(int(each["Attributes"].get(count, 0)) for each in asked for count in COUNTS)


def sizes(api: Api) -> tuple[tuple[int, int | None], ...]:
    return tuple((each["id"], each["size"]) for each in api.pages("audiences"))
