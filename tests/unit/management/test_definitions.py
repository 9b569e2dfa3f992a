"""What makes a definition sound."""

from typing import Any

import pytest

from audience_core.domain.audience import Audience
from audience_core.domain.definition import (
    MAX_CRITERIA,
    MAX_DEPTH,
    AllOf,
    AudienceMembershipCriterion,
    Definition,
    FirstSeenCriterion,
    Not,
    UserAttributeCriterion,
)
from audience_core.domain.ids import AudienceId
from audience_core.domain.value_tests import StringInTest
from audience_core.errors import InvalidDefinitionError
from audience_core.management.definitions import parse, require_sound
from tests.support.control import PLAYED, an_audience

LEAF = {"type": "first_seen", "window": {"type": "within_last", "duration": {"amount": 1, "unit": "days"}}}
SEEN = FirstSeenCriterion.model_validate(LEAF)
EVENT = {"kind": "custom_event", "name": "Buy"}


def days(amount: int) -> dict[str, Any]:
    return {"amount": amount, "unit": "days"}


def member_of(audience_id: int) -> Definition:
    return Definition(root=AudienceMembershipCriterion(audience_id=audience_id))


def problems(root: dict[str, Any], **given: Any) -> list[str]:
    with pytest.raises(InvalidDefinitionError) as raised:
        require_sound(parse({"root": root}), {}, **given)
    return [pointer for pointer, _ in raised.value.problems]


def nested(levels: int) -> Definition:
    criterion: Not | FirstSeenCriterion = SEEN
    for _ in range(levels):
        criterion = Not(criterion=criterion)
    return Definition(root=criterion)


def test_a_plain_definition_is_sound() -> None:
    require_sound(PLAYED, {})


def test_what_cannot_be_read_names_its_path() -> None:
    sent = {"root": {"type": "not", "criterion": {"type": "event", "event": {"kind": "event", "name": ""}}}}

    with pytest.raises(InvalidDefinitionError) as raised:
        parse(sent)

    assert [pointer for pointer, _ in raised.value.problems] == [
        "/definition/root/criterion/event/kind",
        "/definition/root/criterion/event/name",
    ]


@pytest.mark.parametrize("sent", [None, [], "x", {}, {"root": None}, {"root": {"type": "none"}}, {"version": 2}])
def test_what_is_no_definition_is_refused(sent: Any) -> None:
    with pytest.raises(InvalidDefinitionError):
        parse(sent)


def test_logic_is_nested_to_a_limit() -> None:
    require_sound(nested(MAX_DEPTH), {})

    with pytest.raises(InvalidDefinitionError, match="not sound"):
        require_sound(nested(MAX_DEPTH + 1), {})


def test_criteria_are_counted_to_a_limit() -> None:
    require_sound(Definition(root=AllOf(criteria=(SEEN,) * MAX_CRITERIA)), {})

    with pytest.raises(InvalidDefinitionError):
        require_sound(Definition(root=AllOf(criteria=(SEEN,) * (MAX_CRITERIA + 1))), {})


def test_a_definition_fits_into_an_item() -> None:
    values = tuple(f"{number:04000d}" for number in range(100))
    large = Definition(root=UserAttributeCriterion(attribute="x", test=StringInTest(values=values)))

    with pytest.raises(InvalidDefinitionError):
        require_sound(large, {})


@pytest.mark.parametrize(
    ("root", "pointer"),
    [
        (
            {"type": "first_seen", "window": {"type": "between_ago", "older": days(1), "newer": days(2)}},
            "/definition/root/window/older",
        ),
        (
            {"type": "last_seen", "window": {"type": "between_dates", "start": "2026-02-02", "end": "2026-02-01"}},
            "/definition/root/window/start",
        ),
        (
            {"type": "event", "event": EVENT, "frequency": {"type": "between", "min": 3, "max": 2}},
            "/definition/root/frequency/min",
        ),
        (
            {"type": "user_attribute", "attribute": "age", "test": {"type": "number_between", "min": 3, "max": 2}},
            "/definition/root/test/min",
        ),
        (
            {
                "type": "aggregate",
                "event": EVENT,
                "function": "sum",
                "attribute": "price",
                "test": {"type": "string", "operator": "equals", "value": "1"},
            },
            "/definition/root/test",
        ),
        (
            {
                "type": "sequence",
                "steps": [
                    EVENT,
                    {
                        **EVENT,
                        "where": [{"attribute": "a", "test": {"type": "number_between", "min": 2, "max": 1}}],
                    },
                ],
            },
            "/definition/root/steps/1/where/0/test/min",
        ),
    ],
)
def test_a_range_that_is_upside_down_is_named(root: dict[str, Any], pointer: str) -> None:
    assert problems(root) == [pointer]


@pytest.mark.parametrize(
    "root",
    [
        {"type": "first_seen", "window": {"type": "between_ago", "older": days(1), "newer": days(1)}},
        {
            "type": "first_seen",
            "window": {"type": "between_ago", "older": days(3), "newer": {"amount": 50, "unit": "hours"}},
        },
        {"type": "last_seen", "window": {"type": "between_dates", "start": "2026-02-01", "end": "2026-02-01"}},
        {
            "type": "aggregate",
            "event": EVENT,
            "function": "last_value",
            "attribute": "colour",
            "test": {"type": "string", "operator": "equals", "value": "red"},
        },
    ],
)
def test_a_range_that_is_upright_or_one_point_is_sound(root: dict[str, Any]) -> None:
    require_sound(parse({"root": root}), {})


def test_all_problems_are_told_at_once() -> None:
    upside_down = {"type": "event", "event": EVENT, "frequency": {"type": "between", "min": 3, "max": 2}}

    assert problems({"type": "all_of", "criteria": [upside_down, LEAF, upside_down]}) == [
        "/definition/root/criteria/0/frequency/min",
        "/definition/root/criteria/2/frequency/min",
    ]


def audiences(**definitions: Definition) -> dict[AudienceId, Audience]:
    """Audiences by id; a1=... is the definition of audience 1."""
    ids = {AudienceId(int(name[1:])): definition for name, definition in definitions.items()}
    return {key: an_audience(audience_id=key, name=f"A{key}", definition=each) for key, each in ids.items()}


def test_an_audience_of_the_account_may_be_nested() -> None:
    require_sound(member_of(1), audiences(a1=PLAYED))


@pytest.mark.parametrize(
    ("others", "audience_id", "reason"),
    [
        ({}, None, "there is no audience 1"),
        ({"a1": member_of(2), "a2": PLAYED}, None, "itself depends"),
        ({"a1": PLAYED}, 1, "its own definition"),
        ({"a1": PLAYED, "a2": PLAYED, "a3": member_of(2)}, 2, "part of A3 (3)"),
    ],
)
def test_nesting_is_one_level_deep_and_without_cycles(
    others: dict[str, Definition], audience_id: int | None, reason: str
) -> None:
    own = None if audience_id is None else AudienceId(audience_id)

    with pytest.raises(InvalidDefinitionError) as raised:
        require_sound(member_of(1), audiences(**others), own)

    assert reason in raised.value.problems[0][1]
