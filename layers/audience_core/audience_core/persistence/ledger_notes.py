"""What each lane is just telling its partner: one note for each batch, written before the send, gone after it.

Only the one worker that serves a lane writes its notes. A note may say too much, never too little.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from audience_core.domain.ids import Mpid
from audience_core.domain.output import LedgerRow, Target, union
from audience_core.persistence.ledger_codec import pack_attempts, unpack_attempts
from audience_core.persistence.ledger_items import NOTES, LedgerItem, lane_of

# An item holds 400 kB.
_MAX_BYTES = 300_000


class LaneNotes:
    def __init__(self, items: type[LedgerItem]) -> None:
        self._items = items

    def of(self, lane: str) -> dict[Mpid, Target]:
        """All that may have been told in the lane with unknown outcome, by member."""
        found: dict[Mpid, Target] = {}
        for item in self._stored(lane):
            for mpid, target in unpack_attempts(item.attempts).items():
                found[mpid] = union(found.get(mpid), target) or target
        return found

    def write(self, rows: Sequence[LedgerRow]) -> None:
        for part in _parts(_told(rows)):
            self._items(lane_of(rows[0]), _name(part), attempts=part).save()

    def remove(self, rows: Sequence[LedgerRow]) -> None:
        """Without reading, if only this batch's own note speaks of the rows."""
        lane, told = lane_of(rows[0]), _told(rows)
        if all(row.attempted is None for row in rows):
            for part in _parts(told):
                self._items(lane, _name(part)).delete()
            return
        self._reduce(lane, lambda mpid: mpid not in told)

    def keep(self, lane: str, mpids: Collection[Mpid]) -> None:
        """Notes speak of these members, and of no others, from now on."""
        self._reduce(lane, lambda mpid: mpid in mpids)

    def _reduce(self, lane: str, is_kept: Callable[[Mpid], bool]) -> None:
        for item in self._stored(lane):
            attempts = unpack_attempts(item.attempts)
            left = {mpid: each for mpid, each in attempts.items() if is_kept(mpid)}
            if left and len(left) < len(attempts):
                self._items(lane, item.sk, attempts=pack_attempts(left)).save()
            elif not left:
                self._items(lane, item.sk).delete()

    def _stored(self, lane: str) -> list[LedgerItem]:
        return list(self._items.query(lane, LedgerItem.sk.startswith(NOTES), consistent_read=True))


def _told(rows: Sequence[LedgerRow]) -> dict[Mpid, Target]:
    return {row.mpid: row.desired or Target() for row in rows}


def _name(note: bytes) -> str:
    """By what it says: a repeat takes the place of the same note, and no other's."""
    return f"{NOTES}#{hashlib.sha256(note).hexdigest()[:32]}"


def _parts(told: Mapping[Mpid, Target]) -> Iterator[bytes]:
    """In as many pieces as it takes for each to fit into an item."""
    packed = pack_attempts(told)
    if len(packed) <= _MAX_BYTES or len(told) == 1:
        yield packed
        return
    entries, half = list(told.items()), len(told) // 2
    yield from _parts(dict(entries[:half]))
    yield from _parts(dict(entries[half:]))
