"""Members found by calculations, in memory."""

from collections.abc import Sequence
from struct import iter_unpack

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.results import FoundMembers, FoundShard, rows_of
from audience_core.domain.stores import Page
from audience_core.errors import NotFoundError

_GONE = "the members that were found are not kept any more"


class MemoryResultStore:
    def __init__(self) -> None:
        self._put: dict[tuple[AccountId, str, int], FoundMembers] = {}
        self._shards: dict[tuple[AccountId, AudienceId, str], list[int]] = {}

    def put(self, account_id: AccountId, calculation_id: str, shard: int, found: FoundMembers) -> None:
        self._put[account_id, calculation_id, shard] = found

    def commit(self, account_id: AccountId, calculation_id: str, shards: Sequence[FoundShard]) -> None:
        for audience_id in {each for shard in shards for each in shard.counts}:
            self._shards[account_id, audience_id, calculation_id] = [shard.number for shard in shards]

    def expire(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> None:
        """As the bucket's rule does after a time."""
        del self._shards[account_id, audience_id, calculation_id]

    def page(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, cursor: str | None, limit: int
    ) -> Page[Mpid]:
        shards = self.shards(account_id, audience_id, calculation_id)
        if not shards:
            raise NotFoundError(_GONE)
        mpids = [mpid for each in shards for mpid in self.of_shard(account_id, audience_id, calculation_id, each, 0)]
        start = int(cursor or 0)
        more = start + limit < len(mpids)
        return Page(tuple(mpids[start : start + limit]), str(start + limit) if more else None)

    def shards(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> Sequence[int]:
        return self._shards.get((account_id, audience_id, calculation_id), [])

    def of_shard(
        self,
        account_id: AccountId,
        audience_id: AudienceId,
        calculation_id: str,
        shard: int,
        start: int,
        limit: int | None = None,
    ) -> Sequence[Mpid]:
        if shard not in self.shards(account_id, audience_id, calculation_id):
            raise NotFoundError(_GONE)
        found = self._put[account_id, calculation_id, shard]
        users = [Mpid(each) for (each,) in iter_unpack(">q", found.users)]
        members = [users[row] for row in rows_of(found.bits[audience_id])]
        return members[start : None if limit is None else start + limit]
