"""Tests that no value passes both of: what makes a criterion impossible, or another one superfluous."""

from collections.abc import Collection
from itertools import combinations

from audience_core.domain.definition import Compare, CountBetween, Frequency
from audience_core.domain.ids import NEVER
from audience_core.domain.value_tests import (
    BooleanTest,
    Condition,
    MembershipOperator,
    NumberBetweenTest,
    NumberInTest,
    NumberOperator,
    NumberTest,
    StringInTest,
    StringOperator,
    StringTest,
    Test,
)
from audience_core.evaluation.predicates import ALWAYS, Intervals, holds_when_missing, intersection, predicate, union
from audience_core.evaluation.values import micros_of

_NUMBER_TESTS = (NumberTest, NumberInTest, NumberBetweenTest)
COUNTS: Intervals = ((0, NEVER),)


def impossible(conditions: Collection[Condition]) -> bool:
    """Whether no event, or no product, can meet all conditions."""
    return any(empty(each.test) for each in conditions) or any(
        one.attribute == other.attribute and exclusive(one.test, other.test)
        for one, other in combinations(conditions, 2)
    )


def empty(test: Test) -> bool:
    """Whether no value passes."""
    return isinstance(test, _NUMBER_TESTS) and not numbers(test)


def exclusive(one: Test, other: Test) -> bool:
    """Whether no single value (nor its absence) passes both; a list could, with different elements."""
    if holds_when_missing(one) or holds_when_missing(other):
        return holds_when_missing(one) is not holds_when_missing(other)
    if isinstance(one, _NUMBER_TESTS) and isinstance(other, _NUMBER_TESTS):
        return not intersection(numbers(one), numbers(other))
    if isinstance(one, BooleanTest) and isinstance(other, BooleanTest):
        return one.value is not other.value
    return _text_excludes(one, other) or _text_excludes(other, one)


def numbers(test: NumberTest | NumberInTest | NumberBetweenTest) -> Intervals:
    """The numbers that pass, as intervals of millionths."""
    match test:
        case NumberTest(operator=operator, value=value):
            return _compared(operator, _micros(value))
        case NumberBetweenTest(min=low, max=high):
            return ((_micros(low), _micros(high)),) if low <= high else ()
        case NumberInTest(operator=operator, values=values):
            points = union([(_micros(each), _micros(each)) for each in values])
            return points if operator is MembershipOperator.IN_LIST else _complement(points)


def counts(frequency: Frequency) -> Intervals:
    """The counts that pass."""
    match frequency:
        case CountBetween(min=low, max=high):
            passing: Intervals = ((low, high),) if low <= high else ()
        case Compare(operator=operator, value=value):
            passing = _compared(operator, value)
    return intersection(COUNTS, passing)


def _compared(operator: NumberOperator, value: int) -> Intervals:
    match operator:
        case NumberOperator.EQUALS:
            return ((value, value),)
        case NumberOperator.NOT_EQUALS:
            return _complement(((value, value),))
        case NumberOperator.GREATER_THAN:
            return ((value + 1, NEVER),)
        case NumberOperator.GREATER_OR_EQUAL:
            return ((value, NEVER),)
        case NumberOperator.LESS_THAN:
            return ((-NEVER, value - 1),)
        case NumberOperator.LESS_OR_EQUAL:
            return ((-NEVER, value),)


def _complement(parts: Intervals) -> Intervals:
    gaps = ALWAYS
    for start, end in parts:
        gaps = intersection(gaps, ((-NEVER, start - 1), (end + 1, NEVER)))
    return gaps


def _text_excludes(one: Test, other: Test) -> bool:
    """Whether `one` names the texts that pass, and `other` refuses them all."""
    if not isinstance(other, StringTest | StringInTest):
        return False
    match one:
        case StringTest(operator=StringOperator.EQUALS, value=value):
            return not predicate(other)(value)
        case StringInTest(operator=MembershipOperator.IN_LIST, values=values):
            return not any(map(predicate(other), values))
        case _:
            return False


def _micros(value: float) -> int:
    return micros_of(value) or 0
