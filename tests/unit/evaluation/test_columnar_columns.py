"""Columns say of every row what the operators say of its value."""

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.domain import value_tests as v
from audience_core.domain.event import AttributeValue
from audience_core.evaluation.columnar.answers import averages, totals
from audience_core.evaluation.columnar.arrays import runs_of
from audience_core.evaluation.columnar.columns import (
    Column,
    Numbers,
    as_codes,
    column_of,
    holds,
    is_present,
    joined,
    millionths,
    number_of,
    passing,
    take,
    text_codes,
)
from audience_core.evaluation.columnar.encoding import encoding_of, packed, unpacked
from audience_core.evaluation.columnar.thresholds import figure_mask
from audience_core.evaluation.predicates import figure_test, holds_when_missing
from audience_core.evaluation.text import fold
from audience_core.evaluation.values import MISSING, micros_of, text_of
from tests.support.worlds import NOW, number_tests, numbers, tests, values

cells = st.one_of(st.just(MISSING), values)
number_cells = st.one_of(st.just(MISSING), numbers)
columns = st.one_of(st.lists(cells, max_size=8), st.lists(number_cells, max_size=8))


@given(columns, tests)
def test_a_column_passes_where_its_values_do(rows: list[Any], test: v.Test) -> None:
    column = column_of(rows)

    found = passing(column, test, NOW)

    passes, when_missing = holds(test, NOW), holds_when_missing(test)
    assert found.tolist() == [when_missing if value is MISSING else passes(value) for value in rows]


@pytest.mark.parametrize("value", ["\ud800", ["\ud800"], {"a": 1}, float("inf")])
def test_values_that_are_no_plain_text_survive_storage(value: AttributeValue) -> None:
    column = column_of([MISSING, value, "red"])

    again = as_codes(unpacked(packed(column), encoding_of(column)))

    assert [again.values[code] if code >= 0 else MISSING for code in again.codes] == [MISSING, value, "red"]


@pytest.mark.parametrize("rows", [[MISSING, 1], [MISSING, "red"], [MISSING, None]])
def test_only_what_is_missing_does_not_exist(rows: list[Any]) -> None:
    test = v.PresenceTest(operator=v.PresenceOperator.NOT_EXISTS)

    assert passing(column_of(rows), test, NOW).tolist() == [True, False]


@pytest.mark.parametrize(
    ("operator", "expected"),
    [("equals", False), ("less_or_equal", False), ("greater_than", True), ("not_equals", True)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_average_between_two_millionths_is_neither(operator: str, expected: bool, sign: int) -> None:
    runs = runs_of(np.zeros(2, np.int64))
    lower = v.NumberTest(operator=v.NumberOperator(operator), value=1e-6 if sign > 0 else -2e-6)

    found = figure_mask(lower, averages(np.array([sign, 2 * sign], np.int64), runs), 2)

    assert found.tolist() == [expected]


@given(columns)
def test_a_column_survives_storage(rows: list[Any]) -> None:
    column = column_of(rows)

    again = unpacked(packed(column), encoding_of(column))

    assert readings(again) == readings(column) == [reading(value) for value in rows]


@given(columns, columns)
def test_joined_columns_hold_the_values_of_both(first: list[Any], second: list[Any]) -> None:
    column = joined([column_of(first), None, column_of(second)], [len(first), 2, len(second)])

    assert readings(column) == [reading(value) for value in [*first, MISSING, MISSING, *second]]


@given(columns, st.data())
def test_rows_are_taken_with_their_values(rows: list[Any], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1), max_size=5)) if rows else []

    column = take(column_of(rows), np.array(chosen, np.int64))

    assert readings(column) == [reading(rows[row]) for row in chosen]


@pytest.mark.parametrize("value", [True, "1", None, float("nan"), float("inf"), 1e-7, 10**13, 1e16, 0.0000005])
def test_what_millionths_cannot_say_is_kept_as_it_is(value: AttributeValue) -> None:
    column = column_of([1, value])

    assert not isinstance(column, Numbers)
    assert repr(column.values[column.codes[1]]) == repr(value)


def test_values_that_are_equal_but_not_the_same_stay_apart() -> None:
    column = as_codes(column_of([1, 1.0, True, "1", [1], [True]]))

    assert [repr(column.values[code]) for code in column.codes] == ["1", "1.0", "True", "'1'", "[1]", "[True]"]


def test_sums_beyond_64_bits_are_exact() -> None:
    micros = np.array([10**18] * 12 + [5], np.int64)
    runs = runs_of(np.array([0] * 12 + [1]))

    assert totals(micros, runs).tolist() == [12 * 10**18, 5]
    assert figure_mask(
        v.NumberTest(operator=v.NumberOperator.GREATER_THAN, value=1e12), totals(micros, runs)
    ).tolist() == [
        True,
        False,
    ]


def test_averages_of_sums_beyond_64_bits_are_exact() -> None:
    micros = np.array([10**18] * 12 + [10**18 - 1] * 2, np.int64)
    runs = runs_of(np.array([0] * 11 + [1] * 3))

    at_most = figure_mask(v.NumberTest(operator=v.NumberOperator.EQUALS, value=1e12), averages(micros, runs), 2)

    assert at_most.tolist() == [True, False]


@given(st.lists(st.integers(-3_000_000, 3_000_000), min_size=1, max_size=6), number_tests)
def test_an_average_is_compared_without_rounding(micros: list[int], test: v.Test) -> None:
    runs = runs_of(np.zeros(len(micros), np.int64))

    found = figure_mask(test, averages(np.array(micros, np.int64), runs), 2)

    assert found.tolist() == [figure_test(test)(Fraction(sum(micros), len(micros)))]


def readings(column: Column) -> list[Any]:
    """All that can be read of each row."""
    micros, is_number = millionths(column)
    texts = text_codes(column)
    has = is_present(column)
    coded = as_codes(column)
    found = []
    for row, code in enumerate(coded.codes.tolist()):
        value = coded.values[code] if has[row] else MISSING
        found.append(reading(value))
        if value is not MISSING:
            assert (int(micros[row]) if is_number[row] else None) == micros_of(value)  # type: ignore[arg-type]  # not MISSING
            same = [
                fold(str(text_of(coded.values[coded.codes[other]]))) for other in np.flatnonzero(texts == texts[row])
            ]
            assert texts[row] == -1 or set(same) == {fold(str(text_of(value)))}  # type: ignore[arg-type]  # not MISSING
    return found


def reading(value: Any) -> Any:
    """A value as every operator reads it: 5 and 5.0 are one."""
    if value is MISSING:
        return "missing"
    if isinstance(value, list):
        return [reading(each) for each in value]
    micros = micros_of(value) if not isinstance(value, str) else None
    if isinstance(value, int | float) and not isinstance(value, bool) and micros is not None:
        exact = number_of(micros)
        return float(value) if exact == value else repr(value)
    return repr(value)
