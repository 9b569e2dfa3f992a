"""The workflow of a bulk connection, as far as its definition can be checked without running it."""

import json
from pathlib import Path
from typing import Any

import yaml

DEFINITION: dict[str, Any] = yaml.safe_load(Path("statemachines/connect_audiences.asl.yaml").read_text())
STATES: dict[str, dict[str, Any]] = DEFINITION["States"]


def test_every_state_is_reached_and_every_successor_exists() -> None:
    branches = [
        each for state in STATES.values() for each in (*state.get("Choices", ()), *state.get("Catch", ()), state)
    ]
    named = {each[key] for each in branches for key in ("Next", "Default") if key in each} | {DEFINITION["StartAt"]}

    assert named == STATES.keys()


def test_every_failure_ends_in_an_explained_state() -> None:
    for name, state in STATES.items():
        if state["Type"] == "Task":
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
    assert STATES["NoteFailure"]["Next"] == "ConnectingFailed"
    assert STATES["ConnectingFailed"].keys() >= {"ErrorPath", "CausePath"}


def test_the_function_gets_what_its_sample_has() -> None:
    sample = json.loads(Path("events/connect_audiences.json").read_text())

    given = {name.removesuffix(".$") for name in STATES["Connect"]["Parameters"]}

    assert given == sample.keys()
