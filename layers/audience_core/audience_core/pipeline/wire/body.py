"""Reads a request body as strict JSON and measures its parts."""

import json
from typing import Any

from audience_core.errors import MalformedBatchError

# Clients nest five deep; whatever is far deeper would only exhaust the stack of those who read it later.
MAX_NESTING = 32


def parse(body: bytes) -> Any:
    """The JSON value of a UTF-8 body; numbers are finite. Raise `MalformedBatchError`."""
    try:
        value = json.loads(body.decode("utf-8-sig"), parse_constant=_refuse, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise MalformedBatchError("The request body is not valid JSON.") from error
    if _is_deeper(value, MAX_NESTING):
        raise MalformedBatchError(f"The request body is nested more than {MAX_NESTING} levels deep.")
    return value


def size_of(value: Any) -> int:
    """Bytes of the value as compact JSON: what it weighs in a queue, however the client laid it out."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return len(text.encode("utf-8", "backslashreplace"))


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("the number is too large")
    return number


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return any(isinstance(each, dict | list) for each in level)


def _children(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []
