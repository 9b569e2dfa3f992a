"""Criteria that hold for everybody or for nobody, now and ever after, whatever users do."""

from collections.abc import Hashable, Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

from audience_core.domain.definition import (
    AggregateCriterion,
    AggregateFunction,
    AllOf,
    AnyOf,
    CartAbandonmentCriterion,
    Criterion,
    DeviceCriterion,
    EventCriterion,
    EventSelector,
    IdentityCriterion,
    InstallAttributionCriterion,
    LocationCriterion,
    Not,
    OccurrenceCriterion,
    SequenceCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.ids import NEVER
from audience_core.domain.value_tests import Test
from audience_core.domain.windows import Window
from audience_core.evaluation.conflicts import COUNTS, counts, empty, exclusive, impossible
from audience_core.evaluation.predicates import figure_test, frequency_test, holds_when_missing, intersection, union
from audience_core.evaluation.windows import event_span, milliseconds

_OF_NOTHING_ZERO = {AggregateFunction.SUM, AggregateFunction.DISTINCT_COUNT}


class Constant(NamedTuple):
    """Args:
    because: the reason, a clause.
    """

    value: bool
    because: str


_NO_NUMBER = Constant(False, "no number is so")
_TOO_LATE = Constant(False, "what was added has left the time it looks at before it counts as abandoned")


def constant(criterion: Criterion, look_back_ms: int, now: int) -> Constant | None:
    """What a criterion is for every user from `now` (UTC ms) on; None if that depends, or is not known to be so."""
    match criterion:
        case AllOf(criteria=criteria):
            return _of_all(criteria, look_back_ms, now)
        case AnyOf(criteria=criteria):
            return _of_any(criteria, look_back_ms, now)
        case Not(criterion=inner):
            known = constant(inner, look_back_ms, now)
            return Constant(not known.value, known.because) if known else None
        case _:
            return _of_leaf(criterion, look_back_ms, now)


def _of_all(criteria: Sequence[Criterion], look_back_ms: int, now: int) -> Constant | None:
    known = [constant(each, look_back_ms, now) for each in criteria]
    if never := next((each for each in known if each and not each.value), None):
        return never
    if all(known):
        return known[0]
    for one, other in combinations(conjuncts(criteria), 2):
        if _exclude(one, other):
            return Constant(False, "two of its parts exclude each other")
    return None


def _of_any(criteria: Sequence[Criterion], look_back_ms: int, now: int) -> Constant | None:
    known = [constant(each, look_back_ms, now) for each in criteria]
    if always := next((each for each in known if each and each.value), None):
        return always
    if all(known):
        return known[0]
    for one, other in combinations(criteria, 2):
        if _exhaust(one, other):
            return Constant(True, "one of two of its parts always holds")
    return None


def conjuncts(criteria: Sequence[Criterion]) -> Iterator[Criterion]:
    """With those of nested `all_of` in place of it."""
    for each in criteria:
        if isinstance(each, AllOf):
            yield from conjuncts(each.criteria)
        else:
            yield each


def attribute_conflicts(criteria: Sequence[Criterion]) -> Iterator[tuple[Criterion, Criterion]]:
    """Pairs that no single value of a user attribute meets, though a list with different elements does."""
    for one, other in combinations(conjuncts(criteria), 2):
        match one, other:
            case UserAttributeCriterion(), UserAttributeCriterion():
                is_same = (one.attribute, one.level) == (other.attribute, other.level)
                if is_same and exclusive(one.test, other.test):
                    yield one, other
            case _:
                continue


def _of_leaf(criterion: Criterion, look_back_ms: int, now: int) -> Constant | None:
    match criterion:
        case EventCriterion(event=event, window=window, frequency=frequency):
            passing = counts(frequency)
            if not passing or passing == COUNTS:
                return Constant(bool(passing), f"{'every' if passing else 'no'} count is so")
            return _if_blind(frequency_test(frequency)(0), window, [event], look_back_ms, now)
        case AggregateCriterion(event=event, window=window, test=test, function=function):
            if empty(test):
                return _NO_NUMBER
            of_nothing = function in _OF_NOTHING_ZERO and figure_test(test)(0)
            return _if_blind(of_nothing, window, [event], look_back_ms, now)
        case OccurrenceCriterion(event=event, window=window):
            return _if_blind(False, window, [event], look_back_ms, now)
        case SequenceCriterion(steps=steps, window=window):
            return _if_blind(False, window, steps, look_back_ms, now)
        case CartAbandonmentCriterion(window=window, after=after):
            is_too_late = milliseconds(after) > event_span(window, look_back_ms).older
            return _TOO_LATE if is_too_late else _if_blind(False, window, [], look_back_ms, now)
        case _:
            test_of_value = _test_of_value(criterion)
            return _NO_NUMBER if test_of_value and empty(test_of_value) else None


def _test_of_value(criterion: Criterion) -> Test | None:
    match criterion:
        case (
            UserAttributeCriterion(test=test)
            | IdentityCriterion(test=test)
            | DeviceCriterion(test=test)
            | LocationCriterion(test=test)
            | InstallAttributionCriterion(test=test)
        ):
            return test
        case _:
            return None


def _if_blind(
    value: bool, window: Window, events: Sequence[EventSelector], look_back_ms: int, now: int
) -> Constant | None:
    """The value if no event that can still be seen lies in the window, or none of some step can match."""
    span = event_span(window, look_back_ms)
    is_past = span.last < NEVER and span.last + span.older < now
    is_never = any(impossible(event.where) or impossible(event.products) for event in events)
    if span.newer > span.older or is_past or is_never:
        return Constant(value, "the audience never sees such an event in that time")
    return None


def _exclude(one: Criterion, other: Criterion) -> bool:
    """Whether no user meets both."""
    if _are_opposite(one, other):
        return True
    match one, other:
        case EventCriterion(), EventCriterion():
            is_same = (one.event, one.window) == (other.event, other.window)
            return is_same and not intersection(counts(one.frequency), counts(other.frequency))
        case UserAttributeCriterion(), UserAttributeCriterion():
            is_same = (one.attribute, one.level) == (other.attribute, other.level)
            return is_same and holds_when_missing(one.test) is not holds_when_missing(other.test)
        case _:
            mine, yours = _single_value(one), _single_value(other)
            return mine is not None and yours is not None and mine[0] == yours[0] and exclusive(mine[1], yours[1])


def _exhaust(one: Criterion, other: Criterion) -> bool:
    """Whether every user meets one of them."""
    if _are_opposite(one, other):
        return True
    match one, other:
        case EventCriterion(), EventCriterion():
            is_same = (one.event, one.window) == (other.event, other.window)
            return is_same and union([*counts(one.frequency), *counts(other.frequency)]) == COUNTS
        case _:
            return False


def _are_opposite(one: Criterion, other: Criterion) -> bool:
    return (isinstance(one, Not) and one.criterion == other) or (isinstance(other, Not) and other.criterion == one)


def _single_value(criterion: Criterion) -> tuple[Hashable, Test] | None:
    """What is tested where that is never a list: a key that tells it apart, and the test."""
    match criterion:
        case AggregateCriterion(function=function, test=test) if function is not AggregateFunction.AVERAGE:
            return (criterion.event, function, criterion.attribute, criterion.window), test
        case LocationCriterion(field=field, test=test) | InstallAttributionCriterion(field=field, test=test):
            return (criterion.type, field), test
        case _:
            return None
