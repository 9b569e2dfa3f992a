"""Reads a definition of the public audience-definition schema, where this product can say the same."""

import re
from collections.abc import Sequence
from typing import Any

from audience_core.domain.definition import (
    AggregateCriterion,
    AllOf,
    AnyOf,
    AudienceMembershipCriterion,
    Compare,
    ConsentCriterion,
    CountBetween,
    Criterion,
    Definition,
    DeviceCriterion,
    EventCriterion,
    FirstSeenCriterion,
    IdentityCriterion,
    InstallAttributionCriterion,
    LastSeenCriterion,
    LocationCriterion,
    Not,
    Occurrence,
    OccurrenceCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.value_tests import (
    DateTest,
    NumberBetweenTest,
    NumberTest,
    PresenceOperator,
    PresenceTest,
    Test,
)
from audience_core.management.public_schema.comparisons import Comparison, test_of
from audience_core.management.public_schema.reading import Place
from audience_core.management.public_schema.selectors import condition_of, sequence_of, window_or_ever
from audience_core.management.public_schema.vocabulary import (
    ATTRIBUTES,
    ATTRIBUTION,
    CONSENT,
    DEVICES,
    FIRST_SEEN,
    FUNCTIONS,
    IDENTITIES,
    LAST_SEEN,
    LOCATION,
)

_FUNCTIONS = {word: function for function, word in FUNCTIONS.items()}
_OCCURRENCES = {"min": Occurrence.FIRST, "max": Occurrence.LAST}
_SEEN: dict[str, type[FirstSeenCriterion] | type[LastSeenCriterion]] = {
    FIRST_SEEN: FirstSeenCriterion,
    LAST_SEEN: LastSeenCriterion,
}
# What a path of the user begins with -> the criterion, and its field that takes the rest of the path.
_OF_USER: dict[str, tuple[type[Any], str]] = {
    ATTRIBUTES: (UserAttributeCriterion, "attribute"),
    IDENTITIES: (IdentityCriterion, "identity_type"),
    DEVICES: (DeviceCriterion, "field"),
    LOCATION: (LocationCriterion, "field"),
    ATTRIBUTION: (InstallAttributionCriterion, "field"),
}


def from_public(document: Any) -> Definition:
    """The definition that a document of the public schema holds.

    Raises:
        InvalidDefinitionError: it is none, or says what this product cannot; the problem's path is a JSON pointer.
    """
    place = Place(document).only("schema_version", "audience")
    version = place["schema_version"].text()
    if version.split(".")[0] != "1":
        raise place["schema_version"].problem("only version 1 can be read")
    return Definition(root=_expression(place["audience"]))


def _expression(place: Place) -> Criterion:
    match place["operator"].value:
        case "and" | "or":
            return _logical(place)
        case "then":
            return sequence_of(place)
        case "in" | "not_in":
            return _membership(place)
        case "exists" | "not_exists":
            operand = place.only("operator", "operand")["operand"]
            return _of_user(operand, PresenceTest(operator=PresenceOperator(place["operator"].value)))
        case _ if "left" in place:
            found = _leaf("and", [Comparison(place.only("operator", "left", "right"))], place)
            if found is None:
                raise place.problem("cannot be converted")
            return found
        case _:
            raise place["operator"].problem("cannot be converted")


def _logical(place: Place) -> Criterion:
    logic, parts = place["operator"].value, place.only("operator", "expressions")["expressions"].items()
    if not parts:
        raise place["expressions"].problem("List should have at least 1 item")
    if len(parts) == 1:
        return _expression(parts[0])
    lefts = [part.value.get("left") if isinstance(part.value, dict) else None for part in parts]
    if lefts[0] is not None and all(left == lefts[0] for left in lefts):
        one = _leaf(logic, [Comparison(part.only("operator", "left", "right")) for part in parts], place)
        if one is not None:
            return one
    criteria = tuple(_expression(part) for part in parts)
    return AllOf(criteria=criteria) if logic == "and" else AnyOf(criteria=criteria)


def _leaf(logic: str, comparisons: Sequence[Comparison], place: Place) -> Criterion | None:
    """One criterion over one operand; None if the comparisons have to stay several."""
    left = comparisons[0].left
    if any(each.operator in ("in", "not_in") for each in comparisons):
        return None
    if "operator" in left:
        return _aggregated(left, logic, comparisons, place)
    test = test_of(logic, comparisons, place)
    return None if test is None else _of_user(left, test)


def _membership(place: Place) -> Criterion:
    place.only("operator", "left", "right")
    if place["left"].value != {"model": "user"}:
        raise place["left"].problem('cannot be converted: it should be {"model": "user"}')
    audience = place["right"].only("audience")["audience"]
    if not re.fullmatch(r"[0-9]{1,10}", audience.text()):
        raise audience.problem("Input should be the number of an audience")
    criterion = audience.made(AudienceMembershipCriterion, audience_id=int(audience.value))
    return criterion if place["operator"].value == "in" else Not(criterion=criterion)


def _of_user(left: Place, test: Test) -> Criterion:
    left.only("model", "path")["model"].word(["user"])
    path = left["path"]
    if seen := _SEEN.get(path.text()):
        if not isinstance(test, DateTest):
            raise path.problem("cannot be converted: it should be compared with dates")
        return seen(window=test.window)
    if path.text().startswith(CONSENT):
        return _consent(path, test)
    for prefix, (kind, field) in _OF_USER.items():
        if path.text().startswith(prefix):
            criterion: Criterion = path.made(kind, **{field: path.text().removeprefix(prefix)}, test=test)
            return criterion
    known = ", ".join([*_OF_USER, CONSENT, *_SEEN])
    raise path.problem(f"cannot be converted: paths of a user are {known}")


def _consent(path: Place, test: Test) -> Criterion:
    if test.type != "boolean" or not test.value:
        raise path.problem("cannot be converted: consent should equal true")
    regulation, _, purpose = path.text().removeprefix(CONSENT).partition(".")
    return path.made(ConsentCriterion, regulation=regulation, purpose=purpose)


def _aggregated(left: Place, logic: str, comparisons: Sequence[Comparison], place: Place) -> Criterion | None:
    left.only("operator", "group_by_model", "operand", "condition")["group_by_model"].word(["user"])
    operator, operand = left["operator"].word(["count", *_FUNCTIONS]), left["operand"].only("model", "path")
    operand["model"].word(["events"])
    test = test_of(logic, comparisons, place)
    if test is None:
        return None
    if operator == "count":
        operand["path"].word(["id"])
        return _count(left, test, place)
    if operand["path"].value == "timestamp":
        return _occurrence(left, test, place)
    return _figure(left, test, place)


def _count(left: Place, test: Test, place: Place) -> Criterion | None:
    event, bounds = condition_of(left["condition"])
    window = window_or_ever(bounds, left["condition"])
    match test:
        case NumberTest(operator=operator, value=value) if value.is_integer():
            frequency = place.made(Compare, operator=operator, value=int(value))
            return EventCriterion(event=event, window=window, frequency=frequency)
        case NumberBetweenTest(min=low, max=high) if low.is_integer() and high.is_integer():
            between = place.made(CountBetween, min=int(low), max=int(high))
            return EventCriterion(event=event, window=window, frequency=between)
        case NumberTest() | NumberBetweenTest():
            raise place.problem("a count is compared with whole numbers")
        case _ if "expressions" in place:
            return None
        case _:
            raise place.problem("a count is compared with whole numbers")


def _occurrence(left: Place, test: Test, place: Place) -> Criterion:
    event, bounds = condition_of(left["condition"])
    if bounds or not isinstance(test, DateTest):
        raise place.problem("cannot be converted: the first or last event is compared with dates")
    which = _OCCURRENCES[left["operator"].word(list(_OCCURRENCES))]
    return OccurrenceCriterion(event=event, which=which, window=test.window)


def _figure(left: Place, test: Test, place: Place) -> Criterion:
    path = left["operand"]["path"]
    if not path.text().startswith(ATTRIBUTES):
        raise path.problem(f"cannot be converted: it should begin with {ATTRIBUTES}")
    if not test.type.startswith("number"):
        raise place.problem("a figure is compared with numbers")
    event, bounds = condition_of(left["condition"])
    return path.made(
        AggregateCriterion,
        event=event,
        function=_FUNCTIONS[left["operator"].value],
        attribute=path.text().removeprefix(ATTRIBUTES),
        window=window_or_ever(bounds, left["condition"]),
        test=test,
    )
