"""How stored values are read."""

import math
from datetime import UTC, datetime, timedelta, timezone
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.evaluation.values import MICROS, instant_of, micros_of, text_of, to_ms, truth_of
from tests.support.oracle_values import as_javascript

NOON = 1_536_494_400_000  # 2018-09-09T12:00:00Z


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("Red", "Red"),
        ("", ""),
        (True, "true"),
        (False, "false"),
        (0, "0"),
        (-5, "-5"),
        (3.0, "3"),
        (-0.0, "0"),
        (1.5, "1.5"),
        (0.1, "0.1"),
        (0.00001, "0.00001"),
        (-0.000001234, "-0.000001234"),
        (1e-7, "1e-7"),
        (-1.5e-7, "-1.5e-7"),
        (5e-324, "5e-324"),
        (2.0**53, "9007199254740992"),
        (1e16, "10000000000000000"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (1.5e300, "1.5e+300"),
        (10**16, "10000000000000000"),
        (None, None),
        ([], None),
        (["a"], None),
        ({"a": "b"}, None),
    ],
)
def test_text(value: Any, text: str | None) -> None:
    assert text_of(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_float_is_written_as_javascript_writes_it(value: float) -> None:
    assert text_of(value) == as_javascript(value)
    assert float(as_javascript(value)) == value


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (5, 5),
        (-5, -5),
        (0.1, Fraction(1, 10)),
        ("5", 5),
        (" 5\n", 5),
        ("+5", 5),
        ("5.", 5),
        (".5", Fraction(1, 2)),
        ("-.5", Fraction(-1, 2)),
        ("1e3", 1000),
        ("1E-3", Fraction(1, 1000)),
        ("0.0000005", 0),
        ("0.0000015", Fraction(2, MICROS)),
        ("0.00000050000000000000000000000000001", Fraction(1, MICROS)),
        (0.0000005, 0),
        (10**12, 10**12),
        (-(10**12), -(10**12)),
        (1e12, 10**12),
        ("1000000000000.0", 10**12),
        ("1000000000000.00000000000000000000001", None),
        (10**12 + 1, None),
        (1_536_494_400_000, None),
        (1e16, None),
        (10**400, None),
        ("1e999", None),
        ("1e-999", 0),
        ("1e1000", None),
        (math.nan, None),
        (math.inf, None),
        ("nan", None),
        ("inf", None),
        ("", None),
        (" ", None),
        (".", None),
        ("5 apples", None),
        ("1,000", None),
        ("1_000", None),
        ("0x10", None),
        ("١٢", None),
        ("\uff15", None),
        ("\xa05", None),
        ("--5", None),
        (True, None),
        (None, None),
        ([5], None),
    ],
)
def test_number(value: Any, number: Fraction | int | None) -> None:
    assert micros_of(value) == (None if number is None else number * MICROS)


@given(st.floats(-1e12, 1e12))
def test_a_number_and_its_text_are_the_same_number(value: float) -> None:
    assert micros_of(value) == micros_of(repr(value))


@pytest.mark.parametrize(
    ("value", "truth"),
    [
        (True, True),
        (False, False),
        ("true", True),
        ("FALSE", False),
        (" True ", True),
        ("yes", None),
        ("1", None),
        ("", None),
        (1, None),
        (0, None),
        (None, None),
        ([True], None),
    ],
)
def test_truth(value: Any, truth: bool | None) -> None:
    assert truth_of(value) is truth


@pytest.mark.parametrize(
    ("value", "instant"),
    [
        (NOON, NOON),
        (float(NOON) + 0.9, NOON),
        (str(NOON), NOON),
        (0, 0),
        (-1, -1),
        ("2018-09-09T12:00:00Z", NOON),
        ("2018-09-09T12:00:00", NOON),
        ("2018-09-09 12:00", NOON),
        (" 2018-09-09T12:00 ", NOON),
        ("2018-09-09T14:00:00+02:00", NOON),
        ("2018-09-09T12:00:00.0019Z", NOON + 1),
        ("2018-09-09", NOON - 12 * 3_600_000),
        ("20180909", NOON - 12 * 3_600_000),
        ("1969-12-31T23:59:59.9999Z", -1),
        ("2018-02-29", None),
        ("09/12/18", None),
        ("1536494400", None),
        ("9" * 19, None),
        ("-1536494400000", None),
        ("soon", None),
        ("", None),
        (math.inf, None),
        (True, None),
        (None, None),
        ([NOON], None),
    ],
)
def test_instant(value: Any, instant: int | None) -> None:
    assert instant_of(value) == instant


def test_milliseconds_are_exact_at_both_ends_of_the_calendar() -> None:
    assert to_ms(datetime(9999, 12, 31, 23, 59, 59, 999_999, UTC)) == 253_402_300_799_999
    assert to_ms(datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))) == -62_135_596_800_000 - 14 * 3_600_000
