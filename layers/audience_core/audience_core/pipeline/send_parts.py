"""The parts of a send: members of one shard are desired, and rows of one lane that are no members withdrawn.

What a connection's partner should have follows from the connection alone, which says what was sent last. So whoever
writes a page looks afterwards whether the connection was changed meanwhile, and if so writes it again: a worker that
only slept while somebody sent another result does that one's work
(docs/decisions/0035-a-page-of-a-send-follows-the-connection.md).
"""

from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from audience_core.domain.archive import shard_of
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.job import Job, JobStep, Part
from audience_core.domain.output import (
    DELIVERY_BUCKETS,
    Connection,
    ConnectionStatus,
    Sending,
    Target,
    delivery_bucket_of,
)
from audience_core.domain.profile import Profile
from audience_core.errors import NotFoundError, StaleVersionError
from audience_core.outputs.lanes import wake_ups_of
from audience_core.outputs.projection import target_of
from audience_core.outputs.registry import kind_named, wanted_by
from audience_core.pipeline import leases
from audience_core.pipeline.archived_profiles import ArchivedProfiles
from audience_core.pipeline.forwarding import find_connection, own_workspaces
from audience_core.pipeline.send import LEASE_MS, Sender, SendRequest, request_of

PAGE = 200

type Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class SendOrder:
    """Which part of a send a worker is to do.

    Args:
        token: of the run that gives the order.
        step: publish, of the shard of that place; or withdraw, of a connection's lane: 8 x connection + lane.
    """

    account_id: AccountId
    job_id: str
    token: int
    step: JobStep
    part: str
    place: int


def work(stores: Sender, order: SendOrder, clock: Clock, until_ms: int) -> Part:
    """Go on with a part until it is done or the time is up.

    Args:
        clock: now, UTC ms.
        until_ms: no page begins after this instant, but the first one.

    Raises:
        NotOursError: the job was cancelled or is another run's now.
        NotFoundError: what was found is not kept any more.
        DamagedShardError: the archive cannot be read.
        StaleVersionError: another worker has begun with this part.
    """
    job = _require_ours(stores, order, clock())
    part = stores.jobs.claim(_new_part(stores, job, order))
    if part.is_done:
        return part
    desk = _Desk(stores, order.account_id, request_of(job).audience_id, clock)
    pages = _published(desk, job, order, part) if order.step is JobStep.PUBLISH else _withdrawn(desk, job, order, part)
    for done in pages:
        part = done
        stores.jobs.save_part(part)
        if part.is_done or clock() >= until_ms:
            break
        _require_ours(stores, order, clock())
    return part


def note_error(stores: Sender, order: SendOrder, error: str) -> None:
    """Tell watchers why the latest attempt at a part failed, unless another one has begun."""
    for part in stores.jobs.parts(order.account_id, order.job_id):
        if (part.step, part.name) == (order.step, order.part):
            with suppress(StaleVersionError):
                stores.jobs.save_part(part.model_copy(update={"error": error}))


def _published(desk: "_Desk", job: Job, order: SendOrder, part: Part) -> Iterator[Part]:
    """The part after each page of a shard's members."""
    request = request_of(job)
    shard = desk.shards(request)[order.place]
    owner = (order.account_id, request.audience_id, request.calculation_id)
    members = desk.stores.results.of_shard(*owner, shard, 0)
    start = int(part.cursor or 0)
    while True:
        page = members[start : start + PAGE]
        start += len(page)
        is_done, written = start >= len(members), _brought(desk, job, page)
        if is_done:
            _brought(desk, job, desk.erased_of(members))
        changes = {
            "cursor": str(start),
            "looked_at": start,
            "written": part.written + written,
            "progress": start / len(members) if members else 1.0,
            "is_done": is_done,
            "error": "",
        }
        part = part.model_copy(update=changes)
        yield part


def _withdrawn(desk: "_Desk", job: Job, order: SendOrder, part: Part) -> Iterator[Part]:
    """The part after each page of a lane's rows."""
    index, lane = divmod(order.place, DELIVERY_BUCKETS)
    connection_id = request_of(job).connection_ids[index]
    while True:
        page = desk.stores.ledger.rows(order.account_id, connection_id, lane, part.cursor, PAGE)
        written = desk.withdraw(connection_id, [row.mpid for row in page.items if row.desired is not None])
        changes = {
            "cursor": page.next,
            "looked_at": part.looked_at + len(page.items),
            "written": part.written + written,
            "progress": float(page.next is None),
            "is_done": page.next is None,
            "error": "",
        }
        part = part.model_copy(update=changes)
        yield part


def _brought(desk: "_Desk", job: Job, mpids: Collection[Mpid]) -> int:
    """Bring what all connections of the job desire of some users up to date; how many rows are dirty."""
    desk.read_anew()
    return sum(desk.bring(each, mpids) for each in request_of(job).connection_ids) if mpids else 0


class _Desk:
    """What one invocation knows: members by shard, and the profiles of a page."""

    def __init__(self, stores: Sender, account_id: AccountId, audience_id: AudienceId, clock: Clock) -> None:
        self.stores, self._account_id, self._audience_id, self._clock = stores, account_id, audience_id, clock
        self._archived = ArchivedProfiles(stores.profiles, stores.shards, stores.erasures, account_id)
        self._shards: dict[str, Sequence[int]] = {}
        self._members: dict[tuple[str, int], array[int]] = {}
        self._profiles: dict[Mpid, Profile | None] = {}

    def bring(self, connection_id: ConnectionId, mpids: Collection[Mpid]) -> int:
        """Desire of each user what the connection, as it is now, asks for; how many rows are dirty."""
        while True:
            connection = self._sent(connection_id)
            if connection is None or connection.sent is None:
                return 0
            dirty = self._desire(connection, connection.sent, mpids)
            # Whoever tells of a change finds no row to withdraw before there is one.
            if changed := self._read_again(mpids):
                dirty |= self._desire(connection, connection.sent, changed)
            now = self._sent(connection_id)
            if now is None or now.version == connection.version:
                return len(dirty)

    def withdraw(self, connection_id: ConnectionId, mpids: Collection[Mpid]) -> int:
        """As `bring`, of those who are no members."""
        connection = self._sent(connection_id)
        if connection is None or connection.sent is None:
            return 0
        left = [mpid for mpid in mpids if not self._has(connection.sent, mpid)]
        return self.bring(connection_id, left) if left else 0

    def shards(self, found: SendRequest | Sending) -> Sequence[int]:
        """Of a calculation; raise `NotFoundError` when it is not kept: nobody was found is something else."""
        calculation_id = found.calculation_id
        if calculation_id not in self._shards:
            listed = self.stores.results.shards(self._account_id, self._audience_id, calculation_id)
            if not listed:
                raise NotFoundError("the members that were found are not kept any more")
            self._shards[calculation_id] = listed
        return self._shards[calculation_id]

    def erased_of(self, mpids: Collection[Mpid]) -> set[Mpid]:
        """Those whose erasure was asked for by now, maybe after they were written down."""
        return set(mpids) & self.stores.erasures.erased(self._account_id).keys()

    def read_anew(self) -> None:
        """From here on profiles and erasures as they are now."""
        self._profiles.clear()
        self._archived.refresh()

    def _sent(self, connection_id: ConnectionId) -> Connection | None:
        """None when nothing is to be written down for it any more; one that is inactive may be active again."""
        connection = find_connection(self.stores.outputs, self._account_id, connection_id)
        return connection if connection and connection.status is not ConnectionStatus.DELETING else None

    def _desire(self, connection: Connection, sent: Sending, mpids: Collection[Mpid]) -> set[Mpid]:
        targets, now_ms = self._targets(connection, sent, mpids), self._clock()
        row = connection.account_id, connection.connection_id
        dirty = {
            mpid for mpid in mpids if self.stores.ledger.desire(*row, mpid, targets.get(mpid), sent.number, now_ms)
        }
        if dirty:
            output = self.stores.outputs.get(connection.account_id, connection.output_id)
            lanes = {delivery_bucket_of(mpid) for mpid in dirty}
            self.stores.wake_ups.send(wake_ups_of(connection, kind_named(output.connector), lanes), now_ms)
        return dirty

    def _read_again(self, mpids: Collection[Mpid]) -> set[Mpid]:
        """Those of whom something else is known by now."""
        before = {mpid: self._profiles[mpid] for mpid in mpids if mpid in self._profiles}
        after = self._archived.load(before)
        changed = {mpid for mpid, profile in before.items() if _version(profile) != _version(after.get(mpid))}
        self._profiles |= {mpid: after.get(mpid) for mpid in changed}
        return changed

    def _targets(self, connection: Connection, sent: Sending, mpids: Collection[Mpid]) -> dict[Mpid, Target | None]:
        members = [mpid for mpid in mpids if self._has(sent, mpid)]
        unread = [mpid for mpid in members if mpid not in self._profiles]
        if unread:
            found = self._archived.load(unread)
            self._profiles |= {mpid: found.get(mpid) for mpid in unread}
        output = self.stores.outputs.get(connection.account_id, connection.output_id)
        wanted, workspaces = wanted_by(output, connection), own_workspaces(self.stores.audiences, connection)
        known = {mpid: profile for mpid in members if (profile := self._profiles[mpid])}
        return {mpid: target_of(profile, connection, wanted, workspaces) for mpid, profile in known.items()}

    def _has(self, sent: Sending, mpid: Mpid) -> bool:
        members = self._of_shard(sent, shard_of(mpid, sent.shard_count))
        place = bisect_left(members, mpid)
        return place < len(members) and members[place] == mpid

    def _of_shard(self, sent: Sending, shard: int) -> array[int]:
        key = (sent.calculation_id, shard)
        if key not in self._members:
            owner, is_listed = (self._account_id, self._audience_id), shard in self.shards(sent)
            found = self.stores.results.of_shard(*owner, sent.calculation_id, shard, 0) if is_listed else ()
            self._members[key] = array("q", found)
        return self._members[key]


def _version(profile: Profile | None) -> int:
    return -1 if profile is None else profile.version


def _require_ours(stores: Sender, order: SendOrder, now_ms: int) -> Job:
    return leases.require_ours(stores.jobs, order.account_id, order.job_id, order.token, now_ms, LEASE_MS)


def _new_part(stores: Sender, job: Job, order: SendOrder) -> Part:
    request = request_of(job)
    shards = stores.results.shards(job.account_id, request.audience_id, request.calculation_id)
    parts = len(shards) if order.step is JobStep.PUBLISH else len(request.connection_ids) * DELIVERY_BUCKETS
    return Part(
        account_id=order.account_id,
        job_id=order.job_id,
        step=order.step,
        name=order.part,
        bucket=order.place,
        share=1 / parts,
    )
