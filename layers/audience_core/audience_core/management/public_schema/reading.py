"""Reads parsed JSON with its place in the document at hand, so that every problem names it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from audience_core.domain.windows import Node
from audience_core.errors import InvalidDefinitionError
from audience_core.management.problems import pointer
from audience_core.management.public_schema.vocabulary import unsayable

_MAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class Place:
    """A value and the JSON pointer to it."""

    value: Any
    path: str = ""

    def __getitem__(self, name: str) -> "Place":
        if not isinstance(self.value, dict) or name not in self.value:
            raise self.problem(f"Field '{name}' required")
        return Place(self.value[name], pointer(self.path, name))

    def __contains__(self, name: str) -> bool:
        return isinstance(self.value, dict) and name in self.value

    def items(self) -> "list[Place]":
        if not isinstance(self.value, list):
            raise self.problem("Input should be a valid list")
        if self.path.count("/") > _MAX_STEPS:
            raise self.problem("nested too deep")
        return [Place(each, pointer(self.path, place)) for place, each in enumerate(self.value)]

    def only(self, *names: str) -> "Place":
        """Itself, if it is an object without other fields."""
        if not isinstance(self.value, dict):
            raise self.problem("Input should be a valid object")
        for name in self.value:
            if name not in names:
                raise Place(None, pointer(self.path, name)).problem("cannot be converted")
        return self

    def word(self, words: Sequence[str]) -> str:
        if not isinstance(self.value, str) or self.value not in words:
            raise self.problem(f"cannot be converted: it should be one of {', '.join(words)}")
        return self.value

    def text(self) -> str:
        if not isinstance(self.value, str):
            raise self.problem("Input should be a valid string")
        return self.value

    def made[T: Node](self, node: type[T], /, **fields: Any) -> T:
        """A part of a definition made of what stands here."""
        try:
            return node(**fields)
        except ValidationError as error:
            raise self.problem(error.errors()[0]["msg"]) from error

    def problem(self, what: str) -> InvalidDefinitionError:
        return unsayable(self.path, what)


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
