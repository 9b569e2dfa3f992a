"""Members found by calculations, in memory."""

from collections.abc import Sequence

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.stores import Page
from audience_core.errors import NotFoundError

_GONE = "the members that were found are not kept any more"


class MemoryResultStore:
    def __init__(self) -> None:
        self._found: dict[tuple[AccountId, AudienceId, str], dict[int, tuple[Mpid, ...]]] = {}

    def put(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, shard: int, mpids: Sequence[int]
    ) -> None:
        self._found.setdefault((account_id, audience_id, calculation_id), {})[shard] = tuple(map(Mpid, mpids))

    def page(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, cursor: str | None, limit: int
    ) -> Page[Mpid]:
        found = self._of(account_id, audience_id, calculation_id)
        mpids = [mpid for shard in sorted(found) for mpid in found[shard]]
        start = int(cursor or 0)
        more = start + limit < len(mpids)
        return Page(tuple(mpids[start : start + limit]), str(start + limit) if more else None)

    def shards(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> Sequence[int]:
        return sorted(self._found.get((account_id, audience_id, calculation_id), {}))

    def of_shard(
        self,
        account_id: AccountId,
        audience_id: AudienceId,
        calculation_id: str,
        shard: int,
        start: int,
        limit: int | None = None,
    ) -> Sequence[Mpid]:
        found = self._of(account_id, audience_id, calculation_id)
        if shard not in found:
            raise NotFoundError(_GONE)
        return found[shard][start : None if limit is None else start + limit]

    def _of(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> dict[int, tuple[Mpid, ...]]:
        found = self._found.get((account_id, audience_id, calculation_id))
        if found is None:
            raise NotFoundError(_GONE)
        return found
