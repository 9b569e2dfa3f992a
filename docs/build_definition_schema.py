"""Writes docs/definition.schema.json from domain/definition.py: `python -m docs.build_definition_schema`."""

import inspect
import json
import re
from pathlib import Path
from typing import Any

from audience_core.domain.definition import MAX_CRITERIA, MAX_DEPTH, Definition

PATH = Path(__file__).with_name("definition.schema.json")
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_BEYOND = (
    "docs/semantics.md says what each part means. What a schema cannot say: logic is nested at most "
    f"{MAX_DEPTH} deep, it has at most {MAX_CRITERIA} criteria, ranges run from the lesser to the greater, figures of "
    "`aggregate` are tested as numbers, and an audience that is named in `audience_membership` names none itself."
)
_ARGUMENT = re.compile(r"    (\w+): (.*)")


def build() -> dict[str, Any]:
    """JSON Schema of a definition as the API takes it; names and texts are those of the classes."""
    schema = Definition.model_json_schema(mode="validation")
    parts = schema.pop("$defs")
    for part in (schema, *parts.values()):
        _describe(part)
        _require_type(part)
    schema["description"] = f"{schema['description']} {_BEYOND}"
    return {"$schema": _DIALECT, **schema, "$defs": dict(sorted(parts.items()))}


def text() -> str:
    return json.dumps(build(), indent=2) + "\n"


def _describe(part: dict[str, Any]) -> None:
    """What a docstring says of its fields goes to them; titles that only repeat a field's name go."""
    lines = inspect.cleandoc(part.get("description", "")).splitlines()
    body = lines[: lines.index("Args:")] if "Args:" in lines else lines
    part["description"] = " ".join(line for line in body if line)
    for name, what in _arguments(lines[len(body) + 1 :]).items():
        part["properties"][name]["description"] = what
    for field in part.get("properties", {}).values():
        field.pop("title", None)


def _require_type(part: dict[str, Any]) -> None:
    """Where a part may be one of several, its `type` tells which."""
    tag = part.get("properties", {}).get("type", {})
    if "const" in tag:
        del tag["default"]
        part["required"] = ["type", *part.get("required", ())]


def _arguments(lines: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in lines:
        if argument := _ARGUMENT.fullmatch(line):
            found[argument[1]] = argument[2]
        elif found:
            found[list(found)[-1]] += f" {line.strip()}"
    return found


if __name__ == "__main__":
    PATH.write_text(text())
