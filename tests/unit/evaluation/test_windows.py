"""Where windows begin and end, and when an instant is inside."""

from datetime import UTC, date, datetime

import pytest

from audience_core.domain.ids import NEVER
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
from audience_core.evaluation.values import to_ms
from audience_core.evaluation.windows import event_span, instants_inside, milliseconds, span_of

HOUR, DAY = 3_600_000, 86_400_000
AT = to_ms(datetime(2018, 9, 9, 13, tzinfo=UTC))
MIDNIGHT = to_ms(datetime(2018, 9, 9, tzinfo=UTC))
THE_9TH = date(2018, 9, 9)


def days(amount: int) -> Duration:
    return Duration(amount=amount, unit=Unit.DAYS)


@pytest.mark.parametrize(
    ("unit", "length"), [(Unit.MINUTES, 60_000), (Unit.HOURS, HOUR), (Unit.DAYS, DAY), (Unit.WEEKS, 7 * DAY)]
)
def test_units_have_fixed_lengths(unit: Unit, length: int) -> None:
    assert milliseconds(Duration(amount=3, unit=unit)) == 3 * length


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        (WithinLast(duration=days(7)), AT, AT + 7 * DAY),
        (WithinLast(duration=days(0)), AT, AT),
        (BetweenAgo(older=days(6), newer=days(4)), AT + 4 * DAY, AT + 6 * DAY),
        (BetweenAgo(older=days(4), newer=days(4)), AT + 4 * DAY, AT + 4 * DAY),
    ],
)
def test_an_instant_is_inside_a_moving_window_for_a_while(window: Window, first: int, last: int) -> None:
    assert instants_inside(span_of(window), AT) == (first, last)


@pytest.mark.parametrize(
    ("window", "first", "last"),
    [
        (BeforeDate(date=THE_9TH), -NEVER, MIDNIGHT - 1),
        (AfterDate(date=THE_9TH), MIDNIGHT + DAY, NEVER),
        (AfterDate(date=THE_9TH, inclusive=True), MIDNIGHT, NEVER),
        (OnDate(date=THE_9TH), MIDNIGHT, MIDNIGHT + DAY - 1),
        (BetweenDates(start=date(2018, 9, 7), end=THE_9TH), MIDNIGHT - 2 * DAY, MIDNIGHT + DAY - 1),
        (OnDate(date=date.max), to_ms(datetime(9999, 12, 31, tzinfo=UTC)), 253_402_300_799_999),
        (AfterDate(date=date.max), 253_402_300_800_000, NEVER),
        (BeforeDate(date=date.min), -NEVER, -62_135_596_800_001),
    ],
)
def test_fixed_windows_hold_for_all_time(window: Window, first: int, last: int) -> None:
    span = span_of(window)

    assert (span.first, span.last, span.is_moving) == (first, last, False)
    assert instants_inside(span, max(first, -DAY * 10**6)) == (-NEVER, NEVER)
    assert instants_inside(span, first - 1) is None
    assert instants_inside(span, last + 1) is None


@pytest.mark.parametrize(
    ("window", "inside"),
    [
        (WithinLast(duration=days(7)), (AT, AT + 7 * DAY)),
        (WithinLast(duration=days(90)), (AT, AT + 30 * DAY)),
        (BetweenAgo(older=days(60), newer=days(10)), (AT + 10 * DAY, AT + 30 * DAY)),
        (BetweenAgo(older=days(60), newer=days(30)), (AT + 30 * DAY, AT + 30 * DAY)),
        (BetweenAgo(older=days(60), newer=days(31)), None),
        (OnDate(date=THE_9TH), (AT, AT + 30 * DAY)),
        (OnDate(date=date(2018, 9, 8)), None),
        (AfterDate(date=date(2018, 1, 1)), (AT, AT + 30 * DAY)),
    ],
)
def test_events_are_seen_from_their_instant_to_the_end_of_the_look_back(
    window: Window, inside: tuple[int, int] | None
) -> None:
    assert instants_inside(event_span(window, 30 * DAY), AT) == inside
