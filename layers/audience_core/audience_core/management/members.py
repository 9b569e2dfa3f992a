"""Who is in an audience, who was in it at an instant of the past, and who joined and left when and why."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import groupby

from audience_core.domain.audience import Audience, AudienceKind
from audience_core.domain.control_stores import AccountStore, AudienceStore
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Membership, PastMembership
from audience_core.domain.profile import BUCKETS
from audience_core.domain.results import ResultStore
from audience_core.domain.stores import HistoryStore, MembershipStore, Page
from audience_core.errors import ConflictError, InvalidInputError

# So many profiles with a past are looked at for one page, members at the instant or not.
_LOOKS = 2000


def page(
    accounts: AccountStore,
    audiences: AudienceStore,
    memberships: MembershipStore,
    store: HistoryStore,
    results: ResultStore,
    account_id: AccountId,
    audience_id: AudienceId,
    at: datetime | None,
    now: datetime,
    cursor: str | None,
    limit: int,
) -> Page[Membership] | Page[PastMembership]:
    """Members now, or at an instant of the past (no zone: UTC).

    Raises:
        InvalidInputError: the instant is ahead, or before the history that is kept, or the audience a lifetime one.
        ConflictError: a lifetime audience has not been calculated yet.
    """
    audience = audiences.get(account_id, audience_id)
    live_set = audience.live_set
    if audience.kind is AudienceKind.LIFETIME:
        return _calculated(results, audience, at, cursor, limit)
    if at is None:
        return memberships.members(account_id, live_set, cursor, limit)
    moment = at if at.tzinfo else at.replace(tzinfo=UTC)
    _require_kept(moment, now, accounts.get(account_id).history_retention_days)
    at_ms = int(moment.timestamp() * 1000)
    return members_at(memberships, store, account_id, audience_id, live_set, at_ms, cursor, limit)


def history(
    audiences: AudienceStore,
    store: HistoryStore,
    account_id: AccountId,
    audience_id: AudienceId,
    mpid: Mpid | None,
    cursor: str | None,
    limit: int,
) -> Page[HistoryEntry]:
    """Joins and leaves, newest first, of one profile or of all."""
    audiences.get(account_id, audience_id)
    if mpid is None:
        return store.newest(account_id, audience_id, cursor, limit)
    return store.of_profile(account_id, audience_id, mpid, cursor, limit)


def members_at(
    memberships: MembershipStore,
    store: HistoryStore,
    account_id: AccountId,
    audience_id: AudienceId,
    live_set: AudienceId,
    at_ms: int,
    cursor: str | None,
    limit: int,
) -> Page[PastMembership]:
    """Members at an instant (UTC ms): today's, with every later join and leave undone.

    Rows of the member list are read before the history of the same profiles, and written after it: so every change that
    a row shows is found and undone.

    Args:
        live_set: the member set that is the audience's now.

    Returns:
        A page, which may be shorter than `limit`, even empty, though more follow.
    """
    bucket, after = _position(cursor)
    found: list[PastMembership] = []
    looks = 0
    while bucket < BUCKETS and len(found) < limit and looks < _LOOKS:
        stretch = _Stretch(memberships, store, account_id, audience_id, live_set, bucket)
        pasts, after = stretch.read(after, limit - len(found))
        members = [_membership_at(audience_id, *past, at_ms) for past in pasts]
        found += [each for each in members if each is not None]
        looks += len(pasts)
        bucket += after is None
    return Page(tuple(found), None if bucket == BUCKETS else f"{bucket}:{'' if after is None else after}")


def _calculated(
    results: ResultStore, audience: Audience, at: datetime | None, cursor: str | None, limit: int
) -> Page[Membership]:
    if at is not None:
        raise InvalidInputError("lifetime audiences have no history", (("/query/at", "is for real-time audiences"),))
    if audience.result is None:
        raise ConflictError("the audience has no members yet: calculate it (POST /v1/lifetime-calculations)")
    owner, found = (audience.account_id, audience.audience_id), audience.result
    page = results.page(*owner, found.calculation_id, cursor, limit)
    since = int(found.calculated_at.timestamp() * 1000)
    return Page(tuple(Membership(audience.audience_id, mpid, since) for mpid in page.items), page.next)


def _require_kept(at: datetime, now: datetime, days: int) -> None:
    if at > now:
        raise InvalidInputError("nobody knows who will be a member", (("/query/at", "is ahead"),))
    if at < now - timedelta(days=days):
        detail = f"is more than {days} days ago, for which joins and leaves are kept"
        raise InvalidInputError("that is too long ago to be known", (("/query/at", detail),))


def _position(cursor: str | None) -> tuple[int, Mpid | None]:
    bucket, _, after = (cursor or "0:").partition(":")
    return int(bucket), Mpid(int(after)) if after else None


type _Past = tuple[Mpid, Membership | None, Sequence[HistoryEntry]]


class _Stretch:
    """Profiles of one bucket, in the order of the texts of their mpids, with what is known of their membership."""

    def __init__(
        self,
        memberships: MembershipStore,
        store: HistoryStore,
        account_id: AccountId,
        audience_id: AudienceId,
        live_set: AudienceId,
        bucket: int,
    ) -> None:
        self._memberships, self._store = memberships, store
        self._rows, self._entries = (account_id, live_set, bucket), (account_id, audience_id, bucket)

    def read(self, after: Mpid | None, limit: int) -> tuple[list[_Past], Mpid | None]:
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
