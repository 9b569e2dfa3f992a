"""The published schema of definitions."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from audience_core.domain.definition import Definition
from docs import build_definition_schema
from tests.support.semantics import Example, examples

VALIDATOR = Draft202012Validator(
    json.loads(build_definition_schema.PATH.read_text()), format_checker=Draft202012Validator.FORMAT_CHECKER
)
FILES = sorted((Path(__file__).parents[3] / "docs" / "examples").glob("*.definition.json"))
SEEN = {"type": "first_seen", "window": {"type": "on", "date": "2018-09-09"}}


def attribute(test: dict[str, Any]) -> dict[str, Any]:
    return {"root": {"type": "user_attribute", "attribute": "x", "test": test}}


def test_the_schema_is_current() -> None:
    assert build_definition_schema.PATH.read_text() == build_definition_schema.text(), (
        "run: python -m docs.build_definition_schema"
    )


def test_the_schema_is_one() -> None:
    Draft202012Validator.check_schema(build_definition_schema.build())


def test_every_part_says_what_it_is_for() -> None:
    schema = build_definition_schema.build()

    assert [name for name, part in schema["$defs"].items() if not part["description"]] == []


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
def test_the_examples_of_the_semantics_are_valid(example: Example) -> None:
    for definition in example.definitions().values():
        VALIDATOR.validate(definition)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_the_files_of_examples_are_valid(path: Path) -> None:
    VALIDATOR.validate(json.loads(path.read_text()))


def test_what_is_stored_is_valid() -> None:
    for example in examples():
        for definition in example.definitions().values():
            VALIDATOR.validate(json.loads(Definition.model_validate(definition).model_dump_json()))


@pytest.mark.parametrize(
    "definition",
    [
        {},
        {"version": 2, "root": SEEN},
        {"root": {"type": "all_of", "criteria": []}},
        {"root": {"type": "event", "event": {"kind": "click"}}},
        {"root": {**SEEN, "color": "red"}},
        {"root": {"window": SEEN["window"]}},
        {"root": {"type": "first_seen", "window": {"type": "on", "date": "9 September"}}},
        {"root": {"type": "first_seen", "window": {"type": "on", "date": 1536364800}}},
        attribute({"type": "number", "operator": "equals", "value": "10"}),
        attribute({"type": "number", "operator": "equals", "value": True}),
        attribute({"type": "number", "operator": "equals", "value": 1e13}),
        attribute({"type": "boolean", "value": "yes"}),
        attribute({"type": "string", "operator": "equals", "value": 10}),
        attribute({"type": "string_in", "values": []}),
        attribute({"type": "string", "operator": "like", "value": "x"}),
    ],
    ids=repr,
)
def test_what_the_schema_refuses_cannot_be_read(definition: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(definition)
    with pytest.raises(ValidationError):
        Definition.model_validate(definition)
