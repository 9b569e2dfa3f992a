"""From changed profiles to what is derived from them at once: history, member lists, the delivery ledger, wake-ups.

The profiles table's stream is the outbox: each record holds a profile before and after one write. Records of one
profile come in order; any record may come again, and everything here is harmless to repeat.
"""

import logging
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from audience_core.domain.control_stores import AccountStore, AudienceStore, OutputStore
from audience_core.domain.erasure import passed_of
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.messages import Due, SharedChange
from audience_core.domain.output import Connection, ConnectionStatus
from audience_core.domain.profile import Profile, Register, RegisterKey
from audience_core.domain.profile_change import ProfileChange, memberships_of
from audience_core.domain.sharing_stores import SharedChangeQueue
from audience_core.domain.stores import (
    HistoryStore,
    IdentityStore,
    LedgerStore,
    MembershipStore,
    ProfileStore,
    ReevaluationQueue,
    WakeUpQueue,
)
from audience_core.pipeline.forwarding import own_workspaces
from audience_core.pipeline.history import changes_between, record
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.passed import note_passed
from audience_core.pipeline.profile_changes import newest_program, of_audiences
from audience_core.pipeline.reevaluate import due_soon
from audience_core.pipeline.retire import clear
from audience_core.pipeline.wishes import Forwarded, Wish, desire, wake
from audience_core.pipeline.withdrawals import withdraw_sent, words_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class FanOut:
    """What fanning out needs of the outside world."""

    accounts: AccountStore
    audiences: AudienceStore
    outputs: OutputStore
    history: HistoryStore
    memberships: MembershipStore
    ledger: LedgerStore
    reevaluations: ReevaluationQueue
    wake_ups: WakeUpQueue
    identities: IdentityStore
    profiles: ProfileStore
    sets: MemberSets
    shared_changes: SharedChangeQueue


def fan_out(stores: FanOut, changes: Sequence[ProfileChange], now_ms: int) -> None:
    """Bring everything derived up to the given records, which are in stream order.

    Member lists are kept by member set, those of staged definitions among them; partners and figures know audiences.
    """
    by_account: dict[AccountId, list[ProfileChange]] = defaultdict(list)
    for change in changes:
        if change.new is None:
            clear(stores.identities, stores.profiles, change.profile)
        if change.profile.environment is Environment.PRODUCTION:
            by_account[change.profile.account_id].append(change)
    for account_id, of_sets in by_account.items():
        known = stores.sets.at(account_id, max(newest_program(change) for change in of_sets))
        mine = [of_audiences(change, known) for change in of_sets]
        # Before the member lists: whoever reads a list and then the history finds the way back from it.
        changed = [each for change in mine for each in changes_between(change.old, change.new, change.at)]
        record(stores.history, stores.accounts, account_id, changed)
        _update_members(stores.memberships, account_id, of_sets)
        _update_ledger(stores, account_id, mine, now_ms)
        withdraw_sent(stores, account_id, [(change.old, change.new) for change in mine], now_ms)
        _heal(stores, account_id, mine, now_ms)
        _visit_soon(stores.reevaluations, mine, now_ms)
    note_passed(stores.identities, [each.profile for each in changes if each.new is None], passed_of, now_ms)


def _update_members(store: MembershipStore, account_id: AccountId, changes: Iterable[ProfileChange]) -> None:
    """Only the last of several changes of one row is written, since a batch of writes has no order."""
    rows: dict[tuple[AudienceId, Mpid], Membership | None] = {}
    for change in changes:
        mpid, since = change.profile.mpid, _since(change)
        rows |= {(each, mpid): Membership(each, mpid, since.get(each, change.at)) for each in change.joined()}
        rows |= {(each, mpid): None for each in change.left()}
    store.apply(
        account_id,
        [row for row in rows.values() if row],
        [(audience_id, mpid) for (audience_id, mpid), row in rows.items() if row is None],
    )


def _since(change: ProfileChange) -> dict[AudienceId, int]:
    """The exact instants of the joins that this write recorded."""
    return {each.audience_id: each.at for each in change.new.changes if each.is_member} if change.new else {}


def _update_ledger(stores: FanOut, account_id: AccountId, changes: Sequence[ProfileChange], now_ms: int) -> None:
    """What was desired for a connection as it no longer is is desired anew.

    Whoever changes a connection fills it afterwards; a wish that was worked out before the change must not come after
    that fill, and bring back, say, an attribute that is not shared any more.
    """
    connections = _Connections(stores.outputs, stores.audiences, account_id)
    wishes = [_wish(change, each) for change in changes for each in connections.differing(change)]
    dirty = desire(stores.ledger, wishes, now_ms)
    while dirty and not connections.are_current():
        connections = _Connections(stores.outputs, stores.audiences, account_id)
        wishes = [_wish(change, each) for change in changes for each in connections.concerned(change)]
        dirty |= desire(stores.ledger, wishes, now_ms)
    wake(stores.wake_ups, dirty, now_ms)
    _tell_receivers(stores.shared_changes, account_id, changes, connections)


def _wish(change: ProfileChange, forwarded: Forwarded) -> Wish:
    return Wish.of(forwarded, change.profile.mpid, _version(change), change.new)


def _version(change: ProfileChange) -> int:
    """Of the profile with the change; beyond its last one when it was removed."""
    return (change.new or change.profile).version + (change.new is None)


def _tell_receivers(
    queue: SharedChangeQueue, account_id: AccountId, changes: Iterable[ProfileChange], connections: "_Connections"
) -> None:
    """Say of whom receivers' partners may have to be told: once, however many receivers there are."""
    told: dict[Mpid, SharedChange] = {}
    for change in changes:
        if audience_ids := connections.shared(change):
            mpid = change.profile.mpid
            before = told[mpid].audience_ids if mpid in told else ()
            together = tuple(sorted({*before, *audience_ids}))
            cause = change.new.cause if change.new else ""
            told[mpid] = SharedChange(account_id, mpid, _version(change), together, cause)
    if told:
        queue.send(list(told.values()))


class _Connections:
    """An account's active connections by audience, read when the first record of a member comes."""

    def __init__(self, outputs: OutputStore, audiences: AudienceStore, account_id: AccountId) -> None:
        self._outputs, self._audiences, self._account_id = outputs, audiences, account_id
        self._by_audience: dict[AudienceId, list[Forwarded]] | None = None
        self._routed: frozenset[AudienceId] = frozenset()
        self._versions: dict[ConnectionId, int] = {}

    def are_current(self) -> bool:
        """Whether none of the connections was changed since they were read."""
        return self._versions == _versions(self._outputs.list_connections(self._account_id))

    def differing(self, change: ProfileChange) -> list[Forwarded]:
        """Connections whose partner should now know something else of the profile."""
        return [each for each in self.concerned(change) if each.target(change.old) != each.target(change.new)]

    def concerned(self, change: ProfileChange) -> list[Forwarded]:
        """Connections whose partner may know the profile."""
        return [known for each in memberships_of(change.old) | memberships_of(change.new) for known in self._of(each)]

    def shared(self, change: ProfileChange) -> set[AudienceId]:
        """Audiences that other accounts forward, and for which the change of the profile may matter."""
        before, after = memberships_of(change.old), memberships_of(change.new)
        if self._by_audience is None and before | after:
            self._by_audience = self._read()
        concerned = self._routed & (before | after)
        if concerned and _told(change.old) == _told(change.new):
            concerned &= before ^ after
        return set(concerned)

    def _of(self, audience_id: AudienceId) -> list[Forwarded]:
        if self._by_audience is None:
            self._by_audience = self._read()
        return self._by_audience.get(audience_id, [])

    def _read(self) -> dict[AudienceId, list[Forwarded]]:
        found: dict[AudienceId, list[Forwarded]] = defaultdict(list)
        outputs = {each.output_id: each for each in self._outputs.list(self._account_id)}
        connections, routes = self._outputs.forwarding(self._account_id)
        self._versions = _versions(connections)
        self._routed = frozenset(each.audience_id for each in routes)
        for connection in connections:
            # Ledgers of the others are withdrawn as a whole, and filled as a whole when they become active. Those of
            # received audiences forward members of other accounts.
            is_own = connection.source is None
            if is_own and connection.status is ConnectionStatus.ACTIVE and connection.output_id in outputs:
                workspaces = own_workspaces(self._audiences, connection)
                known = Forwarded.of(connection, outputs[connection.output_id], workspaces)
                found[connection.audience_id].append(known)
        return found


def _told(profile: Profile | None) -> tuple[frozenset[Identity], dict[RegisterKey, Register]]:
    """What decides, for members of an audience, what any partner of a receiver may know."""
    return (frozenset(profile.identities), words_of(profile)) if profile else (frozenset(), {})


def _versions(connections: Iterable[Connection]) -> dict[ConnectionId, int]:
    return {each.connection_id: each.version for each in connections}


def _heal(stores: FanOut, account_id: AccountId, changes: Iterable[ProfileChange], now_ms: int) -> None:
    """Send round again whoever was evaluated with outdated definitions.

    A worker may read the definitions, be overtaken by a new version and its whole backfill, and then write: a profile
    that did not exist when the backfill passed. Every write passes here, so none escapes.
    """
    version = stores.audiences.program_version(account_id)
    latest = {change.new.mpid: change.new for change in changes if change.new}
    outdated = [profile.mpid for profile in latest.values() if profile.program_version < version]
    if outdated:
        stores.reevaluations.send([Due(account_id, mpid, now_ms) for mpid in outdated], now_ms)
        logger.info("outdated profiles sent round again", extra={"count": len(outdated)})


def _visit_soon(queue: ReevaluationQueue, changes: Iterable[ProfileChange], now_ms: int) -> None:
    due = [each for change in changes for each in due_soon(change.old, change.new, now_ms)]
    if due:
        queue.send(due, now_ms)
