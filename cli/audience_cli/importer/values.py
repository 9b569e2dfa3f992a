"""How a column's values are read: numbers, times, booleans, lists and texts, each as the mapping says."""

import math
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache, partial
from typing import Any
from zoneinfo import ZoneInfo

from audience_cli.importer.mapping import Column, Constant, Multiply
from audience_cli.importer.sources import Block

# Values of one block, in its row order; null is None.
type Read = Callable[[Block], list[Any]]
type Convert = Callable[[Any], Any]

TRUTH = {"true": True, "yes": True, "y": True, "t": True, "1": True}
TRUTH |= {"false": False, "no": False, "n": False, "f": False, "0": False}
UNIT_MS = {"s": 1000.0, "ms": 1.0, "us": 0.001}
DECIMALS = 6


class UnreadableError(ValueError):
    """A value is not of the type the mapping says."""


def reader(value: Column | Constant | Multiply, instants: frozenset[str], zone: str) -> Read:
    """What turns a block into the value's list; rows that cannot be read are noted in the block.

    Args:
        instants: columns that already hold UTC milliseconds.
        zone: of times that name none.
    """
    match value:
        case Constant(constant=constant):
            return lambda block: [constant] * block.size
        case Multiply(multiply=(left, right), decimal=decimal):
            return partial(_products, left=number_reader(left, decimal), right=number_reader(right, decimal))
        case Column(column=name):
            convert = _conversion(value, name in instants, zone)
            return (lambda block: block.columns[name]) if convert is None else partial(_converted, name, convert)


def number_reader(name: str, decimal: str = ".") -> Read:
    return partial(_converted, name, partial(as_number, decimal=decimal))


def text_reader(read: Read) -> Read:
    return lambda block: [None if each is None else as_text(each) for each in read(block)]


def _conversion(column: Column, is_instant: bool, zone: str) -> Convert | None:
    if column.split is not None:
        return partial(_split, separator=column.split)
    match column.type:
        case None:
            return None
        case "text":
            return as_text
        case "number":
            return partial(as_number, decimal=column.decimal)
        case "integer":
            return partial(_as_integer, decimal=column.decimal)
        case "boolean":
            return _as_boolean
        case "time":
            return None if is_instant else partial(as_instant, pattern=column.format, zone=zone)


def _converted(name: str, convert: Convert, block: Block) -> list[Any]:
    values = block.columns[name]
    try:
        return [None if each is None else convert(each) for each in values]
    except UnreadableError:
        return [_convert_one(each, row, name, convert, block) for row, each in enumerate(values)]


def _convert_one(value: Any, row: int, name: str, convert: Convert, block: Block) -> Any:
    try:
        return None if value is None else convert(value)
    except UnreadableError as error:
        block.unreadable.setdefault(row, f"{name} is not {error}")
        return None


def _products(block: Block, left: Read, right: Read) -> list[Any]:
    pairs = zip(left(block), right(block), strict=True)
    return [None if a is None or b is None else round(a * b, DECIMALS) for a, b in pairs]


def as_text(value: Any) -> str:
    """Numbers as JSON writes them, but whole ones without a fraction; booleans as true and false."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def as_number(value: Any, decimal: str = ".") -> float:
    """An int where the text or value has no fraction.

    Raises:
        UnreadableError: it is no finite number.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = str(value).strip().replace("\N{NO-BREAK SPACE}", "").replace(" ", "")
    text = text.replace(",", "") if decimal == "." else text.replace(".", "").replace(",", ".")
    try:
        return int(text) if text.lstrip("+-").isdigit() else _finite(float(text))
    except ValueError:
        raise UnreadableError("a number") from None


def _finite(value: float) -> float:
    if not math.isfinite(value):
        raise ValueError
    return value


def _as_integer(value: Any, decimal: str) -> int:
    number = as_number(value, decimal)
    if number != int(number):
        raise UnreadableError("a whole number")
    return int(number)


def _as_boolean(value: Any) -> bool:
    found = TRUTH.get(as_text(value).strip().lower())
    if found is None:
        raise UnreadableError("true or false")
    return found


def _split(value: Any, separator: str) -> list[str]:
    return [part for each in as_text(value).split(separator) if (part := each.strip())]


def as_instant(value: Any, pattern: str | None, zone: str) -> int:
    """UTC milliseconds; a number counts milliseconds unless the pattern is "s" or "us".

    Raises:
        UnreadableError: it is no such time.
    """
    if pattern in UNIT_MS or isinstance(value, int | float):
        return round(as_number(value) * UNIT_MS.get(pattern or "ms", 1.0))
    return _parsed(str(value).strip(), pattern, zone)


# Rows of one visit or invoice repeat their time, and a pattern is slow to read.
@lru_cache(maxsize=4096)
def _parsed(text: str, pattern: str | None, zone: str) -> int:
    try:
        # A time without a zone gets that of the mapping in the next line.
        at = datetime.fromisoformat(text) if pattern is None else datetime.strptime(text, pattern)  # noqa: DTZ007
    except ValueError:
        raise UnreadableError("a time") from None
    at = at if at.tzinfo else at.replace(tzinfo=ZoneInfo(zone))
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1000 + since.microseconds // 1000
