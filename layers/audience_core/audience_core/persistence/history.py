"""Joins and leaves in DynamoDB: a row for each, by profile, and logs that hold many in an item, by time."""

import struct
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import batched, groupby

from pynamodb.attributes import BinaryAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DeleteError, PutError
from pynamodb.models import Model

from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import Page
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

_READ_AT_ONCE = 200
# Later than everything that begins with the same text.
_END = "~"
# Entries of a log's item are of one slot, so that whoever looks for an instant knows where.
SLOT_MS = 600_000
_REASONS = tuple(Reason)
# Instant in its slot, mpid, version, reason and direction.
LOG_ENTRY = struct.Struct(">IqQB")
_SEQUENCE_DIGITS = 40
# An item has at most 400 KB.
_ENTRIES_OF_AN_ITEM = 8000


class HistoryItem(Model):
    """A change: `sk` is its profile, instant and version, `what` + or - and the reason.

    The keys are made of what the profile item says, so that a record that comes again writes the same item again.
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    what = UnicodeAttribute()
    ttl = NumberAttribute()


class LogItem(Model):
    """Changes of one audience and slot: `sk` is the slot and the number of the first record among them.

    One that comes again with the same record in front has the others, too, or those come after it in an item of their
    own: so nothing is lost, and what is there twice is read once.
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    entries = BinaryAttribute(legacy_encoding=False)
    ttl = NumberAttribute()


class DynamoHistoryStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._rows = bind(HistoryItem, table_name, region)
        self._logs = bind(LogItem, table_name, region)

    def record(self, account_id: AccountId, entries: Sequence[HistoryEntry], retention_days: int) -> None:
        rows = {(row.pk, row.sk): row for row in (self._row(account_id, each, retention_days) for each in entries)}
        with self._rows.batch_write() as batch:
            for row in rows.values():
                batch.save(row)

    def log(self, account_id: AccountId, entries: Sequence[tuple[str, HistoryEntry]], retention_days: int) -> None:
        slots: dict[tuple[AudienceId, int], list[tuple[str, HistoryEntry]]] = defaultdict(list)
        for sequence, entry in entries:
            slots[entry.audience_id, entry.at // SLOT_MS].append((sequence, entry))
        with self._logs.batch_write() as batch:
            for (audience_id, slot), of_slot in slots.items():
                ttl = ((slot + 1) * SLOT_MS + retention_days * DAY_MS) // 1000
                for number, some in enumerate(batched(of_slot, _ENTRIES_OF_AN_ITEM, strict=False)):
                    sk = f"{_slot(slot)}#{some[0][0]:0>{_SEQUENCE_DIGITS}}#{number}"
                    packed = _packed(entry for _, entry in some)
                    batch.save(self._logs(_log(account_id, audience_id), sk, entries=packed, ttl=ttl))

    def newest(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        """A cursor is the position of the first entry of its page, which is unique in the audience."""
        up_to = LogItem.sk < _slot(int(cursor.split("#")[0]) // SLOT_MS + 1) if cursor else None
        found: list[HistoryEntry] = []
        rows = self._logs.query(
            _log(account_id, audience_id),
            up_to,
            consistent_read=True,
            scan_index_forward=False,
            page_size=_READ_AT_ONCE,
        )
        for _, of_slot in groupby(rows, key=_slot_of):
            entries = {_position(entry): entry for item in of_slot for entry in _entries(item)}
            found += [entries[each] for each in sorted(entries, reverse=True) if cursor is None or each <= cursor]
            if len(found) > limit:
                break
        return Page(tuple(found[:limit]), _position(found[limit]) if len(found) > limit else None)

    def unlogged(self, account_id: AccountId, entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
        slots: dict[tuple[AudienceId, int], list[HistoryEntry]] = defaultdict(list)
        for entry in entries:
            slots[entry.audience_id, entry.at // SLOT_MS].append(entry)
        missing: list[HistoryEntry] = []
        for (audience_id, slot), of_slot in slots.items():
            items = self._of_slot(_log(account_id, audience_id), slot)
            logged = {_position(each) for item in items for each in _entries(item)}
            missing += [each for each in of_slot if _position(each) not in logged]
        return missing

    def of_profile(
        self, account_id: AccountId, audience_id: AudienceId, mpid: Mpid, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        pk = _partition(account_id, audience_id, bucket_of(mpid))
        whose = HistoryItem.sk.between(f"{mpid}#", cursor or f"{mpid}#{_END}")
        rows = self._rows.query(pk, whose, consistent_read=True, scan_index_forward=False, limit=limit + 1)
        found = list(rows)
        return Page(tuple(map(_entry, found[:limit])), found[limit].sk if len(found) > limit else None)

    def by_profile(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None
    ) -> Iterator[HistoryEntry]:
        later = None if after is None else HistoryItem.sk > f"{after}#{_END}"
        pk = _partition(account_id, audience_id, bucket)
        return map(_entry, self._rows.query(pk, later, consistent_read=True, page_size=_READ_AT_ONCE))

    def forget(self, account_id: AccountId, audience_id: AudienceId, mpid: Mpid) -> int:
        """Remove a profile from the rows and the log; of how many rows. Afterwards nobody may write more of it."""
        pk = _partition(account_id, audience_id, bucket_of(mpid))
        rows = list(self._rows.query(pk, HistoryItem.sk.between(f"{mpid}#", f"{mpid}#{_END}"), consistent_read=True))
        # The rows go last: they say where in the log to look.
        for slot in {_entry(row).at // SLOT_MS for row in rows}:
            self._scrub(_log(account_id, audience_id), slot, mpid)
        with self._rows.batch_write() as batch:
            for row in rows:
                batch.delete(row)
        return len(rows)

    def _scrub(self, pk: str, slot: int, mpid: Mpid) -> None:
        """Items are read again until none has the profile: others are scrubbed of other profiles at the same time."""
        while held := [item for item in self._of_slot(pk, slot) if any(e.mpid == mpid for e in _entries(item))]:
            for item in held:
                self._replace(item, [entry for entry in _entries(item) if entry.mpid != mpid])

    def _of_slot(self, pk: str, slot: int) -> Iterable[LogItem]:
        return self._logs.query(pk, LogItem.sk.startswith(f"{_slot(slot)}#"), consistent_read=True)

    def _replace(self, item: LogItem, entries: Collection[HistoryEntry]) -> None:
        unchanged = LogItem.entries == item.entries
        try:
            if entries:
                self._logs(item.pk, item.sk, entries=_packed(entries), ttl=item.ttl).save(condition=unchanged)
            else:
                item.delete(condition=unchanged)
        except (PutError, DeleteError) as error:
            if not is_condition_failure(error):
                raise

    def _row(self, account_id: AccountId, entry: HistoryEntry, retention_days: int) -> HistoryItem:
        return self._rows(
            _partition(account_id, entry.audience_id, bucket_of(entry.mpid)),
            f"{entry.mpid}#{entry.at:014d}#{entry.version:010d}",
            what=("+" if entry.is_member else "-") + entry.reason,
            ttl=(entry.at + retention_days * DAY_MS) // 1000,
        )


def _partition(account_id: AccountId, audience_id: AudienceId, bucket: int) -> str:
    return f"{account_id}#{audience_id}#{bucket:02d}"


def _log(account_id: AccountId, audience_id: AudienceId) -> str:
    return f"{account_id}#{audience_id}#log"


def _slot(slot: int) -> str:
    return f"{slot:010d}"


def _slot_of(item: LogItem) -> int:
    return int(item.sk.split("#")[0])


def _position(entry: HistoryEntry) -> str:
    return f"{entry.at:014d}#{entry.mpid}#{entry.version:010d}"


def _packed(entries: Iterable[HistoryEntry]) -> bytes:
    codes = ((each, 2 * _REASONS.index(each.reason) + each.is_member) for each in entries)
    return b"".join(LOG_ENTRY.pack(each.at % SLOT_MS, each.mpid, each.version, code) for each, code in codes)


def _entries(item: LogItem) -> Iterator[HistoryEntry]:
    audience_id, start = AudienceId(int(item.pk.split("#")[1])), _slot_of(item) * SLOT_MS
    for offset, mpid, version, code in LOG_ENTRY.iter_unpack(item.entries):
        yield HistoryEntry(audience_id, Mpid(mpid), bool(code % 2), start + offset, _REASONS[code // 2], version)


def _entry(row: HistoryItem) -> HistoryEntry:
    mpid, at, version = row.sk.split("#")
    return HistoryEntry(
        AudienceId(int(row.pk.split("#")[1])),
        Mpid(int(mpid)),
        is_member=row.what[0] == "+",
        at=int(at),
        reason=Reason(row.what[1:]),
        version=int(version),
    )
