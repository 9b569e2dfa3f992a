"""The parts of a criterion in plain English: windows, tests of values, frequencies, choices of events."""

from collections.abc import Sequence
from typing import assert_never

from audience_core.domain.definition import CountBetween, EventKind, EventSelector, Frequency
from audience_core.domain.value_tests import (
    BooleanTest,
    Condition,
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
from audience_core.domain.windows import (
    AfterDate,
    BeforeDate,
    BetweenAgo,
    BetweenDates,
    Duration,
    OnDate,
    Window,
    WithinLast,
)
from audience_core.evaluation.values import text_of

_MAX_SHOWN = 5
_KINDS = {
    EventKind.CUSTOM: "custom event",
    EventKind.COMMERCE: "commerce event",
    EventKind.SCREEN_VIEW: "screen view",
    EventKind.SESSION_START: "session start",
    EventKind.SESSION_END: "session end",
    EventKind.CRASH: "crash",
    EventKind.INSTALL: "install",
    EventKind.UPGRADE: "upgrade",
    EventKind.UNINSTALL: "uninstall",
    EventKind.ATTRIBUTION: "attribution",
    EventKind.PUSH_OPENED: "opened push message",
}
_NUMBERS = {
    NumberOperator.EQUALS: "equal to",
    NumberOperator.NOT_EQUALS: "other than",
    NumberOperator.GREATER_THAN: "more than",
    NumberOperator.GREATER_OR_EQUAL: "at least",
    NumberOperator.LESS_THAN: "less than",
    NumberOperator.LESS_OR_EQUAL: "at most",
}
_FREQUENCIES = {
    **_NUMBERS,
    NumberOperator.EQUALS: "exactly",
    NumberOperator.NOT_EQUALS: "any number of times but",
    NumberOperator.LESS_THAN: "fewer than",
}
_TEXTS = {
    StringOperator.EQUALS: "is",
    StringOperator.NOT_EQUALS: "is not",
    StringOperator.CONTAINS: "contains",
    StringOperator.NOT_CONTAINS: "does not contain",
    StringOperator.STARTS_WITH: "starts with",
    StringOperator.NOT_STARTS_WITH: "does not start with",
    StringOperator.ENDS_WITH: "ends with",
    StringOperator.NOT_ENDS_WITH: "does not end with",
    StringOperator.PATTERN: "matches the pattern",
    StringOperator.NOT_PATTERN: "does not match the pattern",
}
_LISTS = {
    ListOperator.INCLUDES: "is a list that includes",
    ListOperator.NOT_INCLUDES: "is a list that does not include",
    ListOperator.PARTIAL_MATCH: "is a list with an element that contains",
    ListOperator.NOT_PARTIAL_MATCH: "is a list with no element that contains",
}
_PRESENCE = {
    PresenceOperator.EXISTS: "is known",
    PresenceOperator.NOT_EXISTS: "is not known",
    PresenceOperator.EMPTY: "is known but empty",
    PresenceOperator.NOT_EMPTY: "is known and not empty",
}


def quoted(text: str) -> str:
    return f"“{text}”"


def number(value: float) -> str:
    """Whole numbers without a fraction."""
    return text_of(value) or ""


def duration_phrase(duration: Duration) -> str:
    unit = duration.unit.value
    return f"{duration.amount} {unit[:-1] if duration.amount == 1 else unit}"


def window_phrase(window: Window) -> str:
    """When, as it follows a verb: "in the last 30 days"."""
    match window:
        case WithinLast(duration=duration):
            return f"in the last {duration_phrase(duration)}"
        case BetweenAgo(older=older, newer=newer):
            return f"between {duration_phrase(older)} and {duration_phrase(newer)} ago"
        case BeforeDate(date=day):
            return f"before {day.isoformat()}"
        case AfterDate(date=day, inclusive=inclusive):
            return f"on or after {day.isoformat()}" if inclusive else f"after {day.isoformat()}"
        case OnDate(date=day):
            return f"on {day.isoformat()}"
        case BetweenDates(start=start, end=end):
            return f"from {start.isoformat()} to {end.isoformat()}"
        case _:
            assert_never(window)


def test_phrase(test: Test) -> str:  # noqa: C901  (one arm per kind of test)
    """What a test says of a value, beginning with a verb: "is at least 3"."""
    match test:
        case PresenceTest(operator=presence):
            return _PRESENCE[presence]
        case StringTest(operator=text, value=value):
            return f"{_TEXTS[text]} {quoted(value)}"
        case StringInTest(operator=operator, values=values):
            return _one_of(operator, [quoted(each) for each in values])
        case NumberTest(operator=comparison, value=amount):
            return f"is {_NUMBERS[comparison]} {number(amount)}"
        case NumberInTest(operator=operator, values=amounts):
            return _one_of(operator, [number(each) for each in amounts])
        case NumberBetweenTest(min=low, max=high):
            return f"is from {number(low)} to {number(high)}"
        case BooleanTest(value=truth):
            return f"is {'true' if truth else 'false'}"
        case DateTest(window=window):
            return f"is a date {window_phrase(window)}"
        case ListTest(operator=membership, value=value):
            return f"{_LISTS[membership]} {quoted(value)}"
        case _:
            assert_never(test)


def frequency_phrase(frequency: Frequency) -> str:
    match frequency:
        case CountBetween(min=low, max=high):
            return f"from {low} to {high} times"
        case _:
            return f"{_FREQUENCIES[frequency.operator]} {_times(frequency.value)}"


def events_phrase(selector: EventSelector) -> str:
    """Which events: “buy” custom event where “price” is more than 50, ..."""
    name = f" {quoted(selector.name)}" if selector.name is not None else ""
    clauses = []
    if selector.where:
        clauses.append(" and ".join(map(condition_phrase, selector.where)))
    if selector.products:
        clauses.append(f"one product of it has {' and '.join(map(condition_phrase, selector.products))}")
    conditions = f" (where {', and '.join(clauses)})" if clauses else ""
    return f"{_KINDS[selector.kind]}{name}{conditions}"


def condition_phrase(condition: Condition) -> str:
    return f"{quoted(condition.attribute)} {test_phrase(condition.test)}"


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count} times"


def _one_of(operator: MembershipOperator, values: list[str]) -> str:
    more = f" and {len(values) - _MAX_SHOWN} more" if len(values) > _MAX_SHOWN else ""
    verb = "is one of" if operator is MembershipOperator.IN_LIST else "is none of"
    return f"{verb} {', '.join(values[:_MAX_SHOWN])}{more}"


def listed(words: Sequence[str], conjunction: str) -> str:
    """ "a, b or c"."""
    return f" {conjunction} ".join(filter(None, [", ".join(words[:-1]), words[-1]])) if words else ""
