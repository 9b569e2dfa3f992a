"""Whatever is sent as a definition, it is taken, or refused by its model, and what is taken can be compiled."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from audience_core.domain.definition import Definition
from audience_core.evaluation.compiler import compile_program
from tests.support.long_run import examples
from tests.support.population import an_audience

SCHEMA = json.loads((Path(__file__).parents[3] / "docs/definition.schema.json").read_text())
TYPES = sorted(
    {
        each["properties"]["type"]["const"]
        for each in SCHEMA["$defs"].values()
        if "const" in str(each.get("properties")) and "const" in each["properties"].get("type", {})
    }
)
NAMES = sorted({name for each in SCHEMA["$defs"].values() for name in each.get("properties", {})})
WORDS = st.sampled_from([*TYPES, "custom_event", "days", "buy", "", "2026-11-24", "*", "\\"])


def _node(kind: str, rest: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, **rest}


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    parts = st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    return st.lists(inner, max_size=3) | st.builds(_node, st.sampled_from(TYPES), parts)


NODES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 10**12) | st.floats(allow_nan=False) | WORDS, _larger, max_leaves=12
)


@settings(max_examples=examples(300), deadline=None)
@given(root=NODES)
def test_any_tree_is_taken_or_its_faults_are_placed(root: Any) -> None:
    with suppress(ValidationError):
        definition = Definition.model_validate_json(json.dumps({"root": root}))
        assert Definition.model_validate_json(definition.model_dump_json()) == definition
        assert compile_program(1, [an_audience(1, definition.root)], 30)  # type: ignore[arg-type]
