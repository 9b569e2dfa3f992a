"""Tests and windows out of comparisons of the public schema."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from audience_core.domain.value_tests import (
    BooleanTest,
    DateTest,
    MembershipOperator,
    NumberBetweenTest,
    NumberInTest,
    NumberTest,
    StringInTest,
    StringOperator,
    StringTest,
    Test,
)
from audience_core.domain.windows import (
    AfterDate,
    BeforeDate,
    BetweenAgo,
    BetweenDates,
    Duration,
    OnDate,
    Unit,
    Window,
    WithinLast,
)
from audience_core.management.public_schema.reading import Place, is_number
from audience_core.management.public_schema.regexes import pattern_of
from audience_core.management.public_schema.vocabulary import NUMBER_OPERATORS, STRING_OPERATORS, UNITS

_STRINGS = {word: operator for operator, word in STRING_OPERATORS.items()}
_NUMBERS = {word: operator for operator, word in NUMBER_OPERATORS.items()}
_PATTERNS = {"matches": StringOperator.PATTERN, "not_matches": StringOperator.NOT_PATTERN}
_UNITS = {word: unit for unit, word in UNITS.items()}
_SECONDS = 60
_DAY = timedelta(days=1)
EVER = Duration(amount=36_500, unit=Unit.DAYS)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A binary expression."""

    at: Place

    @property
    def left(self) -> Place:
        return self.at["left"]

    @property
    def operator(self) -> str:
        return self.at["operator"].text()

    @property
    def right(self) -> Place:
        return self.at["right"]

    @property
    def is_of_date(self) -> bool:
        return "date" in self.right


def test_of(logic: str, comparisons: Sequence[Comparison], at: Place) -> Test | None:
    """One test that says what the comparisons of one operand say together; None if there is none such.

    Args:
        logic: "and" or "or".
    """
    if len(comparisons) == 1 and not comparisons[0].is_of_date:
        return _single(comparisons[0])
    operators, rights = [each.operator for each in comparisons], [each.right.value for each in comparisons]
    if logic == "and" and all(each.is_of_date for each in comparisons):
        return DateTest(window=window_of(comparisons, at))
    if set(operators) == {"equals" if logic == "or" else "not_equals"}:
        return _in(logic, rights, at)
    if (logic, operators) == ("and", ["greater_than_equal", "less_than_equal"]) and all(map(is_number, rights)):
        return at.made(NumberBetweenTest, min=rights[0], max=rights[1])
    return None


def _single(comparison: Comparison) -> Test:
    operator, right = comparison.at["operator"], comparison.right
    if isinstance(right.value, bool):
        operator.word(["equals"])
        return BooleanTest(value=right.value)
    if is_number(right.value):
        return right.made(NumberTest, operator=_NUMBERS[operator.word(list(_NUMBERS))], value=right.value)
    if isinstance(right.value, str):
        word = operator.word([*_STRINGS, *_PATTERNS])
        if word in _PATTERNS:
            return right.made(StringTest, operator=_PATTERNS[word], value=_pattern(right))
        return right.made(StringTest, operator=_STRINGS[word], value=right.value)
    raise right.problem("cannot be converted: it should be a text, a number, a truth value or a date")


def _pattern(regex: Place) -> str:
    pattern = pattern_of(regex.text())
    if pattern is None:
        raise regex.problem("cannot be converted: of regular expressions only '.*', '.' and literal text can")
    return pattern


def _in(logic: str, rights: Sequence[object], at: Place) -> Test | None:
    operator = MembershipOperator.IN_LIST if logic == "or" else MembershipOperator.NOT_IN_LIST
    if all(isinstance(each, str) for each in rights):
        return at.made(StringInTest, operator=operator, values=tuple(rights))
    if all(map(is_number, rights)):
        return at.made(NumberInTest, operator=operator, values=tuple(rights))
    return None


def window_of(bounds: Sequence[Comparison], at: Place, *, of_events: bool = False) -> Window:
    """The window that dates bound from below, from above, or both.

    Args:
        of_events: these do not lie in the future, and an open past ends with the look-back.
    """
    by_operator = {each.operator: each for each in bounds}
    lower = by_operator.pop("greater_than_equal", None)
    (operator, upper), *more = by_operator.items() or [("", None)]
    if more or len(bounds) != (lower is not None) + (upper is not None):
        raise at.problem("cannot be converted: two dates should be a first and a last one")
    if operator == "less_than" and upper is not None:
        return _dates(_day(lower), _day(upper), at)
    if operator == "" and lower is not None and not _is_relative(lower):
        return AfterDate(date=_day(lower) or date.min, inclusive=True)
    return _recency(lower, operator, upper, at, of_events)


def _recency(lower: Comparison | None, operator: str, upper: Comparison | None, at: Place, of_events: bool) -> Window:
    if operator not in ("", "less_than_equal"):
        raise at.problem(f"cannot be converted: {operator} with this date")
    if not of_events and (lower is None or upper is None):
        raise at.problem("cannot be converted: dates relative to now are needed on both ends")
    older = duration_of(lower.right["date"]["relative"], -1) if lower else EVER
    newer = duration_of(upper.right["date"]["relative"], -1) if upper else None
    if newer is None or newer.amount == 0:
        return WithinLast(duration=older)
    return BetweenAgo(older=older, newer=newer)


def _dates(start: date | None, end: date | None, at: Place) -> Window:
    if end is None or end == date.min:
        raise at.problem("cannot be converted: no day ends before this")
    if start is None:
        return BeforeDate(date=end)
    last = end - _DAY
    return OnDate(date=start) if start == last else BetweenDates(start=start, end=last)


def _is_relative(bound: Comparison) -> bool:
    return "relative" in bound.right["date"]


def _day(bound: Comparison | None) -> date | None:
    if bound is None:
        return None
    absolute = bound.right.only("date")["date"].only("absolute")["absolute"]
    try:
        moment = datetime.fromisoformat(absolute.text())
        moment = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise absolute.problem("Input should be an ISO 8601 date") from error
    if moment.time() != time():
        raise absolute.problem("cannot be converted: it should be the first instant of a UTC day")
    return moment.date()


def duration_of(relative: Place, sign: int) -> Duration:
    """Args:
    sign: -1 for dates before now, 1 for dates after another event.
    """
    offset, unit = relative["offset"], relative["unit"]
    if not isinstance(offset.value, int) or isinstance(offset.value, bool) or offset.value * sign < 0:
        raise offset.problem(f"cannot be converted: it should be a whole number {'from' if sign > 0 else 'up to'} 0")
    amount = abs(offset.value)
    if unit.value == "second" and amount % _SECONDS == 0:
        return relative.made(Duration, amount=amount // _SECONDS, unit=Unit.MINUTES)
    word = unit.word(list(_UNITS))
    relative.only("offset", "unit", *(["relative_to"] if sign > 0 else []))
    return relative.made(Duration, amount=amount, unit=_UNITS[word])
