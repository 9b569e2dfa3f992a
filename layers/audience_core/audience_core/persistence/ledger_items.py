"""The items of the delivery ledger: rows, and what each lane (a connection and bucket) keeps beside its rows."""

from collections.abc import Mapping

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import AllProjection, GlobalSecondaryIndex
from pynamodb.models import Model

from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import LedgerRow, Target, delivery_bucket_of, union
from audience_core.persistence.ledger_codec import pack_target, unpack_target

# Sort keys of a lane's own items; both come before every mpid.
NOTES, MARK, FIRST_ROW = "!attempts", "!lane", "-"
_NOBODY = pack_target(None)


class DirtyIndex(GlobalSecondaryIndex["LedgerItem"]):  # type: ignore[no-untyped-call]  # pynamodb's own hook
    """Dirty rows by lane, oldest first; and the marks of lanes, by shard."""

    class Meta:
        index_name = "dirty"
        projection = AllProjection()

    dirty_bucket = UnicodeAttribute(hash_key=True)
    dirty_since = NumberAttribute(range_key=True)


class LedgerItem(Model):
    """A row. Of a lane's own items, the mark has `marked_at`, and a note has `attempts`."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    desired = BinaryAttribute(legacy_encoding=False, null=True)
    desired_version = NumberAttribute(null=True)
    acknowledged = BinaryAttribute(legacy_encoding=False, null=True)
    may_have = BinaryAttribute(legacy_encoding=False, null=True)
    rejected = UnicodeAttribute(null=True)
    doubts = NumberAttribute(null=True)
    dirty_bucket = UnicodeAttribute(null=True)
    dirty_since = NumberAttribute(null=True)
    attempts = BinaryAttribute(legacy_encoding=False, null=True)
    marked_at = NumberAttribute(null=True)
    dirty = DirtyIndex()


def lane_key(account_id: AccountId, connection_id: ConnectionId, bucket: int) -> str:
    return f"{account_id}#{connection_id}#{bucket:02d}"


def lane_of(row: LedgerRow) -> str:
    return lane_key(row.account_id, row.connection_id, delivery_bucket_of(row.mpid))


def wake_up_of(lane: str) -> WakeUp:
    account, connection, bucket = lane.split("#")
    return WakeUp(AccountId(int(account)), ConnectionId(connection), int(bucket))


def row_of(item: LedgerItem, attempts: Mapping[Mpid, Target]) -> LedgerRow:
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
        union(attempts.get(mpid), unpack_target(item.may_have or _NOBODY)),
        item.rejected,
        int(item.doubts or 0),
    )


def undoubted(row: LedgerRow) -> Condition:
    """That nobody has doubted the row since it was read."""
    none: Condition = LedgerItem.pk.exists() & LedgerItem.doubts.does_not_exist()
    as_many: Condition = LedgerItem.doubts == row.doubts
    return as_many if row.doubts else none
