"""Who was in an audience at an instant: today's members with every later join and leave undone, profile by profile.

Rows of the member list are read before the history of the same profiles, and written after it: so every change that a
row shows is found and undone.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.control_stores import JobStore
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Membership, PastMembership
from audience_core.domain.stores import HistoryStore, MembershipStore

type Past = tuple[Mpid, Membership | None, Sequence[HistoryEntry]]


def is_settled(jobs: JobStore, audience: Audience) -> bool:
    """False while profiles are still told which member set is live: rows and history may tell of two sets."""
    is_active = audience.status is AudienceStatus.ACTIVE
    return not is_active or jobs.backfilled(audience.account_id) >= audience.program_version


class Stretch:
    """Profiles of one bucket, in the order of the texts of their mpids, with what is known of their membership.

    Args:
        live_set: the member set that is the audience's now.
    """

    def __init__(
        self,
        memberships: MembershipStore,
        store: HistoryStore,
        account_id: AccountId,
        audience_id: AudienceId,
        live_set: AudienceId,
        bucket: int,
    ) -> None:
        self._memberships, self._store, self._audience_id = memberships, store, audience_id
        self._rows, self._entries = (account_id, live_set, bucket), (account_id, audience_id, bucket)

    def read(self, after: Mpid | None, limit: int) -> tuple[list[Past], Mpid | None]:
        """At most `limit` profiles, and the last of them; None for the last when the bucket is done."""
        rows = {row.mpid: row for row in self._memberships.bucket_members(*self._rows, after, limit)}
        changed: dict[Mpid, Sequence[HistoryEntry]] = {}
        for mpid, entries in self._changed(after):
            changed[mpid] = entries
            if len(changed) == limit:
                break
        whole = min(_last(rows, limit), _last(changed, limit))
        mpids = sorted((mpid for mpid in rows.keys() | changed.keys() if str(mpid) <= whole), key=str)[:limit]
        is_done = whole == _END and len(mpids) == len(rows.keys() | changed.keys())
        return [(m, rows.get(m), changed.get(m, ())) for m in mpids], None if is_done else mpids[-1]

    def members(self, pasts: Sequence[Past], at_ms: int) -> list[PastMembership]:
        """Those of the profiles that were members at an instant (UTC ms)."""
        found = (_membership_at(self._audience_id, *past, at_ms) for past in pasts)
        return [each for each in found if each is not None]

    def _changed(self, after: Mpid | None) -> Iterator[tuple[Mpid, Sequence[HistoryEntry]]]:
        for mpid, entries in groupby(self._store.by_profile(*self._entries, after), key=lambda entry: entry.mpid):
            yield mpid, list(entries)


# Comes after the text of every mpid.
_END = "~"


def _last(known: Mapping[Mpid, object], limit: int) -> str:
    """Up to which mpid a reading of at most `limit` profiles is complete."""
    return max(map(str, known)) if len(known) == limit else _END


def _membership_at(
    audience_id: AudienceId, mpid: Mpid, row: Membership | None, entries: Sequence[HistoryEntry], at: int
) -> PastMembership | None:
    later = [each for each in entries if each.at > at]
    is_member = not later[0].is_member if later else row is not None
    if not is_member:
        return None
    joined = [each.at for each in entries if each.is_member and each.at <= at]
    known = row.since if row is not None and not later else None
    return PastMembership(audience_id, mpid, joined[-1] if joined else known)
