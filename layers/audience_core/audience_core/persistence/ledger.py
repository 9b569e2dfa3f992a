"""The delivery ledger in DynamoDB: an item per (connection, mpid), in the index `dirty` while a partner must be told.

Beside the rows, each lane (connection and bucket) has two items of its own: what is being attempted, and a mark by
which the sweep finds lanes with dirty rows without reading these.
"""

import zlib
from collections.abc import Iterator, Sequence
from itertools import batched

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, DoesNotExist, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, LedgerRow, Target, delivery_bucket_of, union
from audience_core.domain.stores import Page
from audience_core.persistence import cursors
from audience_core.persistence.ledger_codec import pack_attempts, pack_target, unpack_attempts, unpack_target
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

# Sort keys of a lane's own items; both come before every mpid.
_ATTEMPTS, _MARK, _FIRST_ROW = "!attempts", "!lane", "-"
_MARK_SHARDS = 16
# A process marks a lane at most this often. The sweep must look at marks older than twice that.
_MARKED_FOR_MS = 30_000
_NOBODY = pack_target(None)


class DirtyIndex(GlobalSecondaryIndex["LedgerItem"]):  # type: ignore[no-untyped-call]  # pynamodb's own hook
    """Dirty rows by lane, oldest first; and the marks of lanes, by shard."""

    class Meta:
        index_name = "dirty"
        projection = AllProjection()

    dirty_bucket = UnicodeAttribute(hash_key=True)
    dirty_since = NumberAttribute(range_key=True)


class LedgerItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    desired = BinaryAttribute(legacy_encoding=False, null=True)
    desired_version = NumberAttribute(null=True)
    acknowledged = BinaryAttribute(legacy_encoding=False, null=True)
    dirty_bucket = UnicodeAttribute(null=True)
    dirty_since = NumberAttribute(null=True)
    attempts = BinaryAttribute(legacy_encoding=False, null=True)
    marked_at = NumberAttribute(null=True)
    dirty = DirtyIndex()


class DynamoLedgerStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(LedgerItem, table_name, region, dirty=DirtyIndex())
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
        lane = _lane(account_id, connection_id, delivery_bucket_of(mpid))
        item, packed = self._items(lane, str(mpid)), pack_target(desired)
        condition = (LedgerItem.desired_version <= version) & (LedgerItem.desired != packed)
        if desired is not None:
            condition = LedgerItem.pk.does_not_exist() | condition
        changes: list[Action] = [
            LedgerItem.desired.set(packed),
            LedgerItem.desired_version.set(version),
            LedgerItem.dirty_bucket.set(lane),
            LedgerItem.dirty_since.set(LedgerItem.dirty_since | now_ms),
        ]
        is_dirty = _updated(item, changes, condition) or self._is_dirty_already(lane, mpid, packed, version)
        if is_dirty:
            self._mark(lane, now_ms)
        return is_dirty

    def dirty(self, account_id: AccountId, connection_id: ConnectionId, bucket: int, limit: int) -> Sequence[LedgerRow]:
        """The index may lag behind the table: it says where to look, and the rows themselves are read afresh."""
        lane = _lane(account_id, connection_id, bucket)
        attempts = self._attempts(lane)
        for hits in batched(self._items.dirty.query(lane), limit, strict=False):
            keys = [(lane, hit.sk) for hit in hits]
            fresh = {item.sk: item for item in self._items.batch_get(keys, consistent_read=True)}
            rows = [_row(fresh[sk], attempts) for _, sk in keys if sk in fresh]
            if found := [row for row in rows if row.dirty_since is not None]:
                return found
        return ()

    def acknowledge(self, row: LedgerRow) -> None:
        item = self._items(_lane_of(row), str(row.mpid))
        packed = pack_target(row.desired)
        unchanged = LedgerItem.desired == packed
        if row.desired is None:
            is_settled = _deleted(item, unchanged)
        else:
            clean = [LedgerItem.dirty_bucket.remove(), LedgerItem.dirty_since.remove()]
            is_settled = _updated(item, [LedgerItem.acknowledged.set(packed), *clean], unchanged)
        if not is_settled:
            _updated(item, [LedgerItem.acknowledged.set(packed)], LedgerItem.pk.exists())

    def attempt(self, rows: Sequence[LedgerRow]) -> None:
        lane = _lane_of(rows[0])
        attempts = self._attempts(lane)
        for row in rows:
            attempts[row.mpid] = union(attempts.get(row.mpid), row.desired or Target()) or Target()
        self._save_attempts(lane, attempts)

    def settle(self, rows: Sequence[LedgerRow]) -> None:
        lane = _lane_of(rows[0])
        attempts = self._attempts(lane)
        for row in rows:
            attempts.pop(row.mpid, None)
        self._save_attempts(lane, attempts)

    def rows(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, cursor: str | None, limit: int
    ) -> Page[LedgerRow]:
        lane = _lane(account_id, connection_id, bucket)
        attempts = self._attempts(lane)
        items = self._items.query(
            lane,
            LedgerItem.sk >= _FIRST_ROW,
            limit=limit,
            last_evaluated_key=cursors.decode(cursor),
            consistent_read=True,
        )
        found = tuple(_row(item, attempts) for item in items)
        return Page(found, cursors.encode(items.last_evaluated_key))

    def dirty_buckets(self, older_than_ms: int) -> Sequence[WakeUp]:
        """Also takes the marks off lanes that nobody marked since that instant and that have nothing dirty."""
        found = []
        for mark in self._marks(older_than_ms):
            oldest = next(iter(self._items.dirty.query(mark.pk, limit=1)), None)
            if oldest is not None and oldest.dirty_since <= older_than_ms:
                found.append(_wake_up(mark.pk))
            elif oldest is None and mark.marked_at <= older_than_ms:
                _deleted(mark, LedgerItem.marked_at == mark.marked_at)
        return found

    def delete_connection_rows(self, account_id: AccountId, connection_id: ConnectionId) -> None:
        with self._items.batch_write() as batch:
            for bucket in range(DELIVERY_BUCKETS):
                for item in self._items.query(_lane(account_id, connection_id, bucket), consistent_read=True):
                    batch.delete(item)

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
        self._items(lane, _MARK).update(changes)
        self._marked[lane] = now_ms

    def _marks(self, older_than_ms: int) -> Iterator[LedgerItem]:
        for shard in range(_MARK_SHARDS):
            yield from self._items.dirty.query(f"lanes#{shard:02d}", DirtyIndex.dirty_since <= older_than_ms)

    def _attempts(self, lane: str) -> dict[Mpid, Target]:
        try:
            item = self._items.get(lane, _ATTEMPTS, consistent_read=True)
        except DoesNotExist:
            return {}
        return unpack_attempts(item.attempts)

    def _save_attempts(self, lane: str, attempts: dict[Mpid, Target]) -> None:
        """One worker at a time serves a lane, so nobody writes in between."""
        if attempts:
            self._items(lane, _ATTEMPTS, attempts=pack_attempts(attempts)).save()
        else:
            self._items(lane, _ATTEMPTS).delete()


def _updated(item: LedgerItem, changes: list[Action], condition: Condition) -> bool:
    try:
        item.update(changes, condition)
    except UpdateError as error:
        if is_condition_failure(error):
            return False
        raise
    return True


def _deleted(item: LedgerItem, condition: Condition) -> bool:
    try:
        item.delete(condition)
    except DeleteError as error:
        if is_condition_failure(error):
            return False
        raise
    return True


def _lane(account_id: AccountId, connection_id: ConnectionId, bucket: int) -> str:
    return f"{account_id}#{connection_id}#{bucket:02d}"


def _lane_of(row: LedgerRow) -> str:
    return _lane(row.account_id, row.connection_id, delivery_bucket_of(row.mpid))


def _wake_up(lane: str) -> WakeUp:
    account, connection, bucket = lane.split("#")
    return WakeUp(AccountId(int(account)), ConnectionId(connection), int(bucket))


def _row(item: LedgerItem, attempts: dict[Mpid, Target]) -> LedgerRow:
    account, connection, _ = item.pk.split("#")
    mpid = Mpid(int(item.sk))
    return LedgerRow(
        AccountId(int(account)),
        ConnectionId(connection),
        mpid,
        unpack_target(item.desired or _NOBODY),
        int(item.desired_version or 0),
        unpack_target(item.acknowledged or _NOBODY),
        None if item.dirty_since is None else int(item.dirty_since),
        attempts.get(mpid),
    )
