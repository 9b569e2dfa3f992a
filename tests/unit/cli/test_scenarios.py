"""Scenario files: the stories of this repository hold, and one that does not says where."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from audience_cli.commands.scenario import read
from audience_cli.main import app
from audience_cli.scenario.player import play

STORIES = sorted((Path(__file__).parents[2] / "scenarios").glob("*.json"))


@pytest.mark.parametrize("file", STORIES, ids=lambda file: file.stem)
def test_the_story_holds_in_both_engines(file: Path) -> None:
    assert play(read(file)) == []


def a_story(**changed: Any) -> dict[str, Any]:
    seen = {"type": "first_seen", "window": {"type": "within_last", "duration": {"amount": 1, "unit": "days"}}}
    story = {
        "name": "Newcomers",
        "audiences": [{"name": "new", "definition": {"version": 1, "root": seen}}],
        "steps": [
            {"at": "2026-11-01T08:00:00Z", "batch": {"user_identities": {"customer_id": "ann"}}},
            {"at": "2026-11-02T08:00:00.001Z", "expect": {"new": ["ann"]}},
        ],
    }
    return story | changed


def run(tmp_path: Path, story: dict[str, Any]) -> Any:
    file = tmp_path / "story.json"
    file.write_text(json.dumps(story))
    return CliRunner().invoke(app, ["scenario", "run", str(file)])


def test_a_story_that_does_not_hold_says_who_is_missing_in_which_engine(tmp_path: Path) -> None:
    result = run(tmp_path, a_story())

    assert result.exit_code == 1
    assert "new (real-time): missing ann" in result.output
    assert "new (columnar): missing ann" in result.output


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"steps": [{"at": "2026-11-01T08:00:00Z"}]}, "exactly one of batch, define and expect"),
        ({"steps": [{"at": "2026-11-01T08:00:00Z", "expect": {"old": []}}]}, "nobody defines: old"),
        ({"audiences": [{"name": "new", "definition": {"version": 2}}]}, "audiences/0/definition/version"),
        ({"steps": [{"at": "2026-11-01T08:00:00Z", "batch": {"events": 7}}]}, "ingest would refuse this batch"),
    ],
)
def test_a_file_that_makes_no_sense_says_where(tmp_path: Path, changed: dict[str, Any], said: str) -> None:
    result = run(tmp_path, a_story(**changed))

    assert result.exit_code not in (0, 1)
    assert said in " ".join(result.output.split())
