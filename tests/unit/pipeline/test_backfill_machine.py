"""The workflow of a backfill, as far as its definition can be checked without running it."""

import json
from pathlib import Path
from typing import Any

import yaml

DEFINITION: dict[str, Any] = yaml.safe_load(Path("statemachines/backfill_audience.asl.yaml").read_text())
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
            assert state["Catch"][-1]["Next"] in ("NoteFailure", "BackfillFailed"), name
    assert STATES["NoteFailure"]["Next"] == "BackfillFailed"
    assert STATES["BackfillFailed"].keys() >= {"ErrorPath", "CausePath"}


def test_parts_are_lines_of_a_file_and_go_on_by_themselves() -> None:
    assert {state["ItemSelector"]["step"] for state in MAPS.values()} == {"evaluate", "settle", "publish"}
    for state in MAPS.values():
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
        assert not state.keys() & {"ItemBatcher", "ResultWriter"}
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
        assert state["ItemProcessor"]["States"]["IsPartDone"]["Default"] == "WorkOn"


def test_workers_get_what_they_take() -> None:
    taken = json.loads(Path("events/backfill_page.json").read_text()).keys()

    for state in MAPS.values():
        assert {name.removesuffix(".$") for name in state["ItemSelector"]} == taken


def test_it_takes_what_the_workflow_is_started_with() -> None:
    given = json.loads(Path("events/backfill_audience.json").read_text())
    parameters = STATES["Plan"]["Parameters"]

    wanted = {path for name, path in parameters.items() if name.endswith(".$") and path.startswith("$.")}

    assert wanted <= {f"$.{name}" for name in given}
