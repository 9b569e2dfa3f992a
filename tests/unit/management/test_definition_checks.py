"""Each thing that can be wrong with a definition is told by its JSON pointer into what was sent."""

import time
from typing import Any

import pytest

from audience_core.domain.definition import MAX_CRITERIA, MAX_DEPTH
from audience_core.errors import InvalidDefinitionError
from audience_core.management.definitions import parse, require_sound
from audience_core.management.problems import MAX_PROBLEMS

EVENT = {"kind": "custom_event", "name": "Buy"}
ON_A_DAY = {"type": "on", "date": "2018-09-09"}
SEEN = {"type": "first_seen", "window": ON_A_DAY}
IS_RED = {"type": "string", "operator": "equals", "value": "red"}
NUMBER = {"type": "number", "operator": "equals", "value": 1}


def days(amount: Any) -> dict[str, Any]:
    return {"amount": amount, "unit": "days"}


def event(**given: Any) -> dict[str, Any]:
    return {"type": "event", "event": EVENT, **given}


def attribute(**test: Any) -> dict[str, Any]:
    return {"type": "user_attribute", "attribute": "color", "test": test}


def aggregate(function: str, test: dict[str, Any]) -> dict[str, Any]:
    return {"type": "aggregate", "event": EVENT, "function": function, "attribute": "price", "test": test}


def seen(**window: Any) -> dict[str, Any]:
    return {"type": "first_seen", "window": window}


def nested(levels: int) -> dict[str, Any]:
    root: dict[str, Any] = SEEN
    for _ in range(levels):
        root = {"type": "not", "criterion": root}
    return root


def problems(sent: Any) -> list[tuple[str, str]]:
    with pytest.raises(InvalidDefinitionError) as raised:
        require_sound(parse(sent), {})
    return list(raised.value.problems)


@pytest.mark.parametrize(
    ("sent", "pointer", "what"),
    [
        (None, "/definition", "valid object"),
        ([], "/definition", "valid object"),
        ({}, "/definition/root", "required"),
        ({"version": 2, "root": SEEN}, "/definition/version", "should be 1"),
        ({"version": "1", "root": SEEN}, "/definition/version", "should be 1"),
        ({"root": SEEN, "name": "x"}, "/definition/name", "not permitted"),
    ],
)
def test_the_whole(sent: Any, pointer: str, what: str) -> None:
    ((found, message),) = problems(sent)

    assert (found, what in message) == (pointer, True), message


@pytest.mark.parametrize(
    ("root", "pointer", "what"),
    [
        # What it is.
        (None, "", "valid object"),
        ("first_seen", "", "valid object"),
        ({}, "", "'type' required"),
        ({"type": "nobody"}, "", "'nobody' is none of"),
        ({"type": ["event"]}, "", "is none of"),
        ({**SEEN, "a/b~c": 1}, "/a~1b~0c", "not permitted"),
        ({**SEEN, "first_seen": 1}, "/first_seen", "not permitted"),
        ({"type": "all_of", "criteria": []}, "/criteria", "at least 1 item"),
        ({"type": "all_of", "criteria": SEEN}, "/criteria", "valid list"),
        ({"type": "any_of", "criteria": [SEEN, {"type": "x"}]}, "/criteria/1", "none of"),
        ({"type": "not", "criterion": {"type": "not"}}, "/criterion/criterion", "required"),
        # Names and words.
        (event(event={"kind": "click"}), "/event/kind", "'custom_event'"),
        (event(event={**EVENT, "name": ""}), "/event/name", "at least 1 character"),
        (event(event={**EVENT, "name": "x" * 257}), "/event/name", "at most 256"),
        (event(event={**EVENT, "where": [{"attribute": "a", "test": {}}]}), "/event/where/0/test", "'type' required"),
        (event(event={**EVENT, "products": [{"test": IS_RED}]}), "/event/products/0/attribute", "required"),
        (aggregate("median", NUMBER), "/function", "'sum'"),
        ({"type": "sequence", "steps": [EVENT]}, "/steps", "at least 2 items"),
        ({"type": "sequence", "steps": [EVENT] * 6}, "/steps", "at most 5 items"),
        ({"type": "consent", "regulation": "lgpd", "purpose": "ads"}, "/regulation", "'gdpr'"),
        ({"type": "location", "field": "street", "test": IS_RED}, "/field", "'city'"),
        ({"type": "audience_membership", "audience_id": 0}, "/audience_id", "greater than or equal to 1"),
        ({"type": "audience_membership", "audience_id": "7"}, "/audience_id", "valid integer"),
        ({"type": "audience_membership", "audience_id": 7}, "/audience_id", "there is no audience 7"),
        # Values of another type.
        (attribute(type="string", operator="equals", value=10), "/test/value", "valid string"),
        (attribute(type="string", operator="like", value="x"), "/test/operator", "'contains'"),
        (attribute(type="string", operator="equals", value="x" * 4097), "/test/value", "at most 4096"),
        (attribute(type="string", operator="equals", value="\ud800"), "/test/value", "valid string"),
        (attribute(type="string_in", values=["a", None]), "/test/values/1", "valid string"),
        (attribute(type="string_in", values=[]), "/test/values", "at least 1 item"),
        (attribute(type="number", operator="equals", value="10"), "/test/value", "valid number"),
        (attribute(type="number", operator="equals", value=True), "/test/value", "valid number"),
        (attribute(type="number", operator="equals", value=1e13), "/test/value", "less than or equal"),
        (attribute(type="number", operator="equals", value=float("nan")), "/test/value", "finite"),
        (attribute(type="boolean", value="yes"), "/test/value", "valid boolean"),
        (attribute(type="date", window={"type": "on", "date": 1536364800}), "/test/window/date", "2018-09-09"),
        (seen(type="on", date="2018-09-09T00:00:00"), "/window/date", "2018-09-09"),
        (seen(type="on", date="1536364800"), "/window/date", "2018-09-09"),
        (seen(type="on", date="2018-02-30"), "/window/date", "day value is outside"),
        (seen(type="within_last", duration=days("30")), "/window/duration/amount", "valid integer"),
        (seen(type="within_last", duration=days(-1)), "/window/duration/amount", "greater than or equal to 0"),
        (seen(type="within_last", duration={"amount": 1, "unit": "months"}), "/window/duration/unit", "'minutes'"),
        (event(frequency={"type": "compare", "operator": "equals", "value": 0.5}), "/frequency/value", "valid integer"),
        ({"type": "location_within", "latitude": 91, "longitude": 0, "distance_km": 1}, "/latitude", "90"),
        # Ranges, figures and limits.
        (
            seen(type="between_ago", older=days(1), newer={"amount": 25, "unit": "hours"}),
            "/window/older",
            "as far back",
        ),
        (seen(type="between_dates", start="2018-09-09", end="2018-09-08"), "/window/start", "after end"),
        (event(frequency={"type": "between", "min": 2, "max": 1}), "/frequency/min", "more than max"),
        (attribute(type="number_between", min=2, max=1), "/test/min", "more than max"),
        (aggregate("sum", IS_RED), "/test", "test it as one"),
        (aggregate("first_value", {"type": "number_between", "min": 2, "max": 1}), "/test/min", "more than max"),
        (nested(MAX_DEPTH + 1), "", f"{MAX_DEPTH} deep"),
        ({"type": "any_of", "criteria": [SEEN] * (MAX_CRITERIA + 1)}, "", f"{MAX_CRITERIA} criteria"),
    ],
)
def test_a_criterion(root: Any, pointer: str, what: str) -> None:
    ((found, message),) = (
        problems({"root": {"type": "all_of", "criteria": [SEEN, root]}}) if pointer else problems({"root": root})
    )

    at = "/definition/root/criteria/1" if pointer else "/definition/root"
    assert (found, what in message) == (at + pointer, True), message


def test_logic_of_any_depth_is_refused_not_crashed_on() -> None:
    assert problems({"root": nested(10_000)})


def test_a_hostile_body_is_answered_soon() -> None:
    started = time.thread_time()

    found = problems({"root": {"type": "all_of", "criteria": [{"type": "x"}] * 20_000}})

    assert len(found) == MAX_PROBLEMS
    assert time.thread_time() - started < 5
