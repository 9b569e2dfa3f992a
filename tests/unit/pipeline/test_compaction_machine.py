"""The workflow of a compaction, as far as its definition can be checked without running it."""

import json
from pathlib import Path
from typing import Any

import yaml

DEFINITION: dict[str, Any] = yaml.safe_load(Path("statemachines/compact_archive.asl.yaml").read_text())
STATES: dict[str, dict[str, Any]] = DEFINITION["States"]
MAPS = {name: state for name, state in STATES.items() if state["Type"] == "Map"}


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
            assert state["Catch"][-1]["Next"] in ("NoteFailure", "CompactionFailed"), name
    assert STATES["NoteFailure"]["Next"] == "CompactionFailed"
    assert STATES["CompactionFailed"].keys() >= {"ErrorPath", "CausePath"}


def test_parts_are_lines_of_a_file() -> None:
    assert [state["ItemSelector"]["step"] for state in MAPS.values()] == ["spread", "merge"]
    for state in MAPS.values():
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
        assert not state.keys() & {"ItemBatcher", "ResultWriter"}
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"


def test_workers_get_what_they_take() -> None:
    taken = json.loads(Path("events/compact_part.json").read_text()).keys()

    for state in MAPS.values():
        assert {name.removesuffix(".$") for name in state["ItemSelector"]} == taken


def test_what_cannot_succeed_is_not_tried_again() -> None:
    for state in (STATES["Commit"], MAPS["MergeShards"]["ItemProcessor"]["States"]["WorkOn"]):
        assert state["Retry"][0]["MaxAttempts"] == 0
        assert set(state["Retry"][0]["ErrorEquals"]) == {"NotOursError", "StaleVersionError", "DamagedShardError"}
