"""Converting definitions in files, without a server."""

import json
from pathlib import Path

from tests.unit.cli.conftest import Run

PLAYED = {
    "version": 1,
    "root": {
        "type": "event",
        "event": {"kind": "custom_event", "name": "Play", "where": [], "products": []},
        "window": {"type": "within_last", "duration": {"amount": 7, "unit": "days"}},
        "frequency": {"type": "compare", "operator": "greater_than", "value": 0},
    },
}


def test_what_is_exported_can_be_imported(run: Run, tmp_path: Path) -> None:
    ours, public = tmp_path / "ours.json", tmp_path / "public.json"
    ours.write_text(json.dumps(PLAYED))

    exported = run("definition", "export", ours)
    public.write_text(exported.stdout)
    imported = run("definition", "import", public)

    assert json.loads(exported.stdout)["schema_version"] == "1.0"
    assert json.loads(imported.stdout) == PLAYED


def test_the_definition_of_an_audience_file_is_exported(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "audience.json"
    file.write_text(json.dumps({"name": "Players", "definition": PLAYED}))

    assert "events" in run("definition", "export", file).stdout


def test_what_cannot_be_converted_is_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "ours.json"
    file.write_text(json.dumps({"root": {"type": "cart_abandonment", "after": {"amount": 1, "unit": "days"}}}))

    result = run("definition", "export", file)

    assert result.exit_code == 2
    assert "/root: the public schema cannot say this" in result.output


def test_a_file_that_is_no_json_is_named(run: Run, tmp_path: Path) -> None:
    result = run("definition", "import", tmp_path / "missing.json")

    assert result.exit_code == 2
    assert "missing.json" in result.output
