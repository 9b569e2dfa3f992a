"""One meaning of every operator, compiled once per test and used by every evaluator."""

from collections.abc import Callable
from fractions import Fraction
from typing import assert_never

from audience_core.domain.definition import CountBetween, Frequency
from audience_core.domain.event import AttributeValue
from audience_core.domain.ids import NEVER
from audience_core.domain.value_tests import (
    BooleanTest,
    DateTest,
    ListOperator,
    ListTest,
    MembershipOperator,
    NumberBetweenTest,
    NumberInTest,
    NumberOperator,
    NumberTest,
    PresenceOperator,
    PresenceTest,
    StringInTest,
    StringOperator,
    StringTest,
    Test,
)
from audience_core.evaluation.text import fold, pattern_matcher
from audience_core.evaluation.values import MICROS, instant_of, micros_of, text_of, truth_of
from audience_core.evaluation.windows import instants_inside, span_of

type Predicate = Callable[[AttributeValue], bool]
type Figure = int | Fraction
type Intervals = tuple[tuple[int, int], ...]

ALWAYS: Intervals = ((-NEVER, NEVER),)
# So many texts are kept per test.
_MAX_KNOWN_TEXTS = 1024

_NEGATED_TEXT = {
    StringOperator.NOT_EQUALS: StringOperator.EQUALS,
    StringOperator.NOT_CONTAINS: StringOperator.CONTAINS,
    StringOperator.NOT_STARTS_WITH: StringOperator.STARTS_WITH,
    StringOperator.NOT_ENDS_WITH: StringOperator.ENDS_WITH,
    StringOperator.NOT_PATTERN: StringOperator.PATTERN,
}


def holds_when_missing(test: Test) -> bool:
    """A missing value makes every test false but this one."""
    return isinstance(test, PresenceTest) and test.operator is PresenceOperator.NOT_EXISTS


def is_moving(test: Test) -> bool:
    """Whether the answer for one value changes as time passes."""
    return isinstance(test, DateTest) and span_of(test.window).is_moving


def intervals(test: Test) -> Callable[[AttributeValue], Intervals]:
    """When (disjoint, ascending, closed intervals of `now`) a present value passes the test."""
    if isinstance(test, DateTest) and is_moving(test):
        span = span_of(test.window)

        def moving(value: AttributeValue) -> Intervals:
            instants = [instant_of(each) for each in (value if isinstance(value, list) else [value])]
            return union([i for at in instants if at is not None and (i := instants_inside(span, at))])

        return moving
    passes = predicate(test)
    return lambda value: ALWAYS if passes(value) else ()


def union(parts: list[tuple[int, int]]) -> Intervals:
    """Disjoint, ascending intervals that cover the same instants."""
    merged: list[tuple[int, int]] = []
    for start, end in sorted(parts):
        if merged and start <= merged[-1][1] + 1:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def intersection(a: Intervals, b: Intervals) -> Intervals:
    """The instants in both."""
    return tuple(
        (max(a_start, b_start), min(a_end, b_end))
        for a_start, a_end in a
        for b_start, b_end in b
        if max(a_start, b_start) <= min(a_end, b_end)
    )


def inside_at(parts: Intervals, now: int) -> tuple[bool, int]:
    """Whether `now` lies in one of the disjoint, ascending intervals, and the next instant at which that changes."""
    for start, end in parts:
        if now < start:
            return False, start
        if now <= end:
            return True, min(end + 1, NEVER)
    return False, NEVER


def recalling(test: Test) -> Predicate:
    """As `predicate`; texts that many users or events have are tested once."""
    passes = predicate(test)
    known: dict[str, bool] = {}

    def recalled(value: AttributeValue) -> bool:
        if type(value) is not str:
            return passes(value)
        answer = known.get(value)
        if answer is None:
            answer = passes(value)
            if len(known) < _MAX_KNOWN_TEXTS:
                known[value] = answer
        return answer

    return recalled


def predicate(test: Test) -> Predicate:  # noqa: C901  (one arm per kind of test)
    """Whether a present value passes a test that does not depend on `now`; elements of a list pass for the list."""
    match test:
        case PresenceTest(operator=operator):
            return _presence(operator)
        case StringTest(operator=operator, value=value):
            positive = _NEGATED_TEXT.get(operator, operator)
            return _any_element(_on_text(_text_matcher(positive, value)), positive is not operator, text_of)
        case StringInTest(operator=operator, values=values):
            wanted = frozenset(fold(each) for each in values)
            return _any_element(_on_text(wanted.__contains__), operator is MembershipOperator.NOT_IN_LIST, text_of)
        case NumberTest(operator=NumberOperator.NOT_EQUALS, value=value):
            target = micros_of(value)
            return _any_element(lambda each: micros_of(each) == target, True, micros_of)
        case NumberTest() | NumberBetweenTest():
            compare = figure_test(test)
            return _any_element(lambda each: (m := micros_of(each)) is not None and compare(m), False, micros_of)
        case NumberInTest(operator=operator, values=values):
            numbers = frozenset(micros_of(each) for each in values)
            negated = operator is MembershipOperator.NOT_IN_LIST
            return _any_element(lambda each: (m := micros_of(each)) is not None and m in numbers, negated, micros_of)
        case BooleanTest(value=value):
            return _any_element(lambda each: truth_of(each) is value, False, truth_of)
        case DateTest(window=window):
            span = span_of(window)
            return _any_element(
                lambda each: (at := instant_of(each)) is not None and span.first <= at <= span.last, False, instant_of
            )
        case ListTest(operator=operator, value=value):
            return _list_matcher(operator, fold(value))
        case _:
            assert_never(test)


def figure_test(test: Test) -> Callable[[Figure], bool]:
    """A number test as a comparison of exact figures in millionths.

    Raises:
        TypeError: the test is no number test; definitions are checked before they are stored.
    """
    match test:
        case NumberTest(operator=operator, value=value):
            return comparison(operator, _micros(value))
        case NumberBetweenTest(min=low, max=high):
            lowest, highest = _micros(low), _micros(high)
            return lambda figure: lowest <= figure <= highest
        case NumberInTest(operator=operator, values=values):
            numbers = frozenset(_micros(each) for each in values)
            expected = operator is MembershipOperator.IN_LIST
            return lambda figure: (figure in numbers) is expected
        case _:
            raise TypeError(f"not a test of numbers: {test.type}")


def frequency_test(frequency: Frequency) -> Callable[[int], bool]:
    """A frequency as a comparison of a count."""
    if isinstance(frequency, CountBetween):
        low, high = frequency.min, frequency.max
        return lambda count: low <= count <= high
    return comparison(frequency.operator, frequency.value)


def comparison(operator: NumberOperator, value: int) -> Callable[[Figure], bool]:
    match operator:
        case NumberOperator.EQUALS:
            return lambda figure: figure == value
        case NumberOperator.NOT_EQUALS:
            return lambda figure: figure != value
        case NumberOperator.GREATER_THAN:
            return lambda figure: figure > value
        case NumberOperator.GREATER_OR_EQUAL:
            return lambda figure: figure >= value
        case NumberOperator.LESS_THAN:
            return lambda figure: figure < value
        case NumberOperator.LESS_OR_EQUAL:
            return lambda figure: figure <= value
        case _:
            assert_never(operator)


def _micros(value: float) -> int:
    micros = micros_of(value)
    return micros if micros is not None else round(value * MICROS)


def _presence(operator: PresenceOperator) -> Predicate:
    match operator:
        case PresenceOperator.EXISTS:
            return lambda _: True
        case PresenceOperator.NOT_EXISTS:
            return lambda _: False
        case PresenceOperator.EMPTY:
            return lambda value: value is None or value in ("", [])
        case PresenceOperator.NOT_EMPTY:
            return lambda value: value is not None and value not in ("", [])
        case _:
            assert_never(operator)


def _any_element(passes: Predicate, is_negated: bool, read: Callable[[AttributeValue], object | None]) -> Predicate:
    """Positive: some element passes. Negative: none does; a lone value that cannot be read fails either way."""
    if not is_negated:
        return lambda value: any(map(passes, value)) if isinstance(value, list) else passes(value)
    return lambda value: (
        not any(map(passes, value)) if isinstance(value, list) else read(value) is not None and not passes(value)
    )


def _on_text(matches: Callable[[str], bool]) -> Predicate:
    def passes(value: AttributeValue) -> bool:
        text = text_of(value)
        return text is not None and matches(fold(text))

    return passes


def _text_matcher(operator: StringOperator, value: str) -> Callable[[str], bool]:
    wanted = fold(value)
    match operator:
        case StringOperator.EQUALS:
            return lambda text: text == wanted
        case StringOperator.CONTAINS:
            return lambda text: wanted in text
        case StringOperator.STARTS_WITH:
            return lambda text: text.startswith(wanted)
        case StringOperator.ENDS_WITH:
            return lambda text: text.endswith(wanted)
        case _:
            return pattern_matcher(value)


def _list_matcher(operator: ListOperator, wanted: str) -> Predicate:
    """Only lists pass; `includes` compares whole elements, `partial_match` looks inside them."""
    is_partial = operator in (ListOperator.PARTIAL_MATCH, ListOperator.NOT_PARTIAL_MATCH)
    expected = operator in (ListOperator.INCLUDES, ListOperator.PARTIAL_MATCH)
    matches = _on_text((lambda text: wanted in text) if is_partial else (lambda text: text == wanted))
    return lambda value: isinstance(value, list) and any(map(matches, value)) is expected
