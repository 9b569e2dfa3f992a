"""How large an audience was: its size now, walked back through its history."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from itertools import islice

from audience_core.domain.account import Record
from audience_core.domain.control_stores import AudienceStore
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.membership import HistoryEntry
from audience_core.domain.stores import HistoryStore, MembershipStore
from audience_core.evaluation.explanation import moment
from audience_core.evaluation.values import to_ms
from audience_core.management.lifetime import refuse

HOUR_MS = 3_600_000
# Steps of a series, and the span that each fits.
_STEPS = ((2, HOUR_MS), (10, 6 * HOUR_MS), (400, 24 * HOUR_MS))
# As much of a history as one request reads: some two megabytes.
MAX_CHANGES = 20_000
_PAGE = 1000


class SizePoint(Record):
    """Args:
    at: the end of the step; the last one is now.
    size: at that instant; `adds`, `drops`: in the step.
    """

    at: datetime
    size: int
    adds: int
    drops: int


class SizeSeries(Record):
    """Args:
    step_seconds: between points.
    is_complete: false when the history holds too many changes to be walked back so far: the series is shorter.
    """

    step_seconds: int
    is_complete: bool
    points: tuple[SizePoint, ...]


def series(
    audiences: AudienceStore,
    memberships: MembershipStore,
    history: HistoryStore,
    account_id: AccountId,
    audience_id: AudienceId,
    days: int,
    now: datetime,
) -> SizeSeries:
    """The last days of a real-time audience, oldest first.

    Raises:
        NotFoundError: there is no such audience.
        ConflictError: it is a lifetime audience, which has no history.
    """
    audience = audiences.get(account_id, audience_id)
    refuse(audience, "followed over time")
    end, step = to_ms(now), next(length for most, length in _STEPS if days <= most)
    first = (end - days * 24 * HOUR_MS) // step * step
    read = list(islice(_since(history, account_id, audience_id, first), MAX_CHANGES))
    is_complete = len(read) < MAX_CHANGES
    begins = first if is_complete else (read[-1].at // step + 1) * step
    size = memberships.counts(account_id, audience.live_set, end).size
    points = tuple(reversed(list(_walk_back(read, size, begins, end, step))))
    return SizeSeries(step_seconds=step // 1000, is_complete=is_complete, points=points)


def _since(history: HistoryStore, account_id: AccountId, audience_id: AudienceId, first: int) -> Iterator[HistoryEntry]:
    """Newest first."""
    cursor = None
    while True:
        page = history.newest(account_id, audience_id, cursor, _PAGE)
        for entry in page.items:
            if entry.at < first:
                return
            yield entry
        cursor = page.next
        if cursor is None:
            return


def _walk_back(read: list[HistoryEntry], size: int, begins: int, end: int, step: int) -> Iterator[SizePoint]:
    adds: defaultdict[int, int] = defaultdict(int)
    drops: defaultdict[int, int] = defaultdict(int)
    for entry in read:
        (adds if entry.is_member else drops)[entry.at // step * step] += 1
    for start in range(end // step * step, begins - step, -step):
        at = min(start + step, end)
        yield SizePoint(at=moment(at), size=size, adds=adds[start], drops=drops[start])
        size = max(0, size - adds[start] + drops[start])
