"""95 % intervals of rates, and of what sets two rates apart, in closed form; good for few users and rates near 0 or 1.

All of them begin with Wilson's interval of a rate (E. B. Wilson, 1927, J. Am. Stat. Assoc. 22, 209-212). That of a
difference is Newcombe's method 10 (R. G. Newcombe, 1998, Statistics in Medicine 17, 873-890), that of a ratio its
sibling MOVER-R (R. G. Newcombe, 2016, Statistical Methods in Medical Research 25, 1774-1778): both recover from the
two intervals how far each rate may be off.
"""

import math
from dataclasses import dataclass

_Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Rate:
    """`successes` of `trials`, which are at least 1."""

    successes: int
    trials: int

    @property
    def value(self) -> float:
        return self.successes / self.trials


@dataclass(frozen=True, slots=True)
class Interval:
    """Holds the truth 95 times in 100.

    Args:
        high: None when there is no upper limit.
    """

    low: float
    high: float | None


def of_rate(rate: Rate) -> Interval:
    """Wilson's: all rates from which the one seen is no more than 1.96 standard deviations away."""
    low, high = _wilson(rate)
    return Interval(low, high)


def of_difference(one: Rate, other: Rate) -> Interval:
    """Of `one - other`."""
    (low, high), (other_low, other_high) = _wilson(one), _wilson(other)
    difference = one.value - other.value
    return Interval(
        difference - math.hypot(one.value - low, other_high - other.value),
        difference + math.hypot(high - one.value, other.value - other_low),
    )


def of_ratio(one: Rate, other: Rate) -> Interval:
    """Of `one / other`. Without any success of the other, nothing is too large."""
    (low, high), (other_low, other_high) = _wilson(one), _wilson(other)
    product = one.value * other.value
    # Newcombe's lower limit with its fraction turned over: this way round, it never divides by nothing.
    reach, width = low * (2 * one.value - low), other_high * (2 * other.value - other_high)
    lower = reach / (product + _root(product, reach * width)) if reach > 0 else 0.0
    if not other.successes:
        return Interval(lower, None)
    reach, width = high * (2 * one.value - high), other_low * (2 * other.value - other_low)
    return Interval(lower, (product + _root(product, reach * width)) / width)


def _root(product: float, rest: float) -> float:
    # What is under the root is never negative, but for the rounding of its last digit.
    return math.sqrt(max(0.0, product**2 - rest))


def _wilson(rate: Rate) -> tuple[float, float]:
    successes, trials, square = rate.successes, rate.trials, _Z_95**2
    centre = 2 * successes + square
    spread = _Z_95 * math.sqrt(square + 4 * successes * (trials - successes) / trials)
    whole = 2 * (trials + square)
    low = 0.0 if successes == 0 else (centre - spread) / whole
    high = 1.0 if successes == trials else (centre + spread) / whole
    return low, high
