"""The delivery ledger in DynamoDB: an item per (connection, mpid), in the index `dirty` while a partner must be told.

Beside the rows, each lane (connection and bucket) has items of its own: what is being attempted, and a mark by which
the sweep finds lanes with dirty rows without reading these.
"""

import time
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import batched

from pynamodb.exceptions import DeleteError, DoesNotExist, TransactWriteError, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.transactions import TransactWrite

from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, LedgerRow, Target, delivery_bucket_of, union
from audience_core.domain.stores import Page
from audience_core.errors import StaleVersionError
from audience_core.persistence import cursors
from audience_core.persistence.ledger_codec import pack_target
from audience_core.persistence.ledger_items import (
    FIRST_ROW,
    MARK,
    DirtyIndex,
    LedgerItem,
    lane_key,
    lane_of,
    row_of,
    undoubted,
    wake_up_of,
)
from audience_core.persistence.ledger_notes import LaneNotes
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.versions import is_condition_failure

_MARK_SHARDS = 16
# A process marks a lane at most this often. The sweep must look at marks older than twice that.
_MARKED_FOR_MS = 30_000
# What a transaction takes: so many items, and 4 MB of them.
_TRANSACTION, _TRANSACTION_BYTES = 100, 3_000_000
# What a write without a transaction meets while somebody else's holds the item.
_IN_A_TRANSACTION = "TransactionConflictException"
_WRITE_ATTEMPTS, _PAUSE_S = 6, 0.02


class DynamoLedgerStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(LedgerItem, table_name, region, dirty=DirtyIndex())
        self._notes = LaneNotes(self._items)
        self._region = region
        self._marked: dict[str, int] = {}

    def desire(
        self,
        account_id: AccountId,
        connection_id: ConnectionId,
        mpid: Mpid,
        desired: Target | None,
        version: int,
        now_ms: int,
    ) -> bool:
        lane = lane_key(account_id, connection_id, delivery_bucket_of(mpid))
        item, packed = self._items(lane, str(mpid)), pack_target(desired)
        condition = (LedgerItem.desired_version <= version) & (LedgerItem.desired != packed)
        if desired is not None:
            condition = LedgerItem.pk.does_not_exist() | condition
        changes: list[Action] = [
            LedgerItem.desired.set(packed),
            LedgerItem.desired_version.set(version),
            LedgerItem.rejected.remove(),
            *_dirty_since(lane, now_ms),
        ]
        is_dirty = _updated(item, changes, condition) or self._is_dirty_already(lane, mpid, packed, version)
        if is_dirty:
            self._mark(lane, now_ms)
        return is_dirty

    def dirty(self, account_id: AccountId, connection_id: ConnectionId, bucket: int, limit: int) -> Sequence[LedgerRow]:
        """The index may lag behind the table: it says where to look, and the rows themselves are read afresh."""
        lane = lane_key(account_id, connection_id, bucket)
        attempts = self._notes.of(lane)
        found = self._items.dirty.query(lane, page_size=limit, attributes_to_get=["pk", "sk"])
        for hits in batched(found, limit, strict=False):
            keys = [(lane, hit.sk) for hit in hits]
            fresh = {item.sk: item for item in self._items.batch_get(keys, consistent_read=True)}
            rows = [row_of(fresh[sk], attempts) for _, sk in keys if sk in fresh]
            if dirty := [row for row in rows if row.dirty_since is not None]:
                return dirty
        if attempts:
            self._drop_moot_notes(lane, attempts.keys())
        return ()

    def attempt(self, rows: Sequence[LedgerRow]) -> None:
        self._notes.write(rows)

    def settle(self, rows: Sequence[LedgerRow]) -> None:
        self._notes.remove(rows)

    def rows(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, cursor: str | None, limit: int
    ) -> Page[LedgerRow]:
        lane = lane_key(account_id, connection_id, bucket)
        attempts = self._notes.of(lane)
        items = self._items.query(
            lane,
            LedgerItem.sk >= FIRST_ROW,
            limit=limit,
            last_evaluated_key=cursors.decode(cursor),
            consistent_read=True,
        )
        found = tuple(row_of(item, attempts) for item in items)
        return Page(found, cursors.encode(items.last_evaluated_key))

    def rows_after(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[LedgerRow]:
        lane = lane_key(account_id, connection_id, bucket)
        later = LedgerItem.sk >= FIRST_ROW if after is None else LedgerItem.sk > str(after)
        attempts = self._notes.of(lane)
        return [row_of(item, attempts) for item in self._items.query(lane, later, limit=limit, consistent_read=True)]

    def find(
        self, account_id: AccountId, connection_id: ConnectionId, mpids: Collection[Mpid]
    ) -> dict[Mpid, LedgerRow]:
        keys = [(lane_key(account_id, connection_id, delivery_bucket_of(mpid)), str(mpid)) for mpid in set(mpids)]
        rows = (row_of(item, {}) for item in self._items.batch_get(keys, consistent_read=True))
        return {row.mpid: row for row in rows}

    def acknowledge(self, rows: Sequence[LedgerRow]) -> None:
        """In transactions of as many rows as they take; those that were changed in between are written one by one."""
        for some in _transactions(rows):
            left: Sequence[LedgerRow] = some
            while left and (moved := self._settled_unless_moved(left)):
                for row in moved:
                    self._acknowledge_alone(row)
                left = [row for row in left if row not in moved]

    def _settled_unless_moved(self, rows: Sequence[LedgerRow]) -> Sequence[LedgerRow]:
        """Make all rows clean, or none; then those that stand in the way."""
        if len(rows) == 1:  # a transaction of one costs twice as much
            return rows
        try:
            with TransactWrite(connection=connection(self._region)) as transaction:
                for row in rows:
                    item, unchanged = self._items(lane_of(row), str(row.mpid)), _unchanged(row)
                    if row.desired is None:
                        transaction.delete(item, unchanged)
                    else:
                        transaction.update(item, _clean(row), unchanged)
        except TransactWriteError as error:
            reasons = zip(rows, error.cancellation_reasons, strict=False)
            moved = [row for row, reason in reasons if reason is not None and reason.code != "None"]
            if not moved:
                raise
            return moved
        return ()

    def _acknowledge_alone(self, row: LedgerRow) -> None:
        item = self._items(lane_of(row), str(row.mpid))
        if row.desired is None:
            is_settled = _deleted(item, _unchanged(row))
        else:
            is_settled = _updated(item, _clean(row), _unchanged(row))
        told = LedgerItem.acknowledged.set(pack_target(row.desired))
        if not is_settled and not _updated(item, [told, LedgerItem.may_have.remove()], undoubted(row)):
            _updated(item, [told], LedgerItem.pk.exists())

    def reject(self, row: LedgerRow, reason: str, may_have: Target | None) -> None:
        item = self._items(lane_of(row), str(row.mpid))
        kept = LedgerItem.may_have.remove() if may_have is None else LedgerItem.may_have.set(pack_target(may_have))
        clean = [LedgerItem.dirty_bucket.remove(), LedgerItem.dirty_since.remove(), LedgerItem.rejected.set(reason)]
        if not _updated(item, [*clean, kept], _unchanged(row)) and may_have is not None:
            self.doubt(row.account_id, row.connection_id, row.mpid, may_have, row.dirty_since or 0)

    def doubt(self, account_id: AccountId, connection_id: ConnectionId, mpid: Mpid, told: Target, now_ms: int) -> bool:
        lane = lane_key(account_id, connection_id, delivery_bucket_of(mpid))
        for _ in range(_WRITE_ATTEMPTS):
            row = self.find(account_id, connection_id, [mpid]).get(mpid)
            if row is None:
                return False
            may_have = union(row.attempted, told) or told
            changes: list[Action] = [
                LedgerItem.may_have.set(pack_target(may_have)),
                LedgerItem.doubts.set(row.doubts + 1),
                LedgerItem.rejected.remove(),
                *_dirty_since(lane, now_ms),
            ]
            if _updated(self._items(lane, str(mpid)), changes, undoubted(row)):
                self._mark(lane, now_ms)
                return True
        raise StaleVersionError(f"a ledger row was doubted {_WRITE_ATTEMPTS} times in between")

    def dirty_lanes(self, older_than_ms: int) -> Mapping[WakeUp, int]:
        """Also takes the marks off lanes that nobody marked since that instant and that have nothing dirty."""
        found = {}
        for mark in self._marks(older_than_ms):
            oldest = next(iter(self._items.dirty.query(mark.pk, limit=1)), None)
            if oldest is not None and oldest.dirty_since <= older_than_ms:
                found[wake_up_of(mark.pk)] = int(oldest.dirty_since)
            elif oldest is None and mark.marked_at <= older_than_ms:
                _deleted(mark, LedgerItem.marked_at == mark.marked_at)
        return found

    def delete_connection_rows(self, account_id: AccountId, connection_id: ConnectionId) -> None:
        with self._items.batch_write() as batch:
            for bucket in range(DELIVERY_BUCKETS):
                for item in self._items.query(lane_key(account_id, connection_id, bucket), consistent_read=True):
                    batch.delete(item)

    def _drop_moot_notes(self, lane: str, mpids: Collection[Mpid]) -> None:
        """A worker may have died after it wrote down how a send came out, and before its note was gone."""
        items = self._items.batch_get([(lane, str(mpid)) for mpid in mpids], consistent_read=True)
        self._notes.keep(lane, {Mpid(int(item.sk)) for item in items if item.dirty_since is not None})

    def _is_dirty_already(self, lane: str, mpid: Mpid, packed: bytes, version: int) -> bool:
        """After a refused write: the row is newer, says the same already, or is absent as it should be."""
        try:
            item = self._items.get(lane, str(mpid), consistent_read=True)
        except DoesNotExist:
            return False
        if item.desired == packed and item.desired_version < version:
            same = (LedgerItem.desired == packed) & (LedgerItem.desired_version < version)
            _updated(item, [LedgerItem.desired_version.set(version)], same)
        return item.dirty_since is not None

    def _mark(self, lane: str, now_ms: int) -> None:
        if now_ms - self._marked.get(lane, now_ms - _MARKED_FOR_MS) < _MARKED_FOR_MS:
            return
        shard = f"lanes#{zlib.crc32(lane.encode()) % _MARK_SHARDS:02d}"
        changes: list[Action] = [
            LedgerItem.dirty_bucket.set(shard),
            LedgerItem.dirty_since.set(LedgerItem.dirty_since | now_ms),
            LedgerItem.marked_at.set(now_ms),
        ]
        self._items(lane, MARK).update(changes)
        self._marked[lane] = now_ms

    def _marks(self, older_than_ms: int) -> Iterator[LedgerItem]:
        for shard in range(_MARK_SHARDS):
            yield from self._items.dirty.query(f"lanes#{shard:02d}", DirtyIndex.dirty_since <= older_than_ms)


def _transactions(rows: Sequence[LedgerRow]) -> Iterator[list[LedgerRow]]:
    """In order, as many to a transaction as it takes."""
    some: list[LedgerRow] = []
    size = 0
    for row in rows:
        weight = 2 * len(pack_target(row.desired))
        if some and (len(some) == _TRANSACTION or size + weight > _TRANSACTION_BYTES):
            yield some
            some, size = [], 0
        some.append(row)
        size += weight
    if some:
        yield some


def _dirty_since(lane: str, now_ms: int) -> list[Action]:
    return [LedgerItem.dirty_bucket.set(lane), LedgerItem.dirty_since.set(LedgerItem.dirty_since | now_ms)]


def _clean(row: LedgerRow) -> list[Action]:
    gone = (LedgerItem.dirty_bucket, LedgerItem.dirty_since, LedgerItem.may_have, LedgerItem.rejected)
    return [LedgerItem.acknowledged.set(pack_target(row.desired)), *(each.remove() for each in gone)]


def _unchanged(row: LedgerRow) -> Condition:
    unchanged: Condition = (LedgerItem.desired == pack_target(row.desired)) & undoubted(row)
    return unchanged


def _updated(item: LedgerItem, changes: list[Action], condition: Condition) -> bool:
    return _done(partial(item.update, changes, condition))


def _deleted(item: LedgerItem, condition: Condition) -> bool:
    return _done(partial(item.delete, condition))


def _done(write: Callable[[], object]) -> bool:
    """False when its condition does not hold; one that meets somebody's transaction is repeated."""
    for attempt in range(1, _WRITE_ATTEMPTS + 1):
        try:
            write()
        except (UpdateError, DeleteError) as error:
            if is_condition_failure(error):
                return False
            if error.cause_response_code != _IN_A_TRANSACTION or attempt == _WRITE_ATTEMPTS:
                raise
            time.sleep(attempt * _PAUSE_S)
        else:
            return True
    raise AssertionError("the last attempt returns or raises")
