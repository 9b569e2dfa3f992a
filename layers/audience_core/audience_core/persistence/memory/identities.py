"""Identity rows in memory."""

from collections.abc import Collection, Mapping, Sequence

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.stores import IdentityRow
from audience_core.errors import StaleVersionError

type _Key = tuple[AccountId, Environment, Identity]


class MemoryIdentityStore:
    def __init__(self) -> None:
        self._stored: dict[_Key, IdentityRow] = {}
        self._graves: dict[_Key, int] = {}

    def rows(
        self, account_id: AccountId, environment: Environment, identities: Collection[Identity]
    ) -> dict[Identity, IdentityRow]:
        return {each: self._row((account_id, environment, each)) for each in identities}

    def write(self, account_id: AccountId, environment: Environment, rows: Sequence[IdentityRow]) -> None:
        stale = [row for row in rows if self._row((account_id, environment, row.identity)).version != row.version]
        if stale:
            raise StaleVersionError("an identity was claimed in between")
        for row in rows:
            self._put((account_id, environment, row.identity), row.holders, row.version + 1, row.known)

    def forget(self, account_id: AccountId, environment: Environment, identity: Identity, mpid: Mpid, at: int) -> None:
        key = (account_id, environment, identity)
        row = self._row(key)
        if mpid in row.holders and row.holders[mpid] <= at:
            left = {m: told for m, told in row.holders.items() if m != mpid}
            self._put(key, left, row.version + 1, row.known - {mpid})

    def bury(self, account_id: AccountId, environment: Environment, identities: Collection[Identity], at: int) -> None:
        for each in identities:
            key = (account_id, environment, each)
            self._graves[key] = max(at, self._graves.get(key, at))

    def buried(
        self, account_id: AccountId, environment: Environment, identities: Collection[Identity]
    ) -> dict[Identity, int]:
        keys = {each: (account_id, environment, each) for each in identities}
        return {each: self._graves[key] for each, key in keys.items() if key in self._graves}

    def _row(self, key: _Key) -> IdentityRow:
        return self._stored.get(key) or IdentityRow(key[2], {})

    def _put(self, key: _Key, holders: Mapping[Mpid, int], version: int, known: frozenset[Mpid]) -> None:
        self._stored[key] = IdentityRow(key[2], dict(holders), version, known)
