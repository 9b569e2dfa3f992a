"""What each test says of each kind of value."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from pydantic import TypeAdapter

from audience_core.domain import definition as d
from audience_core.domain import value_tests as v
from audience_core.domain.value_tests import NumberInTest, NumberTest, StringTest, Test
from audience_core.evaluation.predicates import (
    figure_test,
    frequency_test,
    holds_when_missing,
    intersection,
    intervals,
    predicate,
    union,
)
from audience_core.evaluation.values import MICROS
from tests.support.worlds import tests as any_test
from tests.support.worlds import values

READ: TypeAdapter[Test] = TypeAdapter(Test)


def a_test(**said: Any) -> Test:
    return READ.validate_python(said)


def text(operator: str, value: str = "red") -> Test:
    return a_test(type="string", operator=operator, value=value)


def number(operator: str, value: float = 5) -> Test:
    return a_test(type="number", operator=operator, value=value)


def presence(operator: str) -> Test:
    return a_test(type="presence", operator=operator)


def liking(operator: str, value: str = "red") -> Test:
    return a_test(type="list", operator=operator, value=value)


def one_of(*wanted: Any, operator: str = "in_list") -> Test:
    kind = "string_in" if isinstance(wanted[0], str) else "number_in"
    return a_test(type=kind, operator=operator, values=list(wanted))


@pytest.mark.parametrize(
    ("test", "passing", "failing"),
    [
        (presence("exists"), ["", None, 0, False, []], []),
        (presence("not_exists"), [], ["", None, 0]),
        (presence("empty"), ["", None, []], [" ", 0, False, [""], [None]]),
        (presence("not_empty"), [" ", 0, False, [""], [None]], ["", None, []]),
        (text("equals"), ["red", "RED", ["blue", "Red"]], ["redd", None, [], [None], 5]),
        (text("not_equals"), ["blue", 5, True, [], [None], ["blue"]], ["RED", None, ["blue", "red"]]),
        (text("contains"), ["Scared"], ["rd", None, []]),
        (text("contains", ""), ["", "x", 0], [None, []]),
        (text("not_contains"), ["rd", []], ["scared", None]),
        (text("starts_with"), ["Reddish"], ["infrared", None]),
        (text("not_starts_with"), ["infrared"], ["reddish", None]),
        (text("ends_with"), ["infraRED"], ["reddish", None]),
        (text("not_ends_with"), ["reddish"], ["infrared", None]),
        (text("pattern", "r?d"), ["RED", ["x", "rod"]], ["reed", None]),
        (text("not_pattern", "r?d"), ["reed", []], ["rod", None, ["x", "rod"]]),
        (text("equals", "5"), [5, 5.0, "5"], ["5.0", "05", True]),
        (text("equals", "true"), [True, "TRUE"], [1]),
        (one_of("red", "5"), ["RED", 5, ["x", 5.0]], ["re", None, []]),
        (one_of("red", "5", operator="not_in_list"), ["re", True, []], ["RED", 5, None, ["x", "red"]]),
        (number("equals"), [5, 5.0, "5", " 5.000 ", ["x", 5]], [5.000001, "five", True, None, []]),
        (number("not_equals"), [4, "4", [], ["x"], [4, "x"]], [5, "5", "five", True, None, [4, 5]]),
        (number("greater_than"), [5.000001, "1e12", [1, 6]], [5, 5.0000001, 1e13, "x", None, []]),
        (number("greater_or_equal"), [5, 4.9999999], [4.999999]),
        (number("less_than"), [4.999999, -(10**12)], [5, -(10**13)]),
        (number("less_or_equal"), [5], [5.000001]),
        (a_test(type="number_between", min=1, max=2), [1, 2, "1.5", [0, 1]], [0.999999, 2.000001, [0, 3], None]),
        (one_of(1, 2.5), [1, "2.50", [0, 1]], [2, "one", None, []]),
        (one_of(1, 2.5, operator="not_in_list"), [2, [], ["one"]], [1, "one", None, [0, 1]]),
        (a_test(type="boolean", value=True), [True, "True", [False, True]], [False, 1, "yes", None, []]),
        (a_test(type="boolean", value=False), [False, " FALSE "], [True, 0, "", None, []]),
        (liking("includes"), [["x", "RED"]], [[], ["redd"], [None], "red", None]),
        (liking("not_includes"), [[], ["redd"], [None]], [["x", "RED"], "blue", None]),
        (liking("partial_match"), [["x", "Scared"]], [[], ["rd"], "red", None]),
        (liking("not_partial_match"), [[], ["rd"], [None]], [["x", "Scared"], "blue", None]),
        (
            a_test(type="date", window={"type": "on", "date": "2018-09-09"}),
            ["2018-09-09", 1_536_451_200_000, ["x", "2018-09-09T23:59:59.999Z"]],
            ["2018-09-10", 1_536_451_199_999, "today", None, True, []],
        ),
    ],
    ids=repr,
)
def test_a_present_value(test: Test, passing: list[Any], failing: list[Any]) -> None:
    passes = predicate(test)

    assert [value for value in passing if not passes(value)] == []
    assert [value for value in failing if passes(value)] == []


@given(any_test)
def test_only_not_exists_holds_for_a_missing_value(test: Test) -> None:
    assert holds_when_missing(test) is (test == presence("not_exists"))


@given(any_test, values)
def test_no_value_is_an_error_and_intervals_are_in_order(test: Test, value: Any) -> None:
    found = intervals(test)(value)

    assert list(found) == sorted(found)
    assert all(start <= end for start, end in found)
    assert all(before < start - 1 for (_, before), (start, _) in pairwise(found))


@pytest.mark.parametrize(
    ("parts", "covered"),
    [
        ([], ()),
        ([(1, 2)], ((1, 2),)),
        ([(4, 5), (1, 2)], ((1, 2), (4, 5))),
        ([(1, 2), (3, 4)], ((1, 4),)),
        ([(1, 9), (2, 3)], ((1, 9),)),
    ],
)
def test_union(parts: list[tuple[int, int]], covered: tuple[tuple[int, int], ...]) -> None:
    assert union(parts) == covered


def test_intersection() -> None:
    assert intersection(((1, 5), (8, 9)), ((0, 1), (3, 8))) == ((1, 1), (3, 5), (8, 8))
    assert intersection((), ((0, 1),)) == ()


def test_figures_are_compared_exactly() -> None:
    third = NumberTest(operator=v.NumberOperator.EQUALS, value=0.3)

    assert figure_test(third)(micros(0.1) + micros(0.2))
    assert not figure_test(NumberInTest(operator=v.MembershipOperator.NOT_IN_LIST, values=(0.3,)))(300_000)


def test_a_figure_is_tested_as_a_number_alone() -> None:
    with pytest.raises(TypeError):
        figure_test(StringTest(operator=v.StringOperator.EQUALS, value="1"))


@pytest.mark.parametrize(
    ("frequency", "passing"),
    [
        (d.Compare(operator=v.NumberOperator.GREATER_THAN, value=1), [2, 3]),
        (d.Compare(operator=v.NumberOperator.GREATER_OR_EQUAL, value=1), [1, 2, 3]),
        (d.Compare(operator=v.NumberOperator.EQUALS, value=1), [1]),
        (d.Compare(operator=v.NumberOperator.NOT_EQUALS, value=1), [0, 2, 3]),
        (d.Compare(operator=v.NumberOperator.LESS_THAN, value=1), [0]),
        (d.Compare(operator=v.NumberOperator.LESS_OR_EQUAL, value=1), [0, 1]),
        (d.CountBetween(min=1, max=2), [1, 2]),
    ],
)
def test_a_count_is_compared(frequency: Any, passing: list[int]) -> None:
    assert [count for count in range(4) if frequency_test(frequency)(count)] == passing


def micros(value: float) -> int:
    return round(value * MICROS)
