"""A lane that is delivered as the queue has it delivered."""

import time

from audience_core.errors import RetryableDeliveryError
from audience_core.outputs.http import HttpSend, TimeLimits
from audience_core.pipeline.deliver import MAX_ATTEMPTS, Delivered, deliver
from tests.support.control import AUDIENCE
from tests.support.delivery import LANE, LATER, World
from tests.support.partners import FaultyPartner

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))


def now_ms() -> int:
    """The partner checks that signatures are fresh."""
    return time.time_ns() // 1_000_000


def run(world: World, attempt: int = 1) -> Delivered:
    return deliver(world, SEND, LANE, attempt, now_ms, now_ms() + LATER)


def until_done(world: World) -> int:
    """Deliver as the queue does, attempt by attempt; how many it took."""
    for attempt in range(1, MAX_ATTEMPTS + 1):
        try:
            run(world, attempt)
        except RetryableDeliveryError:
            continue
        return attempt
    raise AssertionError("neither delivered nor faulted")


def emails(partner: FaultyPartner) -> dict[str, set[str]]:
    return {mpid: {value for _, value in told} for mpid, told in partner.members(AUDIENCE).items()}
