"""The delivery ledger in memory, for tests."""

from collections.abc import Sequence
from dataclasses import replace

from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import LedgerRow, Target, delivery_bucket_of, union
from audience_core.domain.stores import Page

type _Key = tuple[AccountId, ConnectionId, Mpid]


class MemoryLedgerStore:
    def __init__(self) -> None:
        self._rows: dict[_Key, LedgerRow] = {}

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
            since = row.dirty_since
            if row.desired != desired and since is None:
                since = now_ms
            self._rows[key] = replace(row, desired=desired, desired_version=version, dirty_since=since)
        return self._rows[key].dirty_since is not None

    def dirty(self, account_id: AccountId, connection_id: ConnectionId, bucket: int, limit: int) -> Sequence[LedgerRow]:
        rows = [row for row in self._lane(account_id, connection_id, bucket) if row.dirty_since is not None]
        return sorted(rows, key=lambda row: row.dirty_since or 0)[:limit]

    def acknowledge(self, row: LedgerRow) -> None:
        stored = self._rows.get(_key(row))
        if stored is None:
            return
        if stored.desired != row.desired:
            self._rows[_key(row)] = replace(stored, acknowledged=row.desired)
        elif row.desired is None:
            del self._rows[_key(row)]
        else:
            self._rows[_key(row)] = replace(stored, acknowledged=row.desired, dirty_since=None)

    def attempt(self, rows: Sequence[LedgerRow]) -> None:
        for row in rows:
            stored = self._rows[_key(row)]
            self._rows[_key(row)] = replace(stored, attempted=union(stored.attempted, row.desired or Target()))

    def settle(self, rows: Sequence[LedgerRow]) -> None:
        for key in {_key(row) for row in rows} & self._rows.keys():
            self._rows[key] = replace(self._rows[key], attempted=None)

    def rows(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, cursor: str | None, limit: int
    ) -> Page[LedgerRow]:
        rows = sorted(self._lane(account_id, connection_id, bucket), key=lambda row: str(row.mpid))
        left = [row for row in rows if cursor is None or str(row.mpid) > cursor]
        return Page(tuple(left[:limit]), str(left[limit - 1].mpid) if len(left) > limit else None)

    def dirty_buckets(self, older_than_ms: int) -> Sequence[WakeUp]:
        old = (row for row in self._rows.values() if row.dirty_since is not None and row.dirty_since <= older_than_ms)
        return list({WakeUp(r.account_id, r.connection_id, delivery_bucket_of(r.mpid)): None for r in old})

    def delete_connection_rows(self, account_id: AccountId, connection_id: ConnectionId) -> None:
        self._rows = {key: row for key, row in self._rows.items() if key[:2] != (account_id, connection_id)}

    def _lane(self, account_id: AccountId, connection_id: ConnectionId, bucket: int) -> list[LedgerRow]:
        return [
            row
            for key, row in self._rows.items()
            if key[:2] == (account_id, connection_id) and delivery_bucket_of(row.mpid) == bucket
        ]


def _key(row: LedgerRow) -> _Key:
    return row.account_id, row.connection_id, row.mpid
