"""Tests of one value: what a definition asks of an attribute, by the type it is read as."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from audience_core.domain.windows import Flag, Name, Node, Number, Text, Window


class PresenceOperator(StrEnum):
    """Whether an attribute is there at all, and whether what is there says nothing."""

    EXISTS = "exists"
    NOT_EXISTS = "not_exists"
    EMPTY = "empty"
    NOT_EMPTY = "not_empty"


class StringOperator(StrEnum):
    """How to compare texts; each `not_` is the opposite for a value that is there."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    CONTAINS = "contains"
    NOT_CONTAINS = "not_contains"
    STARTS_WITH = "starts_with"
    NOT_STARTS_WITH = "not_starts_with"
    ENDS_WITH = "ends_with"
    NOT_ENDS_WITH = "not_ends_with"
    PATTERN = "pattern"
    NOT_PATTERN = "not_pattern"


class MembershipOperator(StrEnum):
    """One of the given values, or none of them."""

    IN_LIST = "in_list"
    NOT_IN_LIST = "not_in_list"


class NumberOperator(StrEnum):
    """How to compare numbers."""

    EQUALS = "equals"
    NOT_EQUALS = "not_equals"
    GREATER_THAN = "greater_than"
    GREATER_OR_EQUAL = "greater_or_equal"
    LESS_THAN = "less_than"
    LESS_OR_EQUAL = "less_or_equal"


class ListOperator(StrEnum):
    """Whether an element is, or contains, a text."""

    INCLUDES = "includes"
    NOT_INCLUDES = "not_includes"
    PARTIAL_MATCH = "partial_match"
    NOT_PARTIAL_MATCH = "not_partial_match"


class PresenceTest(Node):
    """Whether there is a value, and whether it is "", [] or null."""

    type: Literal["presence"] = "presence"
    operator: PresenceOperator


class StringTest(Node):
    """Compares NFC and casefolded text; in `pattern`, `*` is any run, `?` any one character, `\\` escapes."""

    type: Literal["string"] = "string"
    operator: StringOperator
    value: Text


class StringInTest(Node):
    """Equal to one of the values, or to none of them."""

    type: Literal["string_in"] = "string_in"
    operator: MembershipOperator = MembershipOperator.IN_LIST
    values: Annotated[tuple[Text, ...], Field(min_length=1, max_length=1000)]


class NumberTest(Node):
    """Compares as decimals; a value that is no number makes it false."""

    type: Literal["number"] = "number"
    operator: NumberOperator
    value: Number


class NumberInTest(Node):
    """Equal to one of the values, or to none of them."""

    type: Literal["number_in"] = "number_in"
    operator: MembershipOperator = MembershipOperator.IN_LIST
    values: Annotated[tuple[Number, ...], Field(min_length=1, max_length=1000)]


class NumberBetweenTest(Node):
    """min <= value <= max."""

    type: Literal["number_between"] = "number_between"
    min: Number
    max: Number


class BooleanTest(Node):
    """The value is that truth value; the texts "true" and "false" count as such."""

    type: Literal["boolean"] = "boolean"
    value: Flag


class DateTest(Node):
    """The value is an instant inside the window: ISO 8601 text (no zone: UTC) or a number of UTC milliseconds."""

    type: Literal["date"] = "date"
    window: Window


class ListTest(Node):
    """A list has an element equal to the text (or containing it), or has none such."""

    type: Literal["list"] = "list"
    operator: ListOperator
    value: Text


Test = Annotated[
    PresenceTest
    | StringTest
    | StringInTest
    | NumberTest
    | NumberInTest
    | NumberBetweenTest
    | BooleanTest
    | DateTest
    | ListTest,
    Field(discriminator="type"),
]


class Condition(Node):
    """One attribute and the test its value must pass."""

    attribute: Name
    test: Test
