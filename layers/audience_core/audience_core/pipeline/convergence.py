"""Compares what a connection's partner should have with what it acknowledged, and says what stands in between.

Both sides are compared by digest. A member list and the ledger are read side by side, in the order of the texts of
mpids, a stretch at a time; where they do not say the same, or one is silent, the profile itself is asked.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Protocol

from audience_core.domain.control_stores import AudienceStore, OutputStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import DELIVERY_BUCKETS, Connection, ConnectionStatus, LedgerRow, Target
from audience_core.domain.profile import BUCKETS
from audience_core.domain.stores import LedgerStore, MembershipStore, ProfileStore
from audience_core.errors import InvalidInputError, NotFoundError
from audience_core.outputs.projection import is_in, project
from audience_core.outputs.registry import wanted_by
from audience_core.pipeline.forwarding import own_workspaces
from audience_core.pipeline.member_sets import MemberSets

STRETCH = 400
_DIGEST_BITS = 64
# Comes after the text of every mpid.
_END = "~"


class ConvergenceStores(Protocol):
    """The stores that comparing needs, under the names that `wiring.Stores` gives them."""

    @property
    def audiences(self) -> AudienceStore: ...

    @property
    def outputs(self) -> OutputStore: ...

    @property
    def memberships(self) -> MembershipStore: ...

    @property
    def profiles(self) -> ProfileStore: ...

    @property
    def ledger(self) -> LedgerStore: ...


class Obstacle(StrEnum):
    """Why a partner does not have what it should have of a member."""

    WAITING = "waiting"
    FAULTED = "faulted"
    INACTIVE = "inactive"
    UNKNOWN_OUTCOME = "unknown_outcome"
    REJECTED = "rejected"
    NOT_FORWARDABLE = "not_forwardable"


@dataclass(frozen=True, slots=True)
class Undelivered:
    """A member of whom the partner does not know what it should.

    Args:
        is_removal: the partner should forget the member.
        detail: why it was rejected, or cannot be forwarded.
        since: UTC ms, None when nothing has been written down for the member yet.
    """

    mpid: Mpid
    is_removal: bool
    obstacle: Obstacle
    detail: str | None
    since: int | None


@dataclass(slots=True)
class Tally:
    """Of one delivery bucket, or of several.

    Args:
        members: delivered, waiting, rejected and not forwardable ones together.
        removals: who is no member and not known to be forgotten by the partner.
        desired, acknowledged: sums of the rows' digests: equal when, and practically only when, all rows are.
    """

    members: int = 0
    delivered: int = 0
    waiting: int = 0
    rejected: int = 0
    not_forwardable: int = 0
    removals: int = 0
    desired: int = 0
    acknowledged: int = 0

    @property
    def is_converged(self) -> bool:
        return self.desired == self.acknowledged

    def add(self, more: "Tally") -> None:
        for name, value in asdict(more).items():
            setattr(self, name, getattr(self, name) + value)
        self.desired %= 2**_DIGEST_BITS
        self.acknowledged %= 2**_DIGEST_BITS


@dataclass(slots=True)
class Comparison:
    """How far the comparison has come.

    Args:
        tallies: by delivery bucket, counted up to here.
        undelivered: those found on this page.
        next: where to go on, with all that was counted; None when every bucket is counted in full.
    """

    tallies: list[Tally] = field(default_factory=lambda: [Tally() for _ in range(DELIVERY_BUCKETS)])
    undelivered: list[Undelivered] = field(default_factory=list)
    next: str | None = None

    @property
    def total(self) -> Tally:
        found = Tally()
        for each in self.tallies:
            found.add(each)
        return found


def compare(
    stores: ConvergenceStores,
    account_id: AccountId,
    connection_id: ConnectionId,
    cursor: str | None,
    limit: int,
    clock: Callable[[], int],
    until_ms: int,
) -> Comparison:
    """Compare on from a cursor until `limit` undelivered members are found, time is up (UTC ms), or all is done.

    Args:
        limit: 0 to count alone.

    Raises:
        InvalidInputError: the cursor is not one of ours.
    """
    connection = stores.outputs.get_connection(account_id, connection_id)
    reader = _Reader(stores, connection)
    comparison, bucket, after = _resumed(cursor)
    while bucket < DELIVERY_BUCKETS:
        room = limit - len(comparison.undelivered) if limit else STRETCH
        found, after = reader.stretch(bucket, after, room)
        for tally, undelivered in found:
            comparison.tallies[bucket].add(tally)
            if limit and undelivered is not None:
                comparison.undelivered.append(undelivered)
        bucket += after is None
        if bucket < DELIVERY_BUCKETS and (_is_full(comparison, limit) or clock() >= until_ms):
            comparison.next = _position(comparison, bucket, after)
            break
    return comparison


def _is_full(comparison: Comparison, limit: int) -> bool:
    return bool(limit) and len(comparison.undelivered) >= limit


class _Reader:
    """Members of one connection with their rows, and what becomes of both."""

    def __init__(self, stores: ConvergenceStores, connection: Connection) -> None:
        self._stores, self._connection = stores, connection
        self._home, self._audience_id = connection.members_of
        self._live_set = _live_set(stores, self._home, self._audience_id)
        self._wanted = wanted_by(stores.outputs.get(connection.account_id, connection.output_id), connection)
        self._sets, self._workspaces = MemberSets(stores.audiences), own_workspaces(stores.audiences, connection)

    def stretch(
        self, bucket: int, after: Mpid | None, room: int
    ) -> tuple[list[tuple[Tally, Undelivered | None]], Mpid | None]:
        """What is found of the next members, with at most `room` undelivered; the last of them, None at the end."""
        connection = self._connection
        rows = self._stores.ledger.rows_after(connection.account_id, connection.connection_id, bucket, after, STRETCH)
        if connection.sent is None:
            members, whole = self._members(bucket, after)
        else:
            # Of a lifetime audience: what its last send has written down.
            members, whole = {row.mpid for row in rows if row.desired is not None}, _END
        whole = min(whole, _last([row.mpid for row in rows], STRETCH))
        by_mpid = {row.mpid: row for row in rows}
        mpids = sorted((mpid for mpid in by_mpid.keys() | members if str(mpid) <= whole), key=str)
        desired = self._desired(mpids, by_mpid, members)
        found: list[tuple[Tally, Undelivered | None]] = []
        for mpid in mpids:
            found.append(self._verdict(mpid, by_mpid.get(mpid), *desired[mpid]))
            room -= found[-1][1] is not None
            if room == 0:
                return found, mpid
        return found, None if whole == _END else mpids[-1]

    def _members(self, bucket: int, after: Mpid | None) -> tuple[set[Mpid], str]:
        """Members of a delivery bucket, which are those of every eighth bucket of profiles; complete up to a text."""
        each = STRETCH * DELIVERY_BUCKETS // BUCKETS * 2
        found: set[Mpid] = set()
        whole = _END
        for profiles in range(bucket, BUCKETS, DELIVERY_BUCKETS):
            of_bucket = (self._home, self._live_set, profiles)
            some = [each.mpid for each in self._stores.memberships.bucket_members(*of_bucket, after, each)]
            found |= {mpid for mpid in some if is_in(self._connection.variant, mpid)}
            whole = min(whole, _last(some, each))
        return found, whole

    def _desired(
        self, mpids: Sequence[Mpid], rows: Mapping[Mpid, LedgerRow], members: set[Mpid]
    ) -> dict[Mpid, tuple[Target | None, bool]]:
        """What should be desired of each, and whether it is a member; profiles decide where ledger and list differ."""
        ledger = {mpid: row.desired for mpid in mpids if (row := rows.get(mpid))}
        doubtful = [mpid for mpid in mpids if (ledger.get(mpid) is not None) is not (mpid in members)]
        found = {mpid: (ledger.get(mpid), mpid in members) for mpid in mpids}
        profiles = self._stores.profiles.load(self._home, Environment.PRODUCTION, doubtful)
        for mpid in doubtful:
            profile = self._sets.live(profiles[mpid]) if mpid in profiles else None
            if profile is None:
                found[mpid] = (None, False)
            else:
                target = project(profile, self._audience_id, self._connection, self._wanted, self._workspaces)
                found[mpid] = (
                    target,
                    self._audience_id in profile.memberships and is_in(self._connection.variant, mpid),
                )
        return found

    def _verdict(
        self, mpid: Mpid, row: LedgerRow | None, desired: Target | None, is_member: bool
    ) -> tuple[Tally, Undelivered | None]:
        tally = Tally(members=int(is_member), desired=_digest(mpid, desired), acknowledged=_told(mpid, row))
        if desired is None and row is None:
            if not is_member:
                return tally, None
            tally.not_forwardable = 1
            return tally, _not_forwardable(mpid)
        obstacle = self._obstacle(row, desired)
        if desired is None:
            tally.removals, tally.not_forwardable = int(obstacle is not None), int(is_member)
        elif obstacle is None:
            tally.delivered = 1
        else:
            is_rejected = obstacle is Obstacle.REJECTED
            tally.rejected, tally.waiting = int(is_rejected), int(not is_rejected)
        if obstacle is None:
            return tally, _not_forwardable(mpid) if is_member and desired is None else None
        detail, since = (row.rejected, row.dirty_since) if row else (None, None)
        return tally, Undelivered(mpid, desired is None, obstacle, detail, since)

    def _obstacle(self, row: LedgerRow | None, desired: Target | None) -> Obstacle | None:
        """What keeps the partner from knowing what it should; None when it does."""
        if row is not None and row.desired == desired:
            if row.rejected is not None:
                return Obstacle.REJECTED
            if row.dirty_since is None:
                return None
        if self._connection.fault is not None:
            return Obstacle.FAULTED
        if self._connection.status is ConnectionStatus.INACTIVE:
            return Obstacle.INACTIVE
        return Obstacle.UNKNOWN_OUTCOME if row is not None and row.attempted is not None else Obstacle.WAITING


def _live_set(stores: ConvergenceStores, home: AccountId, audience_id: AudienceId) -> AudienceId:
    """An audience that was shared may be gone before its receivers' partners have forgotten its members."""
    try:
        return stores.audiences.get(home, audience_id).live_set
    except NotFoundError:
        return audience_id


def _not_forwardable(mpid: Mpid) -> Undelivered:
    return Undelivered(mpid, False, Obstacle.NOT_FORWARDABLE, "has no identity that the output accepts", None)


def _told(mpid: Mpid, row: LedgerRow | None) -> int:
    """The digest of what the partner has; of a row whose outcome is not known it is that of nothing desired."""
    if row is None:
        return 0
    return _digest(mpid, row.acknowledged) if row.attempted is None else _hash(mpid, "?")


def _digest(mpid: Mpid, target: Target | None) -> int:
    """0 for nothing: who is not there weighs nothing on either side."""
    if target is None:
        return 0
    identities = [[identity.type, identity.value] for identity in target.identities]
    return _hash(mpid, json.dumps([identities, [list(each) for each in target.attributes]]))


def _hash(mpid: Mpid, content: str) -> int:
    return int.from_bytes(hashlib.sha256(f"{mpid}\n{content}".encode()).digest()[: _DIGEST_BITS // 8])


def _last(mpids: Sequence[Mpid], limit: int) -> str:
    """Up to which text a reading of at most `limit` members is complete."""
    return max(map(str, mpids)) if len(mpids) == limit else _END


def _position(comparison: Comparison, bucket: int, after: Mpid | None) -> str:
    counted = [list(asdict(each).values()) for each in comparison.tallies]
    return json.dumps([bucket, None if after is None else str(after), counted], separators=(",", ":"))


def _resumed(cursor: str | None) -> tuple[Comparison, int, Mpid | None]:
    if cursor is None:
        return Comparison(), 0, None
    try:
        bucket, after, counted = json.loads(cursor)
        tallies = [Tally(*map(int, each)) for each in counted]
        position = int(bucket), None if after is None else Mpid(int(after))
    except (TypeError, ValueError) as error:
        raise InvalidInputError("the cursor is not one of ours", (("/query/next", "unknown cursor"),)) from error
    return Comparison(tallies), *position
