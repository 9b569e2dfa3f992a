"""Columns of attribute values, and what the operators say of each row: the operators see Python values, once each."""

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import cast

import numpy as np

from audience_core.domain.event import AttributeValue
from audience_core.domain.value_tests import NumberBetweenTest, NumberInTest, NumberTest, Test
from audience_core.evaluation.columnar.arrays import Bools, Integers
from audience_core.evaluation.columnar.thresholds import figure_mask
from audience_core.evaluation.predicates import (
    Predicate,
    holds_when_missing,
    inside_at,
    intervals,
    is_moving,
    predicate,
)
from audience_core.evaluation.text import fold
from audience_core.evaluation.values import MICROS, MISSING, micros_of, text_of

NO_CODE = -1


@dataclass(frozen=True, slots=True)
class Codes:
    """Any values: int32 `codes` are places in `values`; -1 where a row has none."""

    codes: Integers
    values: Sequence[AttributeValue]


@dataclass(frozen=True, slots=True)
class Numbers:
    """Nothing but numbers, each exactly so many millionths: int64 `micros`, meaningless where not `present`.

    Args:
        present: None when every row has a number.
    """

    micros: Integers
    present: Bools | None


type Column = Codes | Numbers


def column_of(values: Iterable[AttributeValue | object]) -> Column:
    """A column of Python values; MISSING where a row has none."""
    rows = cast("list[AttributeValue]", list(values))
    numbers = [0 if value is MISSING else exact_micros(value) for value in rows]
    if all(number is not None for number in numbers):
        present = np.array([value is not MISSING for value in rows], bool)
        return Numbers(np.array(numbers, np.int64), None if present.all() else present)
    places: dict[object, int] = {}
    distinct: list[AttributeValue] = []
    codes = np.full(len(rows), NO_CODE, np.int32)
    for row, value in enumerate(rows):
        if value is MISSING:
            continue
        # 1, 1.0 and True are equal, and are different values.
        key = (type(value), repr(value) if isinstance(value, list | dict) else value)
        if key not in places:
            places[key] = len(distinct)
            distinct.append(value)
        codes[row] = places[key]
    return Codes(codes, distinct)


def exact_micros(value: AttributeValue) -> int | None:
    """The millionths of a number from which every reading of it can be had again; None for all other values."""
    if not isinstance(value, int | float):
        return None
    micros = micros_of(value)
    return micros if micros is not None and micros / MICROS == value else None


def number_of(micros: int) -> int | float:
    return micros / MICROS if micros % MICROS else micros // MICROS


def as_codes(column: Column) -> Codes:
    if isinstance(column, Codes):
        return column
    distinct, inverse = np.unique(column.micros, return_inverse=True)
    codes = inverse.astype(np.int32)
    if column.present is not None:
        codes[~column.present] = NO_CODE
    return Codes(codes, [number_of(each) for each in distinct.tolist()])


def take(column: Column, rows: Integers) -> Column:
    if isinstance(column, Codes):
        return Codes(column.codes.take(rows), column.values)
    return Numbers(column.micros.take(rows), None if column.present is None else column.present.take(rows))


def joined(columns: Sequence[Column | None], sizes: Sequence[int]) -> Column:
    """One column below the other; None stands for one without values."""
    if all(isinstance(each, Numbers) for each in columns):
        numbers = cast("list[Numbers]", list(columns))
        present = np.concatenate([is_present(each) for each in numbers])
        return Numbers(np.concatenate([each.micros for each in numbers]), present)
    parts: list[Integers] = []
    values: list[AttributeValue] = []
    for column, size in zip(columns, sizes, strict=True):
        part = as_codes(column) if column is not None else Codes(np.full(size, NO_CODE, np.int32), ())
        parts.append(np.where(part.codes == NO_CODE, NO_CODE, part.codes + len(values)))
        values += part.values
    return Codes(np.concatenate(parts), values)


def values_at(column: Column, rows: Integers) -> list[AttributeValue | object]:
    """The Python values of some rows; MISSING where a row has none."""
    if isinstance(column, Codes):
        values = [*column.values, MISSING]  # code -1 finds the last place
        return [values[code] for code in column.codes[rows].tolist()]
    present = is_present(column)[rows].tolist()
    numbers = column.micros[rows].tolist()
    return [number_of(number) if there else MISSING for number, there in zip(numbers, present, strict=True)]


def tidied(column: Column) -> Column:
    """The same rows as `column_of` would hold them: each value once, no value that no row has, numbers as numbers."""
    if isinstance(column, Numbers):
        is_whole = column.present is None or column.present.all()
        return Numbers(column.micros, None) if is_whole else column
    used = np.flatnonzero(np.bincount(column.codes + 1, minlength=len(column.values) + 1))
    distinct = column_of([column.values[place - 1] if place else MISSING for place in used.tolist()])
    places = np.zeros(len(column.values) + 1, np.intp)
    places[used] = np.arange(len(used))
    return take(distinct, places[column.codes + 1])


def is_present(column: Column) -> Bools:
    if isinstance(column, Numbers):
        return np.ones(len(column.micros), bool) if column.present is None else column.present
    has_code: Bools = column.codes != NO_CODE
    return has_code


def passing(column: Column, test: Test, now: int) -> Bools:
    """Which rows pass the test at `now` (UTC ms)."""
    when_missing = holds_when_missing(test)
    if isinstance(column, Codes):
        return of_values(column, holds(test, now), when_missing)
    if isinstance(test, NumberTest | NumberBetweenTest | NumberInTest):
        found = figure_mask(test, column.micros)
    else:
        found = of_values(as_codes(Numbers(column.micros, None)), holds(test, now), when_missing)
    if column.present is None:
        return found
    return found | ~column.present if when_missing else found & column.present


def holds(test: Test, now: int) -> Predicate:
    """The test of a present value at `now`."""
    if not is_moving(test):
        return predicate(test)
    when = intervals(test)
    return lambda value: inside_at(when(value), now)[0]


def of_values(column: Codes, truth: Callable[[AttributeValue], bool], when_missing: bool) -> Bools:
    """Each row's truth; every distinct value is asked once. Code -1 finds the last place of the table."""
    table = np.fromiter((*map(truth, column.values), when_missing), bool, len(column.values) + 1)
    truths: Bools = table.take(column.codes)
    return truths


def labelled(labels: Codes, ids: Collection[AttributeValue]) -> Bools:
    """Which rows have one of the labels; every row has some label."""
    if all(each in ids for each in labels.values):
        return np.ones(len(labels.codes), bool)
    return of_values(labels, ids.__contains__, False)


def millionths(column: Column) -> tuple[Integers, Bools]:
    """(int64 millionths, which rows can be read as numbers)."""
    if isinstance(column, Numbers):
        return column.micros, is_present(column)
    read = [micros_of(value) for value in column.values]
    table = np.array([*(micros or 0 for micros in read), 0], np.int64)
    is_number = np.array([*(micros is not None for micros in read), False], bool)
    return table.take(column.codes), is_number.take(column.codes)


def text_codes(column: Column) -> Integers:
    """Codes that are equal where folded texts are; -1 where a row has no text."""
    if isinstance(column, Numbers):
        return as_codes(column).codes
    numbers, places = count(), dict[str, int]()
    texts = [fold(text) if (text := text_of(value)) is not None else None for value in column.values]
    table = [NO_CODE if text is None else places.setdefault(text, next(numbers)) for text in texts]
    return np.array([*table, NO_CODE], np.int64)[column.codes]
