"""How single values are read."""

from typing import Any

import pytest

from audience_cli.importer.mapping import Column, Multiply
from audience_cli.importer.sources import Block
from audience_cli.importer.values import as_instant, as_number, as_text, reader


def read(column: Column | Multiply, **columns: list[Any]) -> tuple[list[Any], dict[int, str]]:
    block = Block(0, len(next(iter(columns.values()))), columns)
    return reader(column, frozenset(), "UTC")(block), block.unreadable


@pytest.mark.parametrize(
    ("text", "decimal", "value"),
    [("6", ".", 6), ("1,234.50", ".", 1234.5), ("1.234,50", ",", 1234.5), ("-3", ".", -3), ("1e3", ".", 1000.0)],
)
def test_numbers_are_read_with_their_decimal_mark(text: str, decimal: str, value: float) -> None:
    assert as_number(text, decimal) == value


@pytest.mark.parametrize(
    ("text", "pattern", "zone", "value"),
    [
        ("2011-12-09 12:50:00", None, "UTC", 1_323_435_000_000),
        ("2011-12-09T12:50:00+02:00", None, "UTC", 1_323_427_800_000),
        ("2011-12-09T12:50:00", None, "Asia/Tokyo", 1_323_402_600_000),
        ("9/12/2011 12:50", "%d/%m/%Y %H:%M", "UTC", 1_323_435_000_000),
        (1_323_435_000_123, None, "UTC", 1_323_435_000_123),
        ("1323435000", "s", "UTC", 1_323_435_000_000),
        ("1969-12-31T23:59:59.999", None, "UTC", -1),
    ],
)
def test_times_are_utc_milliseconds(text: str, pattern: str | None, zone: str, value: int) -> None:
    assert as_instant(text, pattern, zone) == value


@pytest.mark.parametrize(("value", "text"), [(17850, "17850"), (17850.0, "17850"), (1.5, "1.5"), (True, "true")])
def test_identifiers_are_written_as_people_know_them(value: object, text: str) -> None:
    assert as_text(value) == text


def test_what_cannot_be_read_is_noted_for_its_row() -> None:
    values, unreadable = read(Column(column="n", type="number"), n=["1", "many", None])

    assert values == [1, None, None]
    assert unreadable == {1: "n is not a number"}


def test_truth_is_told_by_its_usual_words() -> None:
    values, unreadable = read(Column(column="b", type="boolean"), b=["Yes", "0", True, "maybe"])

    assert values == [True, False, True, None]
    assert unreadable == {3: "b is not true or false"}


def test_a_product_is_rounded_to_six_decimals() -> None:
    values, _ = read(Multiply(multiply=("q", "p")), q=["3", None], p=["0.1", "2"])

    assert values == [0.3, None]
