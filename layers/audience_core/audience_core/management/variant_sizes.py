"""How many members each variant of an A/B test has: counted from the member list, never added up from changes."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from audience_core.domain.ab_test import AbTest, variant_of
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.profile import BUCKETS
from audience_core.domain.stores import BucketSplit, MembershipStore, SplitStore

# A bucket that was counted so short a time ago is not counted again.
_FRESH_MS = 5_000


@dataclass(frozen=True, slots=True)
class Sizes:
    """Args:
    members: variant -> how many.
    at: since when all of it was counted (UTC ms).
    """

    members: Mapping[AudienceId, int]
    at: int


def measure(
    memberships: MembershipStore, splits: SplitStore, audience: Audience, clock: Callable[[], int], until_ms: int
) -> Sizes | None:
    """Count the members bucket by bucket, those first that were counted longest ago.

    Of a list too long to be counted by then, the other buckets are as they were counted before. None: it is a draft,
    or some bucket was never counted: ask again.

    Args:
        clock: now, UTC ms.
        until_ms: no bucket is begun after this instant.
    """
    test = audience.ab_test
    if test is None or audience.status is not AudienceStatus.ACTIVE:
        return None
    whose = audience.home, audience.live_set
    found = splits.kept(*whose, test.test_id)
    for bucket in sorted(range(BUCKETS), key=lambda bucket: found[bucket].at if bucket in found else 0):
        now_ms = clock()
        if now_ms >= until_ms:
            break
        if bucket not in found or found[bucket].at <= now_ms - _FRESH_MS:
            found[bucket] = BucketSplit(now_ms, _split(memberships, *whose, bucket, test))
    splits.keep(*whose, test.test_id, found)
    return _sum(test, found) if len(found) == BUCKETS else None


def _split(
    memberships: MembershipStore, account_id: AccountId, live_set: AudienceId, bucket: int, test: AbTest
) -> dict[AudienceId, int]:
    members = memberships.between(account_id, live_set, bucket, None, None)
    return dict(Counter(variant_of(test.variants, mpid).audience_id for mpid in members))


def _sum(test: AbTest, found: Mapping[int, BucketSplit]) -> Sizes:
    total = Counter[AudienceId]()
    for each in found.values():
        total.update(each.members)
    members = {variant.audience_id: total[variant.audience_id] for variant in test.variants}
    return Sizes(members, min(each.at for each in found.values()))
