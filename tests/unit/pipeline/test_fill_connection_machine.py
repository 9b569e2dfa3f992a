"""The workflow of a connection, as far as its definition can be checked without running it."""

import json
from pathlib import Path
from typing import Any

import yaml

DEFINITION: dict[str, Any] = yaml.safe_load(Path("statemachines/fill_connection.asl.yaml").read_text())
STATES: dict[str, dict[str, Any]] = DEFINITION["States"]


def successors(state: dict[str, Any]) -> set[str]:
    branches = [*state.get("Choices", ()), *state.get("Catch", ()), state]
    return {each["Next"] for each in branches if "Next" in each} | {state[k] for k in ("Default",) if k in state}


def test_every_state_is_reached_and_every_successor_exists() -> None:
    named = {name for state in STATES.values() for name in successors(state)} | {DEFINITION["StartAt"]}

    assert named == STATES.keys()


def test_every_failure_ends_in_an_explained_state() -> None:
    for name, state in STATES.items():
        if state["Type"] in ("Task", "Map"):
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
            assert state["Catch"][-1]["Next"] in ("NoteFailure", "FillFailed"), name
        assert "NotOursError" not in str(state.get("Catch", "")) or state["Catch"][0]["Next"] == "FillStopped"
    assert STATES["NoteFailure"]["Next"] == "FillFailed"
    assert STATES["FillFailed"].keys() >= {"ErrorPath", "CausePath"}


def test_it_takes_what_the_workflow_is_started_with() -> None:
    given = json.loads(Path("events/fill_connection.json").read_text())

    wanted = {path for path in _paths(STATES["UpdateSubscription"]["Parameters"]) if path.startswith("$.")}

    assert wanted <= {f"$.{name}" for name in given}


def _paths(parameters: dict[str, Any]) -> set[str]:
    return {value for name, value in parameters.items() if name.endswith(".$")}
