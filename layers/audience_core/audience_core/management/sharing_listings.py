"""What an account shares and receives, with the figures of each audience."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from audience_core.domain.audience import Audience, AudienceCounts
from audience_core.domain.control_stores import AudienceStore, OutputStore
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.output import Connection
from audience_core.domain.sharing import Arrangement, ArrangementState, Received, Side
from audience_core.domain.sharing_stores import SharingStore
from audience_core.domain.stores import CountSummaries, Page
from audience_core.errors import NotFoundError
from audience_core.management import listings

type _Original = tuple[AccountId, AudienceId]


@dataclass(frozen=True, slots=True)
class ListingStores:
    """What lists of shared audiences are read from."""

    audiences: AudienceStore
    outputs: OutputStore
    summaries: CountSummaries
    sharing: SharingStore


@dataclass(frozen=True, slots=True)
class SharedAudience:
    """An audience of the account with one receiver.

    Args:
        audience: None when it was deleted.
        counts: None when it has no members, because it is a draft or gone.
    """

    arrangement: Arrangement
    audience: Audience | None
    counts: AudienceCounts | None


@dataclass(frozen=True, slots=True)
class ReceivedListing:
    """An audience that is shared with the account. Args as those of `SharedAudience`."""

    arrangement: Arrangement
    received: Received
    audience: Audience
    counts: AudienceCounts | None
    connections: tuple[Connection, ...]


def shared(
    stores: ListingStores,
    account_id: AccountId,
    states: Collection[ArrangementState],
    audience_id: AudienceId | None,
    cursor: str | None,
    limit: int,
    now_ms: int,
) -> Page[SharedAudience]:
    """What the account offered, the latest first."""
    page = stores.sharing.arrangements(account_id, Side.INITIATOR, states, cursor, limit, audience_id)
    return Page(tuple(_shared(stores, page.items, now_ms)), page.next)


def one_shared(stores: ListingStores, account_id: AccountId, arrangement_id: str, now_ms: int) -> SharedAudience:
    arrangement = stores.sharing.arrangement(account_id, Side.INITIATOR, arrangement_id)
    return next(iter(_shared(stores, [arrangement], now_ms)))


def all_shared(stores: ListingStores, arrangements: Iterable[Arrangement], now_ms: int) -> tuple[SharedAudience, ...]:
    return tuple(_shared(stores, arrangements, now_ms))


def received(
    stores: ListingStores, account_id: AccountId, cursor: str | None, limit: int, now_ms: int
) -> Page[ReceivedListing]:
    """What is shared with the account at this moment, the latest offer first."""
    page = stores.sharing.arrangements(account_id, Side.RECEIVER, {ArrangementState.ACCEPTED}, cursor, limit)
    return Page(tuple(_received(stores, account_id, page.items, now_ms)), page.next)


def one_received(stores: ListingStores, account_id: AccountId, arrangement_id: str, now_ms: int) -> ReceivedListing:
    """Raise `NotFoundError` unless it is shared with the account at this moment."""
    arrangement = stores.sharing.arrangement(account_id, Side.RECEIVER, arrangement_id)
    if arrangement.state is ArrangementState.ACCEPTED:
        for each in _received(stores, account_id, [arrangement], now_ms):
            return each
    raise NotFoundError(f"there is no received audience {arrangement_id}")


def _shared(stores: ListingStores, arrangements: Iterable[Arrangement], now_ms: int) -> list[SharedAudience]:
    of = tuple(arrangements)
    audiences = _originals(stores.audiences, of)
    counts = _counts(stores.summaries, audiences, now_ms)
    return [SharedAudience(each, audiences.get(_key(each)), counts.get(_key(each))) for each in of]


def _received(
    stores: ListingStores, account_id: AccountId, arrangements: Iterable[Arrangement], now_ms: int
) -> list[ReceivedListing]:
    """Those of the arrangements that still hold."""
    of = tuple(arrangements)
    mine = {each.source.arrangement_id: each for each in stores.sharing.received_all(account_id)}
    audiences = _originals(stores.audiences, of)
    counts = _counts(stores.summaries, audiences, now_ms)
    connections: dict[AudienceId, list[Connection]] = defaultdict(list)
    for connection in stores.outputs.connections_of(account_id, {each.audience_id for each in mine.values()}):
        connections[connection.audience_id].append(connection)
    found = []
    for each in of:
        audience, kept = audiences.get(_key(each)), mine.get(each.arrangement_id)
        if audience is not None and kept is not None:
            own = tuple(connections[kept.audience_id])
            found.append(ReceivedListing(each, kept, audience, counts.get(_key(each)), own))
    return found


def _key(arrangement: Arrangement) -> _Original:
    return arrangement.initiator, arrangement.audience_id


def _originals(store: AudienceStore, arrangements: Iterable[Arrangement]) -> dict[_Original, Audience]:
    """The initiators' audiences; those that are gone are left out."""
    found = {}
    for key in {_key(each) for each in arrangements}:
        try:
            found[key] = store.get(*key)
        except NotFoundError:
            continue
    return found


def _counts(
    summaries: CountSummaries, audiences: Mapping[_Original, Audience], now_ms: int
) -> dict[_Original, AudienceCounts]:
    """Of those that are active."""
    by_account: dict[AccountId, list[Audience]] = defaultdict(list)
    for audience in audiences.values():
        by_account[audience.account_id].append(audience)
    return {
        (account_id, audience_id): counts
        for account_id, of_account in by_account.items()
        for audience_id, counts in listings.figures(summaries, account_id, of_account, now_ms).items()
    }
