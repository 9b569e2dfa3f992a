"""Criteria that count events, as functions of time.

A leaf is `(view, now) -> (value, until)`: the value holds on [now, until) if nothing happens, all in UTC ms. Instants
are exact, because an event enters a window at `at + newer` and leaves it one millisecond after `at + older`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence

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
from audience_core.evaluation.predicates import Intervals, frequency_test, intersection, is_moving
from audience_core.evaluation.series import Series
from audience_core.evaluation.view import Leaf, View
from audience_core.evaluation.windows import Span, event_span, instants_inside, span_of

# A truth about the events [low, high) of a series at an instant, and until when that range says the same.
type RangeTruth = Callable[[int, int, int], tuple[bool, int]]


def count_leaf(criterion: EventCriterion, series: Series, look_back_ms: int) -> Leaf:
    span, passes = event_span(criterion.window, look_back_ms), frequency_test(criterion.frequency)
    if series.when is not None:
        return moving_leaf(series, span, lambda events: passes(len(events)))
    if is_light(criterion):
        n, is_wanted = threshold(criterion.frequency) or (1, True)
        return _recent_at_least_leaf(series, span.older, n, is_wanted)
    return range_leaf(series, span, lambda _: lambda low, high, _now: (passes(high - low), NEVER))


def is_light(criterion: Criterion) -> bool:
    """Whether it is worked out as fast as it could be remembered: at least, or fewer than, n recent named events."""
    match criterion:
        case EventCriterion(event=event, window=WithinLast(), frequency=frequency) if event.name is not None:
            conditions = (*event.where, *event.products)
            return threshold(frequency) is not None and not any(is_moving(each.test) for each in conditions)
        case _:
            return False


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


def _recent_at_least_leaf(series: Series, older: int, n: int, is_wanted: bool) -> Leaf:
    """At least n in the last `older`: so until the n-th youngest leaves. The commonest leaf, so it has its own.

    Args:
        is_wanted: false for "fewer than n".
    """
    index, track, otherwise = series.index, (series.kind, series.name), (not is_wanted, NEVER)

    def leaf(view: View, now: int) -> tuple[bool, int]:
        instants = view.known_instants.get(index)
        if instants is None:
            if track not in view.timeline:
                return otherwise
            instants = view.instants(series)
        visible = len(instants) if not instants or instants[-1] <= now else bisect_right(instants, now)
        if visible >= n and (leaves := instants[visible - n] + older + 1) > now:
            return is_wanted, leaves
        return otherwise if visible == len(instants) else (not is_wanted, instants[visible])

    return leaf


def range_leaf(series: Series, span: Span, truth_over: Callable[[list[Event]], RangeTruth]) -> Leaf:
    """A truth about the events inside a window, where they are one run of the series.

    Args:
        truth_over: prepares the events once; the result is asked for each run that time makes of them.
    """

    def leaf(view: View, now: int) -> tuple[bool, int]:
        instants, truth = view.instants(series), truth_over(view.events(series))
        runs = _runs(instants, span)
        low, high, turn = runs(now)
        value, until = truth(low, high, now)
        while (at := min(turn, until)) < NEVER:
            low, high, turn = runs(at)
            again, until = truth(low, high, at)
            if again is not value:
                return value, at
        return value, NEVER

    return leaf


def _runs(instants: Sequence[int], span: Span) -> Callable[[int], tuple[int, int, int]]:
    """At an instant: the run [low, high) inside the span, and when it next changes."""
    newer, older = span.newer, span.older
    first, end = bisect_left(instants, span.first), bisect_right(instants, span.last)

    def run(now: int) -> tuple[int, int, int]:
        low, high = bisect_left(instants, now - older, first, end), bisect_right(instants, now - newer, first, end)
        entering = instants[high] + newer if high < end else NEVER
        leaving = instants[low] + older + 1 if low < end else NEVER
        return low, max(low, high), min(entering, leaving)

    return run


def moving_leaf(series: Series, span: Span, holds: Callable[[list[Event]], bool]) -> Leaf:
    """A truth about a series whose conditions move with time themselves: events are looked at one by one."""

    def leaf(view: View, now: int) -> tuple[bool, int]:
        timed = active_intervals(view.events(series), series, span)
        value, at = holds(active(timed, now)), now
        while (at := next_turn(timed, at)) < NEVER:
            if holds(active(timed, at)) is not value:
                return value, at
        return value, NEVER

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


def inside_at(parts: Intervals, now: int) -> tuple[bool, int]:
    """Whether `now` lies in one of the disjoint, ascending intervals, and the next instant at which that changes."""
    for start, end in parts:
        if now < start:
            return False, start
        if now <= end:
            return True, min(end + 1, NEVER)
    return False, NEVER


def occurrence_leaf(criterion: OccurrenceCriterion, series: Series, look_back_ms: int) -> Leaf:
    visible, window = Span(older=look_back_ms), span_of(criterion.window)
    is_first = criterion.which is Occurrence.FIRST

    def truth_of(at: int, now: int) -> tuple[bool, int]:
        inside = instants_inside(window, at)
        return inside_at((inside,) if inside else (), now)

    if series.when is not None:
        return moving_value_leaf(series, visible, lambda events, now: truth_of(events[0 if is_first else -1].at, now))

    def truth_over(events: list[Event]) -> RangeTruth:
        return lambda low, high, now: (
            truth_of(events[low if is_first else high - 1].at, now) if low < high else (False, NEVER)
        )

    return range_leaf(series, visible, truth_over)


def moving_value_leaf(series: Series, span: Span, truth: Callable[[list[Event], int], tuple[bool, int]]) -> Leaf:
    """As `moving_leaf` for a truth that itself moves with time; false while no event counts."""

    def leaf(view: View, now: int) -> tuple[bool, int]:
        timed = active_intervals(view.events(series), series, span)
        events = active(timed, now)
        value, until = truth(events, now) if events else (False, NEVER)
        return value, min(until, next_turn(timed, now))

    return leaf
