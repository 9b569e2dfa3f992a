"""Turns pydantic's errors into (JSON pointer, what is wrong) pairs that name fields of what the caller sent."""

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any

type Problem = tuple[str, str]

# A caller mends them one by one; a hostile body could have a hundred thousand.
MAX_PROBLEMS = 100
_WORDS = (
    ("dictionary or object to extract fields from", "object"),
    ("dictionary", "object"),
    ("tuple", "list"),
    ("Tuple", "List"),
    (" after validation, not 0", ""),
    ("Value error, ", ""),
)


def problems_of(errors: Iterable[Mapping[str, Any]], sent: Any, prefix: str = "") -> tuple[Problem, ...]:
    """The first 100 problems.

    Args:
        errors: as `ValidationError.errors()` gives them.
        sent: the value that was validated, as parsed from JSON.
        prefix: pointer of that value in the caller's document.
    """
    some = islice(errors, 10 * MAX_PROBLEMS)
    found = [(pointer(prefix, *_path(error["loc"], sent)), _message(error)) for error in some]
    # A list whose items are all refused is also said to be empty.
    parents = {parent for path, _ in found for parent in _parents(path)}
    return tuple(each for each in found if each[0] not in parents)[:MAX_PROBLEMS]


def pointer(prefix: str, *path: str | int) -> str:
    """RFC 6901."""
    return prefix + "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def _parents(path: str) -> Iterator[str]:
    end = path.rfind("/")
    while end >= 0:
        yield path[:end]
        end = path.rfind("/", 0, end)


def _message(error: Mapping[str, Any]) -> str:
    """In the words of JSON: whoever wrote it knows nothing of tuples."""
    message: str = error["msg"]
    context = error.get("ctx") or {}
    if "expected_tags" in context:
        return f"'{context['tag']}' is none of {context['expected_tags']}"
    if error.get("type") == "union_tag_not_found":
        return "Field 'type' required"
    for python, json in _WORDS:
        message = message.replace(python, json)
    return message


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
