"""What both languages have words for: operators, paths, units (docs/public-schema.md)."""

from typing import Any

from audience_core.domain.definition import AggregateFunction
from audience_core.domain.value_tests import NumberOperator, StringOperator
from audience_core.domain.windows import Duration, Unit
from audience_core.errors import InvalidDefinitionError

type Json = dict[str, Any]

SCHEMA_VERSION = "1.0"
USER: Json = {"model": "user"}

STRING_OPERATORS: dict[StringOperator, str] = {
    operator: operator.value
    for operator in StringOperator
    if operator not in (StringOperator.PATTERN, StringOperator.NOT_PATTERN)
}
NUMBER_OPERATORS = {
    NumberOperator.EQUALS: "equals",
    NumberOperator.NOT_EQUALS: "not_equals",
    NumberOperator.GREATER_THAN: "greater_than",
    NumberOperator.GREATER_OR_EQUAL: "greater_than_equal",
    NumberOperator.LESS_THAN: "less_than",
    NumberOperator.LESS_OR_EQUAL: "less_than_equal",
}
FUNCTIONS = {
    AggregateFunction.SUM: "sum",
    AggregateFunction.MIN: "min",
    AggregateFunction.MAX: "max",
    AggregateFunction.AVERAGE: "avg",
}
UNITS = {Unit.MINUTES: "minute", Unit.HOURS: "hour", Unit.DAYS: "day", Unit.WEEKS: "week"}

# Paths of the model "user"; a name follows those that end with a dot.
ATTRIBUTES, IDENTITIES, DEVICES = "attributes.", "identities.", "devices."
LOCATION, ATTRIBUTION, CONSENT = "location.", "attribution.", "consent."
FIRST_SEEN, LAST_SEEN = "first_seen", "last_seen"


def user(path: str) -> Json:
    return {"model": "user", "path": path}


def event(path: str) -> Json:
    return {"model": "events", "path": path}


def offset(duration: Duration, sign: int = -1) -> Json:
    """So long ago, or for `sign` 1 so long after."""
    return {"offset": sign * duration.amount, "unit": UNITS[duration.unit]}


def unsayable(path: str, what: str) -> InvalidDefinitionError:
    return InvalidDefinitionError("the definition cannot be converted", ((path, what),))
