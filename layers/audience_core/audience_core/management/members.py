"""Who is in an audience, who was in it at an instant of the past, and who joined and left when and why."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from audience_core.domain.audience import Audience, AudienceKind
from audience_core.domain.control_stores import AccountStore, AudienceStore, JobStore
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Membership, PastMembership
from audience_core.domain.past_members import Stretch, is_settled
from audience_core.domain.profile import BUCKETS
from audience_core.domain.results import ResultStore
from audience_core.domain.stores import HistoryStore, MembershipStore, Page
from audience_core.errors import ConflictError, InvalidInputError

# So many profiles with a past are looked at for one page, members at the instant or not.
_LOOKS = 2000


@dataclass(frozen=True, slots=True)
class MemberStores:
    """What is read to tell who the members of an audience are, or were."""

    accounts: AccountStore
    audiences: AudienceStore
    memberships: MembershipStore
    history: HistoryStore
    results: ResultStore
    jobs: JobStore


def page(
    stores: MemberStores,
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
        ConflictError: a lifetime audience has not been calculated yet; the instant is asked for while members are being
            found; or an edit took over after the first page: the pages would be of two definitions.
    """
    audience = stores.audiences.get(account_id, audience_id)
    if audience.kind is AudienceKind.LIFETIME:
        return _calculated(stores.results, audience, at, cursor, limit)
    moment = None if at is None else at if at.tzinfo else at.replace(tzinfo=UTC)
    if moment is not None:
        _require_kept(moment, now, stores.accounts.get(account_id).history_retention_days)
        if not is_settled(stores.jobs, audience):
            raise ConflictError("its members are being found: ask for an instant of the past when they are")
    live_set, _, after = (cursor or f"{audience.live_set}/").partition("/")
    if int(live_set) != audience.live_set:
        raise ConflictError("an edit of the audience took over meanwhile: begin with the first page again")
    found = _of_set(stores, audience, moment, after or None, limit)
    if stores.audiences.get(account_id, audience_id).live_set != audience.live_set:
        # The list that was read is emptied when another takes its place.
        return page(stores, account_id, audience_id, at, now, cursor, limit)
    return replace(found, next=None if found.next is None else f"{live_set}/{found.next}")


def _of_set(
    stores: MemberStores, audience: Audience, at: datetime | None, after: str | None, limit: int
) -> Page[Membership] | Page[PastMembership]:
    where = audience.account_id, audience.audience_id
    if at is None:
        return stores.memberships.members(audience.account_id, audience.live_set, after, limit)
    at_ms = int(at.timestamp() * 1000)
    return members_at(stores.memberships, stores.history, *where, audience.live_set, at_ms, after, limit)


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
    """Members at an instant (UTC ms); see `domain.past_members`.

    Args:
        live_set: the member set that is the audience's now.

    Returns:
        A page, which may be shorter than `limit`, even empty, though more follow.
    """
    bucket, after = _position(cursor)
    found: list[PastMembership] = []
    looks = 0
    while bucket < BUCKETS and len(found) < limit and looks < _LOOKS:
        stretch = Stretch(memberships, store, account_id, audience_id, live_set, bucket)
        pasts, after = stretch.read(after, limit - len(found))
        found += stretch.members(pasts, at_ms)
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
