"""Single values from the wire: what is usable of them, within the limits of ingest."""

import json
import math
import re
from dataclasses import dataclass
from typing import Any

from audience_core.domain.event import AttributeValue, Scalar
from audience_core.evaluation.values import text_of

MAX_NAME_CHARS = 256
MAX_VALUE_CHARS = 4096
MAX_ELEMENT_CHARS = 512
MAX_ELEMENTS = 1000
MAX_ATTRIBUTES = 100
MAX_IDENTITY_CHARS = 256

_INT64 = range(-(2**63), 2**63)
_LATEST = 253_402_300_799_999  # the last millisecond of the year 9999
_INTEGER = re.compile(r"-?[0-9]{1,19}")
# Escapes such as \ud800 make half characters, which no UTF-8 encoder downstream could write.
_HALF_CHARACTERS = re.compile("[\ud800-\udfff]")


@dataclass(slots=True)
class Losses:
    """How many values of a batch were cut or left out; never which."""

    count: int = 0

    def cut(self, text: str, limit: int) -> str:
        """The text up to so many characters."""
        if len(text) <= limit:
            return text
        self.count += 1
        return text[:limit]


def mapping(value: Any) -> dict[str, Any]:
    """The value if it is an object, otherwise an empty one."""
    return value if isinstance(value, dict) else {}


def sequence(value: Any) -> list[Any]:
    """The value if it is a list, otherwise an empty one."""
    return value if isinstance(value, list) else []


def clean(text: str) -> str:
    return text if text.isascii() else _HALF_CHARACTERS.sub("\ufffd", text)


def text(value: Any) -> str:
    """Text, or the canonical JSON text of a number or truth value; "" of everything else."""
    return clean(text_of(value) or "") if isinstance(value, str | int | float) else ""


def instant(value: Any) -> int | None:
    """UTC ms from a number or its digits; None when that is no instant between 1970 and 9999."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 < value <= _LATEST else None


def int64(value: Any) -> int | None:
    """A signed 64-bit integer given as such or as its digits; never by way of a float, which would round it."""
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    is_integer = isinstance(value, int) and not isinstance(value, bool)
    return value if is_integer and value in _INT64 else None


def truth(value: Any) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().lower())
    return value if isinstance(value, bool) else None


def degrees(value: Any, limit: int) -> float | None:
    """A latitude or longitude: a finite number, or its text, of at most `limit` degrees either way."""
    try:
        number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        return None
    return number if abs(number) <= limit else None


def scalar(value: Any, losses: Losses, limit: int = MAX_VALUE_CHARS) -> Scalar:
    """A scalar within the limits; objects, lists and integers of more than 64 bits become their canonical JSON text."""
    if isinstance(value, str):
        return losses.cut(clean(value), limit)
    if value is None or isinstance(value, bool | float) or (isinstance(value, int) and value in _INT64):
        return value
    return losses.cut(clean(json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)), limit)


def event_attributes(given: Any, losses: Losses) -> dict[str, Scalar]:
    """The first 100 attributes in the order of their names."""
    return {name: scalar(value, losses) for name, value in _first_names(mapping(given), losses)}


def user_attributes(given: Any, losses: Losses) -> dict[str, AttributeValue]:
    """As `event_attributes`; lists of scalars stay lists, objects are left out."""
    attributes: dict[str, AttributeValue] = {}
    for name, value in _first_names(mapping(given), losses):
        if isinstance(value, dict):
            losses.count += 1
        else:
            attributes[name] = _elements(value, losses) if isinstance(value, list) else scalar(value, losses)
    return attributes


def names(given: Any, losses: Losses) -> tuple[str, ...]:
    """The distinct names of a list, in its order."""
    cut = (losses.cut(text(name), MAX_NAME_CHARS) for name in sequence(given))
    return tuple(dict.fromkeys(name for name in cut if name))


def _first_names(given: dict[str, Any], losses: Losses) -> list[tuple[str, Any]]:
    kept = sorted(name for name in given if name)
    losses.count += len(kept[MAX_ATTRIBUTES:])
    return [(losses.cut(clean(name), MAX_NAME_CHARS), given[name]) for name in kept[:MAX_ATTRIBUTES]]


def _elements(given: list[Any], losses: Losses) -> list[Scalar]:
    scalars = [value for value in given if not isinstance(value, dict | list)]
    losses.count += len(given) - len(scalars[:MAX_ELEMENTS])
    return [scalar(value, losses, MAX_ELEMENT_CHARS) for value in scalars[:MAX_ELEMENTS]]
