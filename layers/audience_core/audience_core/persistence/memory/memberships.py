"""Member lists and counts in memory."""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import CountStep, Page, Tally

HOUR_MS = 3_600_000

type _Audience = tuple[AccountId, AudienceId]


class MemoryMembershipStore:
    def __init__(self) -> None:
        self._rows: dict[_Audience, dict[Mpid, int]] = {}
        self._adjusted: Counter[tuple[_Audience, int]] = Counter()
        self._steps: dict[tuple[_Audience, int], list[CountStep]] = {}

    def apply(
        self, account_id: AccountId, joined: Iterable[Membership], left: Iterable[tuple[AudienceId, Mpid]]
    ) -> None:
        for each in joined:
            self._rows.setdefault((account_id, each.audience_id), {})[each.mpid] = each.since
        for audience_id, mpid in left:
            self._rows.get((account_id, audience_id), {}).pop(mpid, None)

    def members(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[Membership]:
        rows = sorted(self._rows.get((account_id, audience_id), {}).items())
        start = int(cursor or 0)
        found = tuple(Membership(audience_id, mpid, since) for mpid, since in rows[start : start + limit])
        return Page(found, str(start + limit) if start + limit < len(rows) else None)

    def bucket_members(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[Membership]:
        rows = self._rows.get((account_id, audience_id), {}).items()
        here = [Membership(audience_id, mpid, since) for mpid, since in rows if bucket_of(mpid) == bucket]
        rest = [each for each in here if after is None or str(each.mpid) > str(after)]
        return sorted(rest, key=lambda each: str(each.mpid))[:limit]

    def between(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, upto: Mpid | None
    ) -> frozenset[Mpid]:
        everybody = len(self._rows.get((account_id, audience_id), {}))
        rows = self.bucket_members(account_id, audience_id, bucket, after, everybody)
        return frozenset(each.mpid for each in rows if upto is None or str(each.mpid) <= str(upto))

    def forget(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> None:
        rows = self._rows.get((account_id, audience_id), {})
        for mpid in [each for each in rows if bucket_of(each) == bucket]:
            del rows[mpid]

    def count(self, account_id: AccountId, steps: Mapping[AudienceId, Sequence[CountStep]]) -> None:
        for audience_id, of_audience in steps.items():
            for step in of_audience:
                counted = self._steps.setdefault(((account_id, audience_id), step.bucket), [])
                if not counted or int(counted[-1].sequence) < int(step.sequence):
                    counted.append(step)

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts:
        audience = (account_id, audience_id)
        steps = [step for (whose, _), counted in self._steps.items() if whose == audience for step in counted]
        recent = [step for step in steps if step.at // HOUR_MS > now_ms // HOUR_MS - 24]
        adjusted = sum(by for (whose, _), by in self._adjusted.items() if whose == audience)
        return AudienceCounts(
            size=adjusted + sum(step.adds - step.drops for step in steps),
            adds_24h=sum(step.adds for step in recent),
            drops_24h=sum(step.drops for step in recent),
        )

    def listed(
        self, account_id: AccountId, wanted: Collection[tuple[AudienceId, Mpid]]
    ) -> frozenset[tuple[AudienceId, Mpid]]:
        return frozenset((who, mpid) for who, mpid in wanted if mpid in self._rows.get((account_id, who), {}))

    def tally(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> Tally:
        key = (account_id, audience_id), bucket
        steps = self._steps.get(key, [])
        counted = self._adjusted[key] + sum(step.adds - step.drops for step in steps)
        listed = sum(bucket_of(mpid) == bucket for mpid in self._rows.get(key[0], {}))
        return Tally(listed, counted, steps[-1].sequence if steps else "")

    def adjust(self, account_id: AccountId, audience_id: AudienceId, bucket: int, by: int, sequence: str) -> bool:
        is_unchanged = self.tally(account_id, audience_id, bucket).sequence == sequence
        if is_unchanged:
            self._adjusted[(account_id, audience_id), bucket] += by
        return is_unchanged
