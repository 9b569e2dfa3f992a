"""The workflow that counts outcomes, as far as its definition can be checked without running it."""

import json
from pathlib import Path
from typing import Any

import yaml

from audience_core.domain.profile import BUCKETS

DEFINITION: dict[str, Any] = yaml.safe_load(Path("statemachines/measure_ab_test.asl.yaml").read_text())
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
            assert state["Catch"][-1]["Next"] in ("NoteFailure", "Failed"), name
    assert STATES["NoteFailure"]["Next"] == "Failed"
    assert STATES["Failed"].keys() >= {"ErrorPath", "CausePath"}


def test_it_counts_every_bucket() -> None:
    assert STATES["ListBuckets"]["Result"] == list(range(BUCKETS))


def test_a_worker_is_told_what_it_needs() -> None:
    sample = json.loads(Path("events/measure_ab_test.json").read_text())

    given = {name.removesuffix(".$") for name in STATES["CountBuckets"]["ItemSelector"]}

    assert given == sample.keys()
