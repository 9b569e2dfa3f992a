"""Turns pydantic's errors into (JSON pointer, what is wrong) pairs that name fields of what the caller sent."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

type Problem = tuple[str, str]


def problems_of(errors: Iterable[Mapping[str, Any]], sent: Any, prefix: str = "") -> tuple[Problem, ...]:
    """Args:
    errors: as `ValidationError.errors()` gives them.
    sent: the value that was validated, as parsed from JSON.
    prefix: pointer of that value in the caller's document.
    """
    found = [(pointer(prefix, *_path(error["loc"], sent)), error["msg"]) for error in errors]
    # A list whose items are all refused is also said to be empty.
    return tuple(each for each in found if not any(other.startswith(f"{each[0]}/") for other, _ in found))


def pointer(prefix: str, *path: str | int) -> str:
    """RFC 6901."""
    return prefix + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _path(loc: Iterable[str | int], sent: Any) -> Iterator[str | int]:
    """The path without the tags that pydantic adds where it chose a member of a union by its `type`."""
    value, is_tag_possible = sent, True
    for step in loc:
        if is_tag_possible and isinstance(value, dict) and value.get("type") == step:
            is_tag_possible = False
            continue
        yield step
        value, is_tag_possible = _child(value, step), True


def _child(value: Any, step: str | int) -> Any:
    if isinstance(value, dict):
        return value.get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(value):
        return value[step]
    return None
