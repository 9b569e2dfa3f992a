"""Member lists and counts in memory."""

from collections.abc import Collection, Iterable, Sequence

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import CountStep, Page

HOUR_MS = 3_600_000

type _Audience = tuple[AccountId, AudienceId]


class MemoryMembershipStore:
    def __init__(self) -> None:
        self._rows: dict[_Audience, dict[Mpid, int]] = {}
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

    def listed(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, upto: Mpid | None
    ) -> frozenset[Mpid]:
        mine = {str(mpid): mpid for mpid in self._of_bucket(account_id, audience_id, bucket)}
        return frozenset(
            mpid
            for text, mpid in mine.items()
            if (after is None or text > str(after)) and (upto is None or text <= str(upto))
        )

    def present(
        self, account_id: AccountId, rows: Collection[tuple[AudienceId, Mpid]]
    ) -> frozenset[tuple[AudienceId, Mpid]]:
        return frozenset(row for row in rows if row[1] in self._rows.get((account_id, row[0]), {}))

    def forget(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> None:
        for mpid in self._of_bucket(account_id, audience_id, bucket):
            del self._rows[account_id, audience_id][mpid]

    def _of_bucket(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> list[Mpid]:
        return [mpid for mpid in self._rows.get((account_id, audience_id), {}) if bucket_of(mpid) == bucket]

    def count(self, account_id: AccountId, audience_id: AudienceId, bucket: int, steps: Sequence[CountStep]) -> None:
        counted = self._steps.setdefault(((account_id, audience_id), bucket), [])
        last = int(counted[-1].sequence) if counted else -1
        counted += [step for step in steps if int(step.sequence) > last]

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts:
        audience = (account_id, audience_id)
        steps = [step for (whose, _), counted in self._steps.items() if whose == audience for step in counted]
        recent = [step for step in steps if step.at // HOUR_MS > now_ms // HOUR_MS - 24]
        return AudienceCounts(
            size=sum(step.adds - step.drops for step in steps),
            adds_24h=sum(step.adds for step in recent),
            drops_24h=sum(step.drops for step in recent),
        )
