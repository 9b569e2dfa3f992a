"""Time is an event: profiles whose next instant of change comes are sent through the pipeline."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from audience_core.domain.messages import Due
from audience_core.domain.profile import DUE_SHARDS, Profile
from audience_core.domain.stores import MarkStore, ProfileStore, ReevaluationQueue

# A run looks so far ahead that one run may fail to come. What is queued is hidden until it is due.
LOOK_AHEAD_MS = 150_000
# What falls due sooner than this is queued by whoever sees it written: runs may have passed it, and the index is late.
SOON_MS = LOOK_AHEAD_MS + 60_000
# When next to nothing waits, profiles overdue for so long were lost: they are queued again, at most so often.
LOST_AFTER_MS = 120_000
SEARCH_EVERY_MS = 600_000
_QUIET_MESSAGES = 20
_PAGE = 2000
_MARK = "reevaluate_due"


@dataclass(frozen=True, slots=True)
class DueRun:
    """What one run found.

    Args:
        queued: profiles queued for their next instant; `recovered`: lost ones that were queued again.
        lag_ms: since when the one waiting longest has been due; 0 when nobody waits.
        is_cut: time was over before everything was queued; the next run goes on from there.
    """

    queued: int
    recovered: int
    lag_ms: int
    is_cut: bool


class _Place(NamedTuple):
    """How far a shard is queued: all up to `after`, and of what follows up to `until` the pages before `cursor`."""

    after: int = 0
    until: int = 0
    cursor: str | None = None


def reevaluate_due(
    profiles: ProfileStore, marks: MarkStore, queue: ReevaluationQueue, clock: Callable[[], int], until_ms: int
) -> DueRun:
    """Queue every profile that falls due before the next runs, each once, however long it then waits in the queue.

    Args:
        until_ms: no page is begun after this instant (UTC ms).
    """
    now_ms = clock()
    mark = json.loads(marks.get(_MARK) or "{}")
    searched, lag_ms = mark.get("searched", now_ms), _lag_ms(profiles, now_ms)
    is_quiet = now_ms >= searched + SEARCH_EVERY_MS and queue.waiting() < _QUIET_MESSAGES
    run = _Run(profiles, queue, clock, until_ms)
    places = [_Place(*place) for place in mark.get("places", [()] * DUE_SHARDS)]
    places = [run.queue_up_to(shard, place, now_ms + LOOK_AHEAD_MS) for shard, place in enumerate(places)]
    queued = run.queued
    if is_quiet:
        searched = now_ms
        for shard in range(DUE_SHARDS):
            run.queue_up_to(shard, _Place(), now_ms - LOST_AFTER_MS)
    marks.put(_MARK, json.dumps({"searched": searched, "places": places}))
    return DueRun(queued, run.queued - queued, lag_ms, run.is_cut)


class _Run:
    """One run, until its time is over."""

    def __init__(
        self, profiles: ProfileStore, queue: ReevaluationQueue, clock: Callable[[], int], until_ms: int
    ) -> None:
        self._profiles, self._queue, self._clock, self._until_ms = profiles, queue, clock, until_ms
        self.queued, self.is_cut = 0, False

    def queue_up_to(self, shard: int, place: _Place, horizon: int) -> _Place:
        """Queue what falls due up to an instant (UTC ms), page by page; how far it came."""
        while place.after < horizon:
            if self._clock() >= self._until_ms:
                self.is_cut = True
                break
            if place.cursor is None:
                place = _Place(place.after, horizon)
            page = self._profiles.due(shard, *place, _PAGE)
            self._queue.send(page.items, self._clock())
            self.queued += len(page.items)
            place = place._replace(cursor=page.next) if page.next else _Place(place.until, place.until)
        return place


def _lag_ms(profiles: ProfileStore, now_ms: int) -> int:
    first = (profiles.due(shard, 0, now_ms, None, 1).items for shard in range(DUE_SHARDS))
    return now_ms - min((due.at for items in first for due in items), default=now_ms)


def due_soon(old: Profile | None, new: Profile | None, now_ms: int) -> Iterator[Due]:
    """A profile that a write made fall due so soon that the runs may miss it."""
    if new is not None and new.due_at < now_ms + SOON_MS and (old is None or old.due_at != new.due_at):
        yield Due(new.account_id, new.mpid, new.due_at)
