"""A sample of an account's profiles, and what it says of all of them.

Mpids are random, and profiles are kept in buckets by their low bits, each bucket in the order of the mpids' texts. So
what is read from the first bucket on is a random sample: every profile is in it with the same known probability,
whatever its user did. The share of all possible mpids that was read is that probability.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId
from audience_core.domain.mpid_order import share_of_bucket
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.stores import ProfileStore

SAMPLE_SIZE = 2000
PAGE_SIZE = 200
_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Sample:
    """Args:
    read: how many profiles; `share`: the probability with which each profile of the account is among them.
    """

    read: int
    share: float


@dataclass(frozen=True, slots=True)
class Estimate:
    """How many there are in the account, and the interval that holds the truth 95 times in 100."""

    size: int
    low: int
    high: int


def read(
    store: ProfileStore,
    account_id: AccountId,
    visit: Callable[[Profile], None],
    at_least: int = SAMPLE_SIZE,
    page_size: int = PAGE_SIZE,
) -> Sample:
    """Visit production profiles, always the same ones first, until so many were read or there are no more."""
    seen, cursor = 0, None
    for bucket in range(BUCKETS):
        while True:
            page = store.page(account_id, Environment.PRODUCTION, bucket, cursor, page_size)
            for profile in page.items:
                visit(profile)
            seen, cursor = seen + len(page.items), page.next
            if cursor is None:
                break
            if seen >= at_least and page.items:
                return Sample(seen, (bucket + share_of_bucket(page.items[-1].mpid)) / BUCKETS)
        if seen >= at_least:
            return Sample(seen, (bucket + 1) / BUCKETS)
    return Sample(seen, 1.0)


def estimate(found: int, share: float) -> Estimate:
    """From those found in a sample, how many there are in all.

    Of M users each is in the sample with probability f, so `found` is binomial with variance M f (1 - f). The interval
    is Wilson's: all M from which `found` is no more than 1.96 standard deviations away. The factor 1 - f is the
    finite-population correction; nothing need be known of how many profiles there are.
    """
    spread = _Z_95**2 * (1 - share)
    root = math.sqrt(spread * (4 * found + spread))
    low, high = ((2 * found + spread + sign * root) / (2 * share) for sign in (-1, 1))
    return Estimate(round(found / share), max(found, math.floor(low)), math.ceil(high))
