"""The workflow of an export, as far as its definition can be checked without running it."""

import json
from pathlib import Path
from typing import Any

import yaml

DEFINITION: dict[str, Any] = yaml.safe_load(Path("statemachines/export_audience.asl.yaml").read_text())
STATES: dict[str, dict[str, Any]] = DEFINITION["States"]
TERMINAL = {"NotOursError", "NotFoundError", "ConflictError"}


def successors(state: dict[str, Any]) -> set[str]:
    branches = [*state.get("Choices", ()), *state.get("Catch", ()), state]
    return {each["Next"] for each in branches if "Next" in each} | {state[k] for k in ("Default",) if k in state}


def a_sample(name: str) -> dict[str, Any]:
    sample: dict[str, Any] = json.loads(Path(f"events/{name}.json").read_text())
    return sample


def test_every_state_is_reached_and_every_successor_exists() -> None:
    named = {name for state in STATES.values() for name in successors(state)} | {DEFINITION["StartAt"]}

    assert named == STATES.keys()


def test_every_failure_before_the_archive_is_there_ends_in_an_explained_state() -> None:
    for name in ("Plan", "WriteParts", "ZipFiles", "Finish"):
        (catch,) = STATES[name]["Catch"]
        assert (catch["ErrorEquals"], catch["Next"]) == (["States.ALL"], "NoteFailure"), name
    assert STATES["NoteFailure"]["Next"] == STATES["NoteFailure"]["Catch"][0]["Next"] == "ExportFailed"
    assert STATES["ExportFailed"].keys() >= {"ErrorPath", "CausePath"}


def test_a_link_that_cannot_be_sent_does_not_fail_the_export() -> None:
    assert STATES["Finish"]["Next"] == "SendLink"
    assert STATES["SendLink"]["Catch"][0]["Next"] == "NoteUnsent"
    assert {STATES["NoteUnsent"]["Next"], STATES["NoteUnsent"]["Catch"][0]["Next"]} == {"NothingToDo"}


def test_what_cannot_succeed_is_not_tried_again() -> None:
    tasks = [each for each in STATES.values() if each["Type"] == "Task"]
    tasks.append(STATES["WriteParts"]["ItemProcessor"]["States"]["WorkOn"])
    for task in tasks:
        first, *_, last = task["Retry"]
        assert (set(first["ErrorEquals"]), first["MaxAttempts"]) == (TERMINAL, 0)
        assert last["ErrorEquals"] == ["States.ALL"]


def test_parts_are_lines_of_a_file_and_go_on_by_themselves() -> None:
    parts = STATES["WriteParts"]
    assert parts["ItemReader"]["ReaderConfig"] == {"InputType": "JSONL"}
    assert not parts.keys() & {"ItemBatcher", "ResultWriter"}
    assert parts["ItemProcessor"]["ProcessorConfig"]["Mode"] == "DISTRIBUTED"
    assert parts["ItemProcessor"]["States"]["IsPartDone"]["Default"] == "WorkOn"


def test_it_waits_for_what_came_before_the_instant() -> None:
    assert STATES["IsThereWork"]["Choices"][0]["Next"] == "WaitForStragglers"
    assert STATES["WaitForStragglers"]["TimestampPath"] == "$.plan.settled_at"


def test_functions_get_what_they_take() -> None:
    def given(parameters: dict[str, Any]) -> set[str]:
        return {name.removesuffix(".$") for name in parameters}

    assert given(STATES["WriteParts"]["ItemSelector"]) == a_sample("export_page").keys()
    assert given(STATES["ZipFiles"]["Parameters"]) == a_sample("export_zip").keys()
    assert given(STATES["Plan"]["Parameters"]) == a_sample("export_run").keys()


def test_it_takes_what_the_workflow_is_started_with() -> None:
    started = a_sample("export_audience")

    wanted = {path for path in STATES["Plan"]["Parameters"].values() if path.startswith("$.")}

    assert wanted == {f"$.{name}" for name in started}
    assert json.loads(a_sample("export_stopped")["detail"]["input"]) == started
