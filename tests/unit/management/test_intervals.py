"""Intervals against published figures, against what defines them, and against what they promise."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.management.intervals import Interval, Rate, of_difference, of_rate, of_ratio


@st.composite
def rates(draw: st.DrawFn, most: int = 10_000) -> Rate:
    trials = draw(st.integers(1, most))
    return Rate(draw(st.integers(0, trials)), trials)


# Newcombe (1998), "Two-sided confidence intervals for the single proportion", Statistics in Medicine 17, table I.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_the_interval_of_a_rate_is_the_published_one(successes: int, trials: int, low: float, high: float) -> None:
    found = of_rate(Rate(successes, trials))

    assert (round(found.low, 4), round(found.high or 0, 4)) == (low, high)


# Newcombe (1998), "Interval estimation for the difference between independent proportions", table II, method 10.
@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((10, 10), (0, 20), 0.6791, 1.0),
        ((10, 10), (0, 10), 0.6075, 1.0),
    ],
)
def test_the_interval_of_a_difference_is_the_published_one(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    found = of_difference(Rate(*one), Rate(*other))

    assert (round(found.low, 4), round(found.high or 0, 4)) == (low, high)


@given(rates())
def test_the_interval_of_a_rate_is_where_the_score_is_no_larger_than_1_96(rate: Rate) -> None:
    found = of_rate(rate)

    assert 0 <= found.low <= rate.value <= (found.high or 0) <= 1
    for end in (found.low, found.high or 0):
        if 0 < end < 1:
            score = abs(rate.value - end) / math.sqrt(end * (1 - end) / rate.trials)
            assert score == pytest.approx(1.959963984540054, rel=1e-6)


@given(rates(), rates())
def test_an_interval_of_a_ratio_ends_where_the_difference_may_be_nothing(one: Rate, other: Rate) -> None:
    """r is a limit if the distance of `one` from `r * other` is just what both may be off together."""
    found = of_ratio(one, other)
    mine, others = of_rate(one), of_rate(other)

    def gap(ratio: float) -> float:
        return one.value - ratio * other.value

    below = math.hypot(one.value - mine.low, found.low * ((others.high or 0) - other.value))
    assert gap(found.low) == pytest.approx(below, rel=1e-6, abs=1e-9)
    assert found.low >= 0
    if found.high is None:
        assert other.successes == 0
        return
    above = math.hypot((mine.high or 0) - one.value, found.high * (other.value - others.low))
    assert -gap(found.high) == pytest.approx(above, rel=1e-6, abs=1e-9)
    assert found.low <= one.value / other.value <= found.high


@given(rates(), rates())
def test_the_other_way_round_a_difference_has_the_other_sign(one: Rate, other: Rate) -> None:
    found, turned = of_difference(one, other), of_difference(other, one)

    assert found.low == pytest.approx(-(turned.high or 0), abs=1e-12)
    assert -1 <= found.low <= one.value - other.value <= (found.high or 0) <= 1


@given(rates(), rates())
def test_difference_and_ratio_agree_on_who_is_better(one: Rate, other: Rate) -> None:
    apart, ratio = of_difference(one, other), of_ratio(one, other)

    if abs(apart.low) > 1e-9:
        assert (apart.low > 0) is (ratio.low > 1)
    if abs(apart.high or 0) > 1e-9:
        assert (apart.high is not None and apart.high < 0) is (ratio.high is not None and ratio.high < 1)


@pytest.mark.parametrize(("p", "q", "n", "m"), [(0.05, 0.03, 200, 150), (0.5, 0.4, 60, 40), (0.1, 0.1, 100, 100)])
@pytest.mark.parametrize("is_ratio", [False, True])
def test_they_hold_the_truth_about_95_times_in_100(p: float, q: float, n: int, m: int, is_ratio: bool) -> None:
    """Added up over every outcome that has a chance worth adding."""
    interval: Callable[[Rate, Rate], Interval] = of_ratio if is_ratio else of_difference
    truth = p / q if is_ratio else p - q
    mine, others = _chances(n, p), _chances(m, q)

    covered = sum(
        chance * other
        for x, chance in mine.items()
        for y, other in others.items()
        if _holds(interval(Rate(x, n), Rate(y, m)), truth)
    )

    assert 0.935 < covered < 0.985


def _holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth and (interval.high is None or truth <= interval.high)


def _chances(n: int, p: float) -> dict[int, float]:
    chances = {x: math.comb(n, x) * p**x * (1 - p) ** (n - x) for x in range(n + 1)}
    return {x: chance for x, chance in chances.items() if chance > 1e-9}
