"""Criteria that count events, as functions of time.

A leaf is `(view, now) -> answer` (`answers.py`), instants in UTC ms. They are exact, because an event enters a window
at `at + newer` and leaves it one millisecond after `at + older`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Hashable, Sequence

from audience_core.domain.definition import (
    Compare,
    Criterion,
    EventCriterion,
    Frequency,
    Occurrence,
    OccurrenceCriterion,
)
from audience_core.domain.event import Event
from audience_core.domain.ids import NEVER
from audience_core.domain.value_tests import NumberOperator
from audience_core.domain.windows import WithinLast
from audience_core.evaluation.answers import bound, exact
from audience_core.evaluation.moment import Recent, at_least
from audience_core.evaluation.predicates import Intervals, frequency_test, inside_at, intersection
from audience_core.evaluation.series import Series
from audience_core.evaluation.view import Leaf, View
from audience_core.evaluation.windows import Span, event_span, instants_inside, span_of

# A truth about the events [low, high) of a series at an instant, and until when that range says the same. The first
# argument is what was prepared of all events of the series.
type RangeTruth[T] = Callable[[T, int, int, int], tuple[bool, int]]


def count_leaf(criterion: EventCriterion, series: Series, look_back_ms: int) -> Leaf:
    span, passes = event_span(criterion.window, look_back_ms), frequency_test(criterion.frequency)
    if series.when is not None:
        return moving_leaf(series, span, lambda events: passes(len(events)))
    return range_leaf(series, span, len, lambda _, low, high, _now: (passes(high - low), NEVER))


def recent(criterion: Criterion, series: Series, look_back_ms: int) -> Recent | None:
    """The criterion as the commonest kind, if it is one."""
    match criterion:
        case EventCriterion(window=WithinLast(), frequency=frequency) if series.when is None:
            limit = threshold(frequency)
            older = event_span(criterion.window, look_back_ms).older
            return Recent(series, limit[0], older, 1 if limit[1] else -1) if limit else None
        case _:
            return None


def threshold(frequency: Frequency) -> tuple[int, bool] | None:
    """(n, True) when the frequency means "at least n", (n, False) when it means "fewer than n", for n above 0."""
    match frequency:
        case Compare(operator=NumberOperator.GREATER_THAN, value=value):
            return value + 1, True
        case Compare(operator=NumberOperator.GREATER_OR_EQUAL, value=value) if value > 0:
            return value, True
        case Compare(operator=NumberOperator.LESS_THAN, value=value) if value > 0:
            return value, False
        case Compare(operator=NumberOperator.LESS_OR_EQUAL, value=value):
            return value + 1, False
        case _:
            return None


def recent_leaf(criterion: Recent) -> Leaf:
    """For where it stands alone."""
    series, n, older, sign = criterion.series, criterion.n, criterion.older, criterion.sign
    return lambda view, now: sign * at_least(view.instants(series), n, older, now)


def range_leaf[T](
    series: Series, span: Span, prepare: Callable[[list[Event]], T], truth: RangeTruth[T], key: Hashable = None
) -> Leaf:
    """A truth about the events inside a window, where they are one run of the series.

    Args:
        prepare: is given all events of the series once; `truth` is asked for each run that time makes of them.
        key: leaves of one series and key share what is prepared; None: this one prepares for itself.
    """
    key = (series.index, key) if key is not None else object()
    blank = exact(truth(prepare([]), 0, 0, 0)[0], NEVER)
    newer, older = span.newer, span.older
    is_bounded = span.first > -NEVER or span.last < NEVER

    def leaf(view: View, now: int) -> int:
        events = view.events(series)
        if not events:
            return blank
        prepared, instants = view.once(key, lambda: prepare(events)), view.instants(series)
        first, end, at = 0, len(instants), now
        if is_bounded:
            first, end = bisect_left(instants, span.first), bisect_right(instants, span.last)
        value = None
        while at < NEVER:
            low, high = bisect_left(instants, at - older, first, end), bisect_right(instants, at - newer, first, end)
            again, until = truth(prepared, low, max(low, high), at)
            if value is None:
                value = again
            elif again is not value:
                return exact(value, at)
            entering = instants[high] + newer if high < end else NEVER
            leaving = instants[low] + older + 1 if low < end else NEVER
            at = min(entering, leaving, until)
        return exact(bool(value), NEVER)

    return leaf


def moving_leaf(series: Series, span: Span, holds: Callable[[list[Event]], bool]) -> Leaf:
    """A truth about a series whose conditions move with time themselves: events are looked at one by one."""

    def leaf(view: View, now: int) -> int:
        timed = active_intervals(view.events(series), series, span)
        value, at = holds(active(timed, now)), now
        while (at := next_turn(timed, at)) < NEVER:
            if holds(active(timed, at)) is not value:
                return exact(value, at)
        return exact(value, NEVER)

    return leaf


def active_intervals(events: Sequence[Event], series: Series, span: Span) -> list[tuple[Event, Intervals]]:
    """Each event with the instants at which it counts; events that never do are left out."""
    timed = []
    for event in events:
        inside = instants_inside(span, event.at)
        if inside is None:
            continue
        counted = (inside,) if series.when is None else intersection((inside,), series.when(event))
        if counted:
            timed.append((event, counted))
    return timed


def active(timed: Sequence[tuple[Event, Intervals]], now: int) -> list[Event]:
    return [event for event, counted in timed if any(start <= now <= end for start, end in counted)]


def next_turn(timed: Sequence[tuple[Event, Intervals]], now: int) -> int:
    """The next instant after `now` at which some event starts or ceases to count."""
    turns = (turn for _, counted in timed for start, end in counted for turn in (start, end + 1) if turn > now)
    return min(turns, default=NEVER)


def occurrence_leaf(criterion: OccurrenceCriterion, series: Series, look_back_ms: int) -> Leaf:
    visible, window = Span(older=look_back_ms), span_of(criterion.window)
    is_first = criterion.which is Occurrence.FIRST

    def truth_of(at: int, now: int) -> tuple[bool, int]:
        inside = instants_inside(window, at)
        return inside_at((inside,) if inside else (), now)

    if series.when is not None:
        return moving_value_leaf(series, visible, lambda events, now: truth_of(events[0 if is_first else -1].at, now))

    def truth_of_run(events: list[Event], low: int, high: int, now: int) -> tuple[bool, int]:
        return truth_of(events[low if is_first else high - 1].at, now) if low < high else (False, NEVER)

    return range_leaf(series, visible, list, truth_of_run)


def moving_value_leaf(series: Series, span: Span, truth: Callable[[list[Event], int], tuple[bool, int]]) -> Leaf:
    """As `moving_leaf` for a truth that itself moves with time; false while no event counts."""

    def leaf(view: View, now: int) -> int:
        timed = active_intervals(view.events(series), series, span)
        events = active(timed, now)
        value, until = truth(events, now) if events else (False, NEVER)
        return bound(value, min(until, next_turn(timed, now)))

    return leaf
