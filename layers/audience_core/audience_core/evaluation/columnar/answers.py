"""What criteria over single events ask of a track: counts, figures, first and last."""

from collections.abc import Callable
from typing import assert_never

import numpy as np

from audience_core.domain.definition import (
    AggregateCriterion,
    AggregateFunction,
    EventCriterion,
    Occurrence,
    OccurrenceCriterion,
)
from audience_core.evaluation.columnar.arrays import Bits, Bools, Integers, Runs, runs_of, scattered
from audience_core.evaluation.columnar.columns import NO_CODE, Column, millionths, passing, take, text_codes
from audience_core.evaluation.columnar.shard import EventRange
from audience_core.evaluation.columnar.thresholds import figure_mask, frequency_mask
from audience_core.evaluation.columnar.tracks import Selection
from audience_core.evaluation.values import MICROS

type Answer = Callable[[Selection], Bits]
# (users, truths) of the users of whom there is something to say.
type Verdict = tuple[Integers, Bools]
type Cells = tuple[Integers, Column]

_INT64_END = 2**63
_NOTHING = np.zeros(1, np.int64)


def count_answer(criterion: EventCriterion) -> Answer:
    frequency = criterion.frequency
    of_none = bool(frequency_mask(frequency, _NOTHING)[0])

    def answer(chosen: Selection) -> Bits:
        runs = chosen.runs
        return scattered(chosen.track.size, runs.users, frequency_mask(frequency, runs.counts), of_none)

    return answer


def occurrence_answer(criterion: OccurrenceCriterion, inside: EventRange) -> Answer:
    is_first = criterion.which is Occurrence.FIRST

    def answer(chosen: Selection) -> Bits:
        runs = chosen.runs
        at = chosen.at[_ends(runs, is_first=is_first)]
        return scattered(chosen.track.size, runs.users, (at >= inside.first) & (at <= inside.last), False)

    return answer


def aggregate_answer(criterion: AggregateCriterion, now: int) -> Answer:
    judge = _judge(criterion, now)
    is_of_nothing = criterion.function in (AggregateFunction.SUM, AggregateFunction.DISTINCT_COUNT)
    of_none = is_of_nothing and bool(figure_mask(criterion.test, _NOTHING)[0])

    def answer(chosen: Selection) -> Bits:
        users, truths = judge(chosen.cells(criterion.attribute))
        return scattered(chosen.track.size, users, truths, of_none)

    return answer


def _judge(criterion: AggregateCriterion, now: int) -> Callable[[Cells], Verdict]:
    test = criterion.test
    match criterion.function:
        case AggregateFunction.SUM:
            return lambda cells: _over_numbers(cells, lambda micros, runs: figure_mask(test, totals(micros, runs)))
        case AggregateFunction.AVERAGE:
            return lambda cells: _over_numbers(cells, lambda micros, runs: figure_mask(test, averages(micros, runs), 2))
        case AggregateFunction.MIN:
            return lambda cells: _over_numbers(
                cells, lambda micros, runs: figure_mask(test, np.minimum.reduceat(micros, runs.starts))
            )
        case AggregateFunction.MAX:
            return lambda cells: _over_numbers(
                cells, lambda micros, runs: figure_mask(test, np.maximum.reduceat(micros, runs.starts))
            )
        case AggregateFunction.DISTINCT_COUNT:
            return lambda cells: _distinct(cells, lambda counts: figure_mask(test, counts * MICROS))
        case AggregateFunction.FIRST_VALUE | AggregateFunction.LAST_VALUE:
            is_first = criterion.function is AggregateFunction.FIRST_VALUE
            return lambda cells: _at_end(cells, lambda column: passing(column, test, now), is_first=is_first)
        case _:
            assert_never(criterion.function)


def _over_numbers(cells: Cells, judge: Callable[[Integers, Runs], Bools]) -> Verdict:
    """A truth about each user's numbers, int64 millionths; who has none is left out."""
    user, column = cells
    micros, is_number = millionths(column)
    if not is_number.all():
        user, micros = user.compress(is_number), micros.compress(is_number)
    runs = runs_of(user)
    return runs.users, judge(micros, runs) if len(runs.users) else np.zeros(0, bool)


def totals(micros: Integers, runs: Runs) -> Integers:
    """Sums per run; Python ints where int64 could overflow."""
    largest = int(np.abs(micros).max()) * int(runs.counts.max())
    return np.add.reduceat(micros if largest < _INT64_END else micros.astype(object), runs.starts)


def averages(micros: Integers, runs: Runs) -> Integers:
    """Twice the average rounded down, plus one where it was rounded: in that order exactly as the averages are."""
    sums = totals(micros, runs)
    whole = sums // runs.counts
    doubled: Integers = 2 * whole + (whole * runs.counts != sums)
    return doubled


def _distinct(cells: Cells, judge: Callable[[Integers], Bools]) -> Verdict:
    user, column = cells
    codes = text_codes(column)
    has_text = codes != NO_CODE
    user, codes = user[has_text], codes[has_text]
    pairs = np.unique(np.stack([user.astype(np.int64), codes]), axis=1) if len(user) else np.zeros((2, 0), np.int64)
    runs = runs_of(pairs[0])
    return runs.users, judge(runs.counts)


def _at_end(cells: Cells, judge: Callable[[Column], Bools], *, is_first: bool) -> Verdict:
    user, column = cells
    runs = runs_of(user)
    return runs.users, judge(take(column, _ends(runs, is_first=is_first)))


def _ends(runs: Runs, *, is_first: bool) -> Integers:
    return runs.starts if is_first else runs.starts + runs.counts - 1
