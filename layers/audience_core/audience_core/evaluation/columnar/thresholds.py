"""Comparisons of counts and figures, a whole array at once."""

from collections.abc import Callable
from typing import cast

import numpy as np

from audience_core.domain.definition import CountBetween, Frequency
from audience_core.domain.value_tests import (
    MembershipOperator,
    NumberBetweenTest,
    NumberInTest,
    NumberOperator,
    NumberTest,
    Test,
)
from audience_core.evaluation.columnar.arrays import Bools, Integers
from audience_core.evaluation.predicates import comparison
from audience_core.evaluation.values import MICROS, micros_of


def compared(figures: Integers, operator: NumberOperator, value: int) -> Bools:
    """The operator of `predicates`, whose comparisons apply to arrays as they are."""
    over_array = cast("Callable[[Integers], Bools]", comparison(operator, value))
    return over_array(figures)


def between(figures: Integers, low: int, high: int) -> Bools:
    is_enough = compared(figures, NumberOperator.GREATER_OR_EQUAL, low)
    return is_enough & compared(figures, NumberOperator.LESS_OR_EQUAL, high)


def frequency_mask(frequency: Frequency, counts: Integers) -> Bools:
    if isinstance(frequency, CountBetween):
        return between(counts, frequency.min, frequency.max)
    return compared(counts, frequency.operator, frequency.value)


def figure_mask(test: Test, figures: Integers, scale: int = 1) -> Bools:
    """A number test of figures given in units of 1 / (scale * MICROS); int64, or Python ints of any size.

    Raises:
        TypeError: the test is no number test; definitions are checked before they are stored.
    """
    match test:
        case NumberTest(operator=operator, value=value):
            return compared(figures, operator, scale * _micros(value))
        case NumberBetweenTest(min=low, max=high):
            return between(figures, scale * _micros(low), scale * _micros(high))
        case NumberInTest(operator=operator, values=values):
            found = np.zeros(len(figures), bool)
            for value in values:
                found |= compared(figures, NumberOperator.EQUALS, scale * _micros(value))
            return found if operator is MembershipOperator.IN_LIST else ~found
        case _:
            raise TypeError(f"not a test of numbers: {test.type}")


def _micros(value: float) -> int:
    micros = micros_of(value)
    return micros if micros is not None else round(value * MICROS)
