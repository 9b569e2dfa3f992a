"""The workflows over the archive, as far as their definitions can be checked without running them."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

# The workflow -> the steps of its maps, and the function that does their parts.
MACHINES = {
    "compact_archive": (["spread", "merge"], "compact_part"),
    "calculate_lifetime": ([None], "calculate_shard"),
    "send_audience": (["publish", "withdraw"], "send_audience_part"),
}
HOPELESS = {"NotOursError", "DamagedShardError"}


@pytest.fixture(params=MACHINES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def definition(name: str) -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(Path(f"statemachines/{name}.asl.yaml").read_text())
    return read


def maps(definition: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [state for state in definition["States"].values() if state["Type"] == "Map"]


def successors(state: Mapping[str, Any]) -> Iterator[str]:
    for branch in (*state.get("Choices", ()), *state.get("Catch", ()), state):
        yield from (branch[key] for key in ("Next", "Default") if key in branch)


def test_every_state_is_reached_and_every_successor_exists(definition: dict[str, Any]) -> None:
    states = definition["States"]

    named = {name for state in states.values() for name in successors(state)} | {definition["StartAt"]}

    assert named == states.keys()


def test_every_failure_ends_in_an_explained_state(definition: dict[str, Any]) -> None:
    states = definition["States"]
    (end,) = [name for name, state in states.items() if state["Type"] == "Fail"]
    for name, state in states.items():
        if state["Type"] in ("Task", "Map"):
            assert state["Catch"][-1]["ErrorEquals"] == ["States.ALL"], name
            assert state["Catch"][-1]["Next"] in ("NoteFailure", end), name
    assert states["NoteFailure"]["Next"] == end
    assert states[end].keys() >= {"ErrorPath", "CausePath"}


def test_parts_are_lines_of_a_file(name: str, definition: dict[str, Any]) -> None:
    assert [state["ItemSelector"].get("step") for state in maps(definition)] == MACHINES[name][0]
    for state in maps(definition):
        assert state["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
        assert not state.keys() & {"ItemBatcher", "ResultWriter"}
        assert state["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"


def test_workers_get_what_they_take(name: str, definition: dict[str, Any]) -> None:
    taken = json.loads(Path(f"events/{MACHINES[name][1]}.json").read_text()).keys()

    for state in maps(definition):
        assert {each.removesuffix(".$") for each in state["ItemSelector"]} == taken


def test_it_takes_what_the_workflow_is_started_with(name: str, definition: dict[str, Any]) -> None:
    given = json.loads(Path(f"events/{name}.json").read_text())
    parameters = definition["States"]["Plan"]["Parameters"]

    wanted = {path for key, path in parameters.items() if key.endswith(".$") and path.startswith("$.")}

    assert wanted <= {f"$.{each}" for each in given}


def test_a_part_of_a_send_goes_on_by_itself_and_the_send_until_partners_have_everything() -> None:
    states = yaml.safe_load(Path("statemachines/send_audience.asl.yaml").read_text())["States"]

    for state in maps({"States": states}):
        inside = state["ItemProcessor"]["States"]
        (choice,) = (each for each in inside.values() if each["Type"] == "Choice")
        assert inside[choice["Default"]]["Type"] == "Task"
        assert choice["Choices"][0]["Variable"] == "$.is_done"
    assert states["DoPartnersHaveAll"]["Default"] == "WaitForPartners"
    assert states["WaitForPartners"]["Next"] == "WatchPartners"


def test_what_cannot_succeed_is_not_tried_again(definition: dict[str, Any]) -> None:
    for state in maps(definition):
        (work,) = (each for each in state["ItemProcessor"]["States"].values() if each["Type"] == "Task")
        assert work["Retry"][0]["MaxAttempts"] == 0
        assert set(work["Retry"][0]["ErrorEquals"]) >= HOPELESS
        assert work["Retry"][1]["ErrorEquals"] == ["States.ALL"]
