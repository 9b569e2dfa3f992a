"""How the oracle reads values, instants and places; it shares no code with the real evaluators."""

import math
import re
import unicodedata
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any

from audience_core.domain import windows as w
from audience_core.domain.event import Event

MINUTES = {"minutes": 1, "hours": 60, "days": 24 * 60, "weeks": 7 * 24 * 60}
LIMIT = Decimal(10) ** 12


def length(duration: w.Duration) -> int:
    return duration.amount * MINUTES[duration.unit] * 60_000


def midnight(day: Any) -> int:
    return (datetime.combine(day, time(), UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def compare(operator: str, a: Any, b: Any) -> bool:
    answers: dict[str, bool] = {
        "equals": a == b,
        "not_equals": a != b,
        "greater_than": a > b,
        "greater_or_equal": a >= b,
        "less_than": a < b,
        "less_or_equal": a <= b,
    }
    return answers[operator]


def values_of(event: Event, attribute: str) -> list[Any]:
    if attribute.startswith("products."):
        name = attribute[len("products.") :]
        return [product[name] for product in event.products if name in product]
    return [event.attributes[attribute]] if attribute in event.attributes else []


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return as_javascript(value)
    return None if value is None or isinstance(value, list | dict) else str(value)


def as_javascript(value: float) -> str:
    """The steps of ECMAScript's Number::toString."""
    if value == 0:
        return "0"
    sign, places, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, k = "".join(map(str, places)), len(places)
    n = int(exponent) + k
    if k <= n <= 21:
        text = digits + "0" * (n - k)
    elif 0 < n <= 21:
        text = f"{digits[:n]}.{digits[n:]}"
    elif -6 < n <= 0:
        text = f"0.{'0' * -n}{digits}"
    else:
        text = f"{digits[0]}{'.' if k > 1 else ''}{digits[1:]}e{'+' if n > 0 else '-'}{abs(n - 1)}"
    return f"{'-' if sign else ''}{text}"


def rounded(value: Any) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)


def as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        value = value.strip(" \t\r\n")
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", value):
            return None
        number = Decimal(value)
    elif isinstance(value, float) and not math.isfinite(value):
        return None
    else:
        number = Decimal(repr(value))
    return None if not -LIMIT <= number <= LIMIT else number.quantize(Decimal("0.000001"), ROUND_HALF_EVEN)


def as_truth(value: Any) -> bool | None:
    if isinstance(value, str) and value.strip().casefold() in ("true", "false"):
        return value.strip().casefold() == "true"
    return value if isinstance(value, bool) else None


def as_instant(value: Any) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return math.trunc(value) if math.isfinite(value) else None
    value = value.strip()
    if re.fullmatch(r"[0-9]{11,}", value):
        return int(value) if len(value) <= 18 else None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def text_matches(operator: str, text: str, wanted: str) -> bool:
    match operator:
        case "equals":
            return text == fold(wanted)
        case "contains":
            return fold(wanted) in text
        case "starts_with":
            return text.startswith(fold(wanted))
        case "ends_with":
            return text.endswith(fold(wanted))
        case "pattern":
            return glob(tokens(wanted), text)
    raise AssertionError(operator)


def tokens(pattern: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    rest = list(unicodedata.normalize("NFC", pattern))
    while rest:
        character = rest.pop(0)
        if character in "*?":
            found.append((character, ""))
        else:
            literal = (rest.pop(0) if rest else "\\") if character == "\\" else character
            found += [("=", each) for each in fold(literal)]
    return tuple(found)


def glob(pattern: tuple[tuple[str, str], ...], text: str) -> bool:
    @cache
    def matches(p: int, t: int) -> bool:
        if p == len(pattern):
            return t == len(text)
        kind, character = pattern[p]
        if kind == "*":
            return matches(p + 1, t) or (t < len(text) and matches(p, t + 1))
        return t < len(text) and (kind == "?" or text[t] == character) and matches(p + 1, t + 1)

    return matches(0, 0)


def unit_vector(latitude: float, longitude: float) -> tuple[float, float, float]:
    phi, theta = math.radians(latitude), math.radians(longitude)
    return math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)


def cross(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float]:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
