"""Joins and leaves in memory."""

from collections.abc import Iterable, Iterator, Sequence

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import Page

type _Audience = tuple[AccountId, AudienceId]


class MemoryHistoryStore:
    """Keeps everything for ever; `retention_days` is what was asked for last."""

    def __init__(self) -> None:
        self._entries: dict[_Audience, dict[tuple[int, Mpid, int], HistoryEntry]] = {}
        self._logged: dict[_Audience, dict[tuple[int, Mpid, int], HistoryEntry]] = {}
        self.retention_days = 0

    def record(self, account_id: AccountId, entries: Sequence[HistoryEntry], retention_days: int) -> None:
        self.retention_days = retention_days
        for each in entries:
            key = (each.at, each.mpid, each.version)
            self._entries.setdefault((account_id, each.audience_id), {})[key] = each

    def log(self, account_id: AccountId, entries: Sequence[tuple[str, HistoryEntry]], retention_days: int) -> None:
        for _, each in entries:
            key = (each.at, each.mpid, each.version)
            self._logged.setdefault((account_id, each.audience_id), {})[key] = each

    def newest(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        return _page(self._logged.get((account_id, audience_id), {}).values(), cursor, limit)

    def unlogged(self, account_id: AccountId, entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
        logs = self._logged
        return [
            each
            for each in entries
            if (each.at, each.mpid, each.version) not in logs.get((account_id, each.audience_id), {})
        ]

    def of_profile(
        self, account_id: AccountId, audience_id: AudienceId, mpid: Mpid, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        own = [each for each in self._of(account_id, audience_id) if each.mpid == mpid]
        return _page(own, cursor, limit)

    def by_profile(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None
    ) -> Iterator[HistoryEntry]:
        here = [each for each in self._of(account_id, audience_id) if bucket_of(each.mpid) == bucket]
        rest = [each for each in here if after is None or str(each.mpid) > str(after)]
        return iter(sorted(rest, key=lambda each: (str(each.mpid), each.at, each.version)))

    def _of(self, account_id: AccountId, audience_id: AudienceId) -> Iterable[HistoryEntry]:
        return self._entries.get((account_id, audience_id), {}).values()


def _position(entry: HistoryEntry) -> str:
    return f"{entry.at:014d}#{entry.mpid}#{entry.version:010d}"


def _page(entries: Iterable[HistoryEntry], cursor: str | None, limit: int) -> Page[HistoryEntry]:
    found = sorted(entries, key=_position, reverse=True)
    left = [each for each in found if cursor is None or _position(each) <= cursor]
    return Page(tuple(left[:limit]), _position(left[limit]) if len(left) > limit else None)
