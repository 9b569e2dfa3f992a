"""Windows as arithmetic: when, as time passes, an instant lies inside one."""

from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple, assert_never

from audience_core.domain.ids import NEVER
from audience_core.domain.windows import (
    AfterDate,
    BeforeDate,
    BetweenAgo,
    BetweenDates,
    Duration,
    OnDate,
    Unit,
    Window,
    WithinLast,
)
from audience_core.evaluation.values import to_ms

_UNIT_MS = {Unit.MINUTES: 60_000, Unit.HOURS: 3_600_000, Unit.DAYS: 86_400_000, Unit.WEEKS: 604_800_000}


class Span(NamedTuple):
    """The instants `at` with `now - older <= at <= now - newer` and `first <= at <= last`, all UTC ms.

    An unbounded side is -NEVER, NEVER; `is_moving` tells whether the answer depends on `now`.
    """

    newer: int = 0
    older: int = NEVER
    first: int = -NEVER
    last: int = NEVER
    is_moving: bool = True


def milliseconds(duration: Duration) -> int:
    return duration.amount * _UNIT_MS[duration.unit]


def span_of(window: Window) -> Span:
    match window:
        case WithinLast(duration=duration):
            return Span(older=milliseconds(duration))
        case BetweenAgo(older=older, newer=newer):
            return Span(newer=milliseconds(newer), older=milliseconds(older))
        case BeforeDate(date=day):
            return Span(last=_start(day) - 1, is_moving=False)
        case AfterDate(date=day, inclusive=inclusive):
            return Span(first=_start(day) if inclusive else _end(day) + 1, is_moving=False)
        case OnDate(date=day):
            return Span(first=_start(day), last=_end(day), is_moving=False)
        case BetweenDates(start=start, end=end):
            return Span(first=_start(start), last=_end(end), is_moving=False)
        case _:
            assert_never(window)


def event_span(window: Window, look_back_ms: int) -> Span:
    """As `span_of` for events: nothing older than the look-back, nothing in the future."""
    span = span_of(window)
    return span._replace(older=min(span.older, look_back_ms), is_moving=True)


def instants_inside(span: Span, at: int) -> tuple[int, int] | None:
    """The closed interval of `now` in which `at` lies inside the span; None if there is no such now."""
    if not span.first <= at <= span.last:
        return None
    if not span.is_moving:
        return -NEVER, NEVER
    start, end = at + span.newer, at + span.older if span.older < NEVER else NEVER
    return (start, end) if start <= end else None


def _start(day: date) -> int:
    return to_ms(datetime(day.year, day.month, day.day, tzinfo=UTC))


def _end(day: date) -> int:
    return _start(day) + int(timedelta(days=1).total_seconds() * 1000) - 1
