"""Definitions in the public audience-definition schema, and back."""

import contextlib
import copy
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain.audience import Audience
from audience_core.domain.definition import Criterion, Definition
from audience_core.domain.profile import Profile
from audience_core.errors import InvalidDefinitionError
from audience_core.management.definitions import parse
from audience_core.management.public_schema.export import to_public
from audience_core.management.public_schema.import_ import from_public
from audience_core.management.public_schema.regexes import pattern_of, regex_of
from tests.support import oracle
from tests.support.control import an_audience
from tests.support.semantics import AUDIENCE, Example, examples
from tests.support.worlds import INPUTS, LOOK_BACK_DAYS, NOW, WORKSPACES, leaves, profiles, trees

PAGE = Path(__file__).parents[3] / "docs" / "public-schema.md"
BLOCKS = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE.read_text(), re.DOTALL)]
BOUGHT = {"kind": "commerce_event", "name": "purchase"}
DAYS_30 = {"date": {"relative": {"offset": -30, "unit": "day"}}}
ON_NAME = {"operator": "equals", "left": {"model": "events", "path": "name"}, "right": "purchase"}


def color(operator: str, right: Any) -> dict[str, Any]:
    return {"operator": operator, "left": {"model": "user", "path": "attributes.color"}, "right": right}


def counted(condition: Any, right: Any = 3) -> dict[str, Any]:
    left = {
        "operator": "count",
        "group_by_model": "user",
        "operand": {"model": "events", "path": "id"},
        "condition": condition,
    }
    return {"operator": "greater_than_equal", "left": left, "right": right}


def imported(audience: Any) -> Definition:
    return from_public({"schema_version": "1.0", "audience": audience})


def is_sayable(criterion: Criterion) -> bool:
    try:
        to_public(Definition(root=criterion))
    except InvalidDefinitionError:
        return False
    return True


SAID = [to_public(own) for each in examples() if is_sayable((own := each.portfolio()[AUDIENCE].definition).root)]
json_values: st.SearchStrategy[Any] = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.sampled_from(["", "and", "count", "date", "9" * 5000, 10**400, "2018-09-09", "attributes.x", "timestamp"]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["operator", "left", "right", "expressions", "date", "path"]), inner, max_size=3
        ),
        st.sampled_from(BLOCKS[1]["audience"]["expressions"]),
    ),
    max_leaves=4,
)


def audience(definition: Definition) -> Audience:
    return an_audience(definition=definition, workspaces=WORKSPACES, inputs=INPUTS)


def test_the_page_shows_two_spellings_of_one_definition() -> None:
    ours, public = BLOCKS

    assert from_public(public) == parse(ours)
    assert to_public(parse(ours)) == public


@settings(
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large], deadline=None
)
@given(trees(leaves.filter(is_sayable)).filter(is_sayable), profiles())
def test_what_can_be_said_means_the_same_when_it_comes_back(root: Criterion, profile: Profile) -> None:
    definition = Definition(root=root)

    back = from_public(json.loads(json.dumps(to_public(definition))))

    assert from_public(to_public(back)) == back
    before, after = audience(definition), audience(back)
    for now in (NOW, NOW + 86_400_000):
        assert oracle.is_member(before, {}, profile, now, LOOK_BACK_DAYS) is oracle.is_member(
            after, {}, profile, now, LOOK_BACK_DAYS
        )


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
def test_the_examples_of_the_semantics_survive_if_they_can_be_said(example: Example) -> None:
    portfolio = example.portfolio()
    own = next(iter(portfolio.values()))
    if not is_sayable(own.definition.root):
        return
    back = own.model_copy(update={"definition": from_public(to_public(own.definition))})

    for user, profile in example.users():
        assert oracle.is_member(back, portfolio, profile, example.at, example.look_back_days) is user["member"]


@pytest.mark.parametrize(
    ("root", "path"),
    [
        ({"type": "cart_abandonment", "after": {"amount": 1, "unit": "days"}}, "/root"),
        ({"type": "location_within", "latitude": 0, "longitude": 0, "distance_km": 1}, "/root"),
        ({"type": "consent", "regulation": "gdpr", "purpose": "ads", "state": "not_present"}, "/root"),
        (
            {"type": "not", "criterion": {"type": "first_seen", "window": {"type": "on", "date": "2018-09-09"}}},
            "/root/criterion",
        ),
        ({"type": "event", "event": {**BOUGHT, "products": [
            {"attribute": "x", "test": {"type": "boolean", "value": True}}]}}, "/root/event/products"),
        ({"type": "event", "event": {**BOUGHT, "where": [
            {"attribute": "x", "test": {"type": "presence", "operator": "empty"}}]}}, "/root/event/where/0/test"),
        ({"type": "aggregate", "event": BOUGHT, "function": "distinct_count", "attribute": "x",
          "test": {"type": "number", "operator": "equals", "value": 1}}, "/root/function"),
        ({"type": "aggregate", "event": BOUGHT, "function": "sum", "attribute": "products.price",
          "test": {"type": "number", "operator": "equals", "value": 1}}, "/root/function"),
        ({"type": "all_of", "criteria": [{"type": "user_attribute", "attribute": "x",
          "test": {"type": "list", "operator": "includes", "value": "y"}}]}, "/root/criteria/0/test"),
        ({"type": "user_attribute", "attribute": "x", "level": "account",
          "test": {"type": "boolean", "value": True}}, "/root/level"),
        ({"type": "not", "criterion": {"type": "user_attribute", "attribute": "x",
          "test": {"type": "boolean", "value": True}}}, "/root/criterion/test"),
        ({"type": "last_seen", "window": {"type": "on", "date": "9999-12-31"}}, "/root/window"),
    ],
)  # fmt: skip
def test_what_the_public_schema_cannot_say_is_named(root: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidDefinitionError) as raised:
        to_public(parse({"root": root}))

    assert [pointer for pointer, _ in raised.value.problems] == [path]


@pytest.mark.parametrize(
    ("said", "path"),
    [
        (None, "/audience"),
        ({"operator": "xor", "expressions": []}, "/audience/operator"),
        ({"operator": "and", "expressions": []}, "/audience/expressions"),
        ({"operator": "and", "expressions": {}}, "/audience/expressions"),
        ({"operator": "or", "expressions": [color("equals", "x"), color("is", 1)]}, "/audience/expressions/1/operator"),
        ({**color("equals", "x"), "note": 1}, "/audience/note"),
        (color("equals", None), "/audience/right"),
        (color("equals", 1e13), "/audience/right"),
        (color("less_than", True), "/audience/operator"),
        (color("matches", "a|b"), "/audience/right"),
        (color("greater_than_equal", DAYS_30), "/audience"),
        (color("greater_than", {"date": {"absolute": "2018-09-09"}}), "/audience"),
        (color("less_than", {"date": {"absolute": "2018-09-09T12:00:00Z"}}), "/audience/right/date/absolute"),
        (color("less_than", {"date": {"absolute": "soon"}}), "/audience/right/date/absolute"),
        ({"operator": "null", "operand": {"model": "user", "path": "attributes.x"}}, "/audience/operator"),
        ({"operator": "exists", "operand": {"model": "user", "path": "email"}}, "/audience/operand/path"),
        ({"operator": "exists", "operand": {"model": "order", "path": "id"}}, "/audience/operand/model"),
        ({"operator": "in", "left": {"model": "user"}, "right": {"audience": "x"}}, "/audience/right/audience"),
        ({"operator": "in", "left": {"model": "user"}, "right": ["1"]}, "/audience/right"),
        (counted(ON_NAME, 2.5), "/audience"),
        (counted({"operator": "and", "expressions": []}), "/audience/left/condition"),
        (counted({"operator": "or", "expressions": [ON_NAME, ON_NAME]}), "/audience/left/condition/operator"),
        (counted({**ON_NAME, "left": {"model": "user", "path": "name"}}), "/audience/left/condition/left/model"),
        (counted({**ON_NAME, "left": {"model": "events", "path": "id"}}), "/audience/left/condition/left/path"),
        (
            counted({"operator": "and", "expressions": [ON_NAME, {
                "operator": "greater_than_equal", "left": {"model": "events", "path": "timestamp"},
                "right": {"date": {"relative": {"offset": -1, "unit": "month"}}}}]}),
            "/audience/left/condition/expressions/1/right/date/relative/unit",
        ),
        ({"operator": "then", "sequence": []}, "/audience/sequence"),
    ],
)  # fmt: skip
def test_what_this_product_cannot_say_is_named(said: Any, path: str) -> None:
    with pytest.raises(InvalidDefinitionError) as raised:
        imported(said)

    assert [pointer for pointer, _ in raised.value.problems] == [path]


@settings(suppress_health_check=list(HealthCheck), deadline=None)
@given(st.sampled_from(SAID), st.data())
def test_whatever_is_sent_is_read_or_refused(document: dict[str, Any], data: st.DataObject) -> None:
    changed = copy.deepcopy(document)
    place: Any = changed
    while True:
        keys = list(place) if isinstance(place, dict) else list(range(len(place)))
        key = data.draw(st.sampled_from(keys))
        if not isinstance(place[key], dict | list) or not place[key] or data.draw(st.booleans()):
            break
        place = place[key]
    place[key] = data.draw(json_values)

    with contextlib.suppress(InvalidDefinitionError):
        from_public(changed)


@pytest.mark.parametrize("document", [None, [], {}, {"schema_version": "2.0", "audience": {}}, {"schema_version": 1}])
def test_what_is_no_document_is_refused(document: Any) -> None:
    with pytest.raises(InvalidDefinitionError):
        from_public(document)


def test_logic_of_any_depth_is_refused_not_crashed_on() -> None:
    said: Any = color("equals", "x")
    for _ in range(5000):
        said = {"operator": "and", "expressions": [said]}

    with pytest.raises(InvalidDefinitionError):
        imported(said)


@pytest.mark.parametrize(
    ("pattern", "regex"),
    [("bl?e", "^bl.e$"), ("b*e", "^b.*e$"), ("a.b", r"^a\.b$"), (r"\*\?", r"^\*\?$"), ("", "^$"), ("$5", r"^\$5$")],
)
def test_patterns_are_regular_expressions_of_the_whole_value(pattern: str, regex: str) -> None:
    assert regex_of(pattern) == regex
    assert pattern_of(regex) == pattern


@pytest.mark.parametrize("regex", ["a+", ".?", "a{2}", "[ab]", "(a)", r"\d", "a$b", "a\\", ".+", r"\$"[:-1], "x|y"])
def test_other_regular_expressions_are_refused(regex: str) -> None:
    assert pattern_of(regex) is None
