"""Aggregate criteria: exact figures over the events of a window, and first and last values."""

from collections.abc import Callable, Sequence
from fractions import Fraction
from itertools import accumulate
from typing import assert_never

from audience_core.domain.definition import AggregateCriterion, AggregateFunction
from audience_core.domain.event import Event, Scalar
from audience_core.domain.ids import NEVER
from audience_core.evaluation.leaves import moving_leaf, moving_value_leaf, range_leaf
from audience_core.evaluation.predicates import Figure, figure_test, inside_at, intervals
from audience_core.evaluation.scope import PRODUCTS
from audience_core.evaluation.series import Series
from audience_core.evaluation.text import fold
from audience_core.evaluation.values import MICROS, micros_of, text_of
from audience_core.evaluation.view import Leaf
from audience_core.evaluation.windows import Span, event_span

type Read = Callable[[Event], list[Scalar]]
# The figure, in millionths, of the events [low, high) of a series; None when there is no value to speak of.
type RangeFigure = Callable[[int, int], Figure | None]

_VALUES = {AggregateFunction.FIRST_VALUE, AggregateFunction.LAST_VALUE}


def aggregate_leaf(criterion: AggregateCriterion, series: Series, look_back_ms: int) -> Leaf:
    span, read = event_span(criterion.window, look_back_ms), reader(criterion.attribute)
    if criterion.function in _VALUES:
        return _value_leaf(criterion, series, span, read)
    passes, over = figure_test(criterion.test), range_figure(criterion.function)

    def prepare(events: list[Event]) -> RangeFigure:
        return over([read(event) for event in events])

    def truth(of_range: RangeFigure, low: int, high: int, _now: int) -> tuple[bool, int]:
        result = of_range(low, high)
        return result is not None and passes(result), NEVER

    if series.when is not None:
        return moving_leaf(series, span, lambda events: truth(prepare(events), 0, len(events), 0)[0])
    return range_leaf(series, span, prepare, truth, key=(criterion.function, criterion.attribute))


def _value_leaf(criterion: AggregateCriterion, series: Series, span: Span, read: Read) -> Leaf:
    truth = _value_truth(criterion, read)
    if series.when is not None:
        return moving_value_leaf(series, span, truth)
    return range_leaf(series, span, list, lambda events, low, high, now: truth(events[low:high], now))


def reader(attribute: str) -> Read:
    """The values an event has for an attribute: none or one, or one per product that has it."""
    if attribute.startswith(PRODUCTS):
        name = attribute.removeprefix(PRODUCTS)
        return lambda event: [product[name] for product in event.products if name in product]
    return lambda event: [event.attributes[attribute]] if attribute in event.attributes else []


def range_figure(function: AggregateFunction) -> Callable[[list[list[Scalar]]], RangeFigure]:
    """Prepares one list of values per event so that the figure of every run of events is cheap."""
    match function:
        case AggregateFunction.SUM:
            return _sums
        case AggregateFunction.AVERAGE:
            return _averages
        case AggregateFunction.MIN:
            return lambda rows: _extremes(rows, min)
        case AggregateFunction.MAX:
            return lambda rows: _extremes(rows, max)
        case AggregateFunction.DISTINCT_COUNT:
            return _distinct_counts
        case AggregateFunction.FIRST_VALUE | AggregateFunction.LAST_VALUE:
            raise TypeError(f"{function} is a value, not a figure")
        case _:
            assert_never(function)


def numbers(values: Sequence[Scalar]) -> list[int]:
    """Those that can be read as numbers, in millionths."""
    return [micros for value in values if (micros := micros_of(value)) is not None]


def _sums(rows: list[list[Scalar]]) -> RangeFigure:
    # Most events have one value, or none.
    sums = ((micros_of(row[0]) or 0) if len(row) == 1 else sum(numbers(row)) for row in rows)
    totals = list(accumulate(sums, initial=0))
    return lambda low, high: totals[high] - totals[low]


def _averages(rows: list[list[Scalar]]) -> RangeFigure:
    totals, found = _sums(rows), [0, *accumulate(len(numbers(row)) for row in rows)]

    def average(low: int, high: int) -> Figure | None:
        count = found[high] - found[low]
        return Fraction(totals(low, high) or 0, count) if count else None

    return average


def _extremes(rows: list[list[Scalar]], choose: Callable[[list[int]], int]) -> RangeFigure:
    """Runs mostly reach to the end, because mostly the oldest events leave: those are worked out beforehand."""
    best = [choose(found) if (found := numbers(row)) else None for row in rows]
    to_end: list[int | None] = [None]
    for each in reversed(best):
        known = [value for value in (each, to_end[-1]) if value is not None]
        to_end.append(choose(known) if known else None)
    to_end.reverse()

    def extreme(low: int, high: int) -> int | None:
        if high == len(best):
            return to_end[low]
        known = [value for value in best[low:high] if value is not None]
        return choose(known) if known else None

    return extreme


def _distinct_counts(rows: list[list[Scalar]]) -> RangeFigure:
    texts = [{fold(text) for value in row if (text := text_of(value)) is not None} for row in rows]
    seen: set[str] = set()
    to_end = [0]
    for each in reversed(texts):
        seen |= each
        to_end.append(len(seen))
    to_end.reverse()
    return lambda low, high: (to_end[low] if high == len(texts) else len(set().union(*texts[low:high]))) * MICROS


def _value_truth(criterion: AggregateCriterion, read: Read) -> Callable[[list[Event], int], tuple[bool, int]]:
    """A test of the first or last value among events, of one event's products in their order; none: false."""
    is_first = criterion.function is AggregateFunction.FIRST_VALUE
    when = intervals(criterion.test)

    def truth(events: list[Event], now: int) -> tuple[bool, int]:
        for event in events if is_first else reversed(events):
            if values := read(event):
                return inside_at(when(values[0 if is_first else -1]), now)
        return False, NEVER

    return truth
