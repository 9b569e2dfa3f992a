"""A lifetime audience with members to send, and what the partner then has."""

import time

from audience_core.outputs.http import HttpSend, TimeLimits
from audience_core.pipeline.deliver import deliver
from tests.support.control import AUDIENCE
from tests.support.partners import FaultyPartner
from tests.support.sends import PostOffice

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
FIRST, SECOND = {-9, 1, 2, 3, 4, 12, 64}, {2, 3, 5, 12, 70}


def an_office(url: str = "https://partner.example/", members: set[int] = FIRST) -> PostOffice:
    office = PostOffice(url)
    office.live(*(FIRST | SECOND))
    office.found("lifetime-1", members)
    return office


def delivered(office: PostOffice) -> None:
    """Drain whatever was woken, as the queue does."""
    now = time.time_ns() // 1_000_000
    while awake := office.wake_ups.take():
        for each in awake:
            deliver(office, SEND, each, 1, lambda: now, now + 60_000)


def emails(partner: FaultyPartner) -> dict[int, str]:
    told = partner.members(AUDIENCE).items()
    return {int(mpid): value for mpid, identities in told for _, value in identities}
