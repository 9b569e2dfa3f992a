"""The published description of the API."""

import json
from collections.abc import Iterator
from typing import Any

from docs import build_openapi


def test_the_description_is_current() -> None:
    assert build_openapi.PATH.read_text() == build_openapi.text(), "run: python -m docs.build_openapi"


def test_every_reference_leads_somewhere() -> None:
    document = build_openapi.build()

    names = {reference.removeprefix("#/components/schemas/") for reference in _references(document)}

    assert names <= document["components"]["schemas"].keys()


def test_operation_ids_are_unique() -> None:
    operations = [each for path in build_openapi.build()["paths"].values() for each in path.values()]

    assert len({each["operationId"] for each in operations}) == len(operations)


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for each in value.values():
            yield from _references(each)
    elif isinstance(value, list):
        for each in value:
            yield from _references(each)


def test_the_file_is_json() -> None:
    assert json.loads(build_openapi.PATH.read_text())["openapi"] == "3.1.0"
