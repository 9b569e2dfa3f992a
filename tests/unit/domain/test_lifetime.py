"""What a calculation costs, and which instants a range of days holds."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from audience_core.domain.lifetime import DateRange, credits_of


def days(text: str) -> tuple[date, date]:
    start, _, end = text.partition("..")
    return date.fromisoformat(start), date.fromisoformat(end)


@pytest.mark.parametrize(
    ("stretches", "cost"),
    [
        (["2018-01-01..2020-01-01"], 2),
        (["2019-01-01..2019-12-31"], 1),
        (["2019-05-05..2019-05-05"], 1),
        (["2019-01-01..2020-01-02"], 2),
        # Days that several audiences read count once.
        (["2019-01-01..2019-12-31", "2019-03-01..2019-06-01"], 1),
        (["2019-01-01..2019-12-31", "2019-06-01..2020-06-01"], 2),
        (["2018-01-01..2018-12-31", "2019-01-01..2019-12-31"], 2),
        (["2018-01-01..2018-12-31", "2019-01-01..2019-01-02"], 2),
        # Days that nobody reads count for nothing.
        (["2010-01-01..2010-06-01", "2020-01-01..2020-06-01"], 1),
        (["2020-01-01..2020-12-31", "2010-01-01..2010-12-31"], 2),
    ],
)
def test_a_credit_is_a_year_of_days_that_are_read(stretches: list[str], cost: int) -> None:
    assert credits_of(map(days, stretches)) == cost


def test_a_range_begins_with_its_first_day_and_ends_with_its_last() -> None:
    first, last = DateRange(start=date(2019, 5, 5), end=date(2019, 5, 5)).instants

    assert datetime.fromtimestamp(first / 1000, UTC) == datetime(2019, 5, 5, tzinfo=UTC)
    assert datetime.fromtimestamp((last + 1) / 1000, UTC) == datetime(2019, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    ("given", "within"),
    [
        ({}, "2018-03-01..2019-03-01"),
        ({"start": "2018-06-01"}, "2018-06-01..2019-03-01"),
        ({"end": "2018-06-01"}, "2018-03-01..2018-06-01"),
        ({"start": "2010-01-01", "end": "2030-01-01"}, "2018-03-01..2019-03-01"),
        ({"start": "2019-03-02"}, None),
        ({"end": "2018-02-28"}, None),
    ],
)
def test_of_a_range_counts_what_lies_within_the_data(given: dict[str, Any], within: str | None) -> None:
    found = DateRange.model_validate(given).within(date(2018, 3, 1), date(2019, 3, 1))

    assert found == (None if within is None else days(within))
