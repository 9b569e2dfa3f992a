"""How a stored value is read as text, number, truth value or instant; every evaluator reads it here."""

import math
import re
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, Decimal
from functools import lru_cache

from audience_core.domain.event import AttributeValue

# Numbers are integers of millionths, so that sums are exact and do not depend on order (docs/semantics.md).
MICROS = 1_000_000
MAX_MICROS = 10**12 * MICROS
MISSING = object()

_NUMBER = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_LIMIT = Decimal(MAX_MICROS // MICROS)
_MILLIONTH = Decimal("0.000001")
_MIN_DIGITS_OF_MS = 11
_DIGITS_OF_INT64 = 19
_EXACT_AS_FLOAT = 2.0**53
_WITHOUT_EXPONENT = (1e-6, 1e21)


def text_of(value: AttributeValue) -> str | None:
    """Canonical JSON text of a scalar, numbers as JavaScript writes them (RFC 8785); None for null and the rest."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _text_of_float(value)
        case _:
            return None


def _text_of_float(value: float) -> str:
    if value.is_integer() and abs(value) < _EXACT_AS_FLOAT:
        return str(int(value))
    if _WITHOUT_EXPONENT[0] <= abs(value) < _WITHOUT_EXPONENT[1]:
        return f"{Decimal(repr(value)):f}".removesuffix(".0")
    return repr(value).replace("e-0", "e-")


def micros_of(value: AttributeValue) -> int | None:
    """The value in millionths, rounded half to even; None if it is no decimal number of at most 10**12."""
    # Sums ask this of every event: comparing types is five times as fast as matching patterns.
    kind = type(value)
    if kind is float:
        return _micros_of_float(value)  # type: ignore[arg-type]  # it is one
    if kind is str:
        return _micros_of_text(value)  # type: ignore[arg-type]  # it is one
    return _micros_of_int(value) if kind is int else None  # type: ignore[arg-type]  # it is one


def _micros_of_int(value: int) -> int | None:
    micros = value * MICROS
    return micros if -MAX_MICROS <= micros <= MAX_MICROS else None


@lru_cache(maxsize=65_536)
def _micros_of_float(value: float) -> int | None:
    return _scaled(Decimal(repr(value))) if math.isfinite(value) else None


@lru_cache(maxsize=65_536)
def _micros_of_text(text: str) -> int | None:
    stripped = text.strip(" \t\r\n")
    return _scaled(Decimal(stripped)) if _NUMBER.fullmatch(stripped) else None


def _scaled(number: Decimal) -> int | None:
    # Arithmetic on a decimal of more than 28 digits would round it a first time; comparing and quantizing do not.
    if not -_LIMIT <= number <= _LIMIT:
        return None
    return int(number.quantize(_MILLIONTH, ROUND_HALF_EVEN) * MICROS)


def truth_of(value: AttributeValue) -> bool | None:
    """True or false, also from the texts "true" and "false" in any case."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.strip().casefold())
    return None


def instant_of(value: AttributeValue) -> int | None:
    """UTC ms from ISO 8601 text (no zone: UTC; a date: its first instant) or a number of milliseconds."""
    match value:
        case bool() | None:
            return None
        case int():
            return value
        case float():
            return int(value) if math.isfinite(value) else None
        case str():
            return _instant_of_text(value)
        case _:
            return None


@lru_cache(maxsize=65_536)
def _instant_of_text(text: str) -> int | None:
    stripped = text.strip()
    if stripped.isascii() and stripped.isdigit() and len(stripped) >= _MIN_DIGITS_OF_MS:
        return int(stripped) if len(stripped) < _DIGITS_OF_INT64 else None
    try:
        moment = datetime.fromisoformat(stripped)
    except ValueError:
        return None
    return to_ms(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def to_ms(moment: datetime) -> int:
    """UTC ms of an aware datetime, exactly (no float between)."""
    since = moment - _EPOCH
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000
