"""The delivery ledger in memory, for tests."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import LedgerRow, Target, delivery_bucket_of, union
from audience_core.domain.stores import Page

type _Key = tuple[AccountId, ConnectionId, Mpid]


class MemoryLedgerStore:
    def __init__(self) -> None:
        self._rows: dict[_Key, LedgerRow] = {}
        # What a row keeps of its own, and what is noted in its lane, of what the partner may have been told.
        self._may_have: dict[_Key, Target] = {}
        self._attempts: dict[_Key, Target] = {}

    def desire(
        self,
        account_id: AccountId,
        connection_id: ConnectionId,
        mpid: Mpid,
        desired: Target | None,
        version: int,
        now_ms: int,
    ) -> bool:
        key = (account_id, connection_id, mpid)
        row = self._rows.get(key)
        if row is None:
            if desired is not None:
                self._rows[key] = LedgerRow(account_id, connection_id, mpid, desired, version, None, now_ms)
            return desired is not None
        if row.desired_version <= version:
            if row.desired != desired:
                row = replace(row, dirty_since=row.dirty_since or now_ms, rejected=None)
            self._rows[key] = replace(row, desired=desired, desired_version=version)
        return self._rows[key].dirty_since is not None

    def dirty(self, account_id: AccountId, connection_id: ConnectionId, bucket: int, limit: int) -> Sequence[LedgerRow]:
        rows = [row for row in self._lane(account_id, connection_id, bucket) if row.dirty_since is not None]
        if not rows:
            lane = (account_id, connection_id, bucket)
            self._attempts = {key: each for key, each in self._attempts.items() if _lane_of(key) != lane}
        return sorted(rows, key=lambda row: row.dirty_since or 0)[:limit]

    def acknowledge(self, rows: Sequence[LedgerRow]) -> None:
        for row in rows:
            self._acknowledge(row)

    def _acknowledge(self, row: LedgerRow) -> None:
        stored = self._rows.get(_key(row))
        if stored is None:
            return
        is_undoubted = stored.doubts == row.doubts
        if is_undoubted:
            self._may_have.pop(_key(row), None)
        if stored.desired != row.desired or not is_undoubted:
            self._rows[_key(row)] = replace(stored, acknowledged=row.desired)
        elif row.desired is None:
            del self._rows[_key(row)]
        else:
            self._rows[_key(row)] = replace(stored, acknowledged=row.desired, dirty_since=None, rejected=None)

    def reject(self, row: LedgerRow, reason: str, may_have: Target | None) -> None:
        stored = self._rows.get(_key(row))
        if stored is None:
            return
        if stored.desired != row.desired or stored.doubts != row.doubts:
            if may_have is not None:
                self.doubt(*_key(row), may_have, row.dirty_since or 0)
            return
        self._rows[_key(row)] = replace(stored, dirty_since=None, rejected=reason)
        self._may_have.pop(_key(row), None)
        if may_have is not None:
            self._may_have[_key(row)] = may_have

    def doubt(self, account_id: AccountId, connection_id: ConnectionId, mpid: Mpid, told: Target, now_ms: int) -> bool:
        key = (account_id, connection_id, mpid)
        stored = self._rows.get(key)
        if stored is None:
            return False
        self._may_have[key] = union(self._may_have.get(key), told) or told
        since = stored.dirty_since or now_ms
        self._rows[key] = replace(stored, doubts=stored.doubts + 1, dirty_since=since, rejected=None)
        return True

    def attempt(self, rows: Sequence[LedgerRow]) -> None:
        for row in rows:
            self._attempts[_key(row)] = union(self._attempts.get(_key(row)), row.desired or Target()) or Target()

    def settle(self, rows: Sequence[LedgerRow]) -> None:
        for row in rows:
            self._attempts.pop(_key(row), None)

    def find(
        self, account_id: AccountId, connection_id: ConnectionId, mpids: Collection[Mpid]
    ) -> dict[Mpid, LedgerRow]:
        keys = {(account_id, connection_id, mpid) for mpid in mpids} & self._rows.keys()
        return {key[2]: replace(self._rows[key], attempted=self._may_have.get(key)) for key in keys}

    def rows(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, cursor: str | None, limit: int
    ) -> Page[LedgerRow]:
        rows = sorted(self._lane(account_id, connection_id, bucket), key=lambda row: str(row.mpid))
        left = [row for row in rows if cursor is None or str(row.mpid) > cursor]
        return Page(tuple(left[:limit]), str(left[limit - 1].mpid) if len(left) > limit else None)

    def rows_after(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[LedgerRow]:
        rows = sorted(self._lane(account_id, connection_id, bucket), key=lambda row: str(row.mpid))
        return [row for row in rows if after is None or str(row.mpid) > str(after)][:limit]

    def dirty_lanes(self, older_than_ms: int) -> Mapping[WakeUp, int]:
        found: dict[WakeUp, int] = {}
        for row in self._rows.values():
            if row.dirty_since is not None and row.dirty_since <= older_than_ms:
                lane = WakeUp(row.account_id, row.connection_id, delivery_bucket_of(row.mpid))
                found[lane] = min(found.get(lane, row.dirty_since), row.dirty_since)
        return found

    def delete_connection_rows(self, account_id: AccountId, connection_id: ConnectionId) -> None:
        for known in (self._rows, self._may_have, self._attempts):
            for key in [key for key in known if key[:2] == (account_id, connection_id)]:
                del known[key]

    def _lane(self, account_id: AccountId, connection_id: ConnectionId, bucket: int) -> list[LedgerRow]:
        return [
            replace(row, attempted=union(self._attempts.get(key), self._may_have.get(key)))
            for key, row in self._rows.items()
            if key[:2] == (account_id, connection_id) and delivery_bucket_of(row.mpid) == bucket
        ]


def _lane_of(key: _Key) -> tuple[AccountId, ConnectionId, int]:
    return *key[:2], delivery_bucket_of(key[2])


def _key(row: LedgerRow) -> _Key:
    return row.account_id, row.connection_id, row.mpid
