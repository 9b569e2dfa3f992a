"""Exporting from the command line, against a real server."""

import json
from pathlib import Path
from typing import Any

import pytest

from audience_cli.commands import exporting
from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_api import Answer, FakeApi

ARCHIVE = {"name": "Audiences_1.zip", "bytes": 7, "users": 1200, "rows": 1300, "rows_by_identity": {"email": 1300}}
EXPORT: dict[str, Any] = {"id": "e-1", "state": "queued", "progress": 0.0, "error": None, "archive": None}
DONE = {**EXPORT, "state": "succeeded", "progress": 1.0, "archive": ARCHIVE}


@pytest.fixture
def api(logged_in: FakeApi, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    """An export that is done at the third look."""
    monkeypatch.setattr(exporting, "FIRST_WAIT_SECONDS", 0.001)
    logged_in.on("POST", "/v1/exports", EXPORT, 201)
    for each in (EXPORT, {**EXPORT, "state": "running", "progress": 0.5}, DONE):
        logged_in.on("GET", "/v1/exports/e-1", each)
    logged_in.on("GET", "/v1/exports/e-1/download", {"url": f"{logged_in.url}/files/a.zip?signed=x", "seconds": 300})
    logged_in.files["/files/a.zip"] = b"PK-file"
    return logged_in


def test_it_waits_for_the_export_and_downloads_it(run: Run, api: FakeApi, home: Path) -> None:
    result = run("export", "7", "8", "-i", "email", "--identity", "customer_id", "--email", "ann@example.com")

    assert result.exit_code == 0, result.output
    assert (home / "Audiences_1.zip").read_bytes() == b"PK-file"
    assert "Audiences_1.zip: 1,200 users (1,300 email)." in result.output
    assert api.asked[0].body == {
        "audiences": [{"id": 7}, {"id": 8}],
        "identity_types": ["email", "customer_id"],
        "format": "csv",
        "email": "ann@example.com",
        "legacy_header_spaces": False,
        "spreadsheet_safe": False,
    }
    assert list(home.glob("*.part")) == []


def test_json_is_the_export_and_where_the_file_is(run: Run, api: FakeApi, home: Path) -> None:
    (home / "out").mkdir()

    result = run("export", "7", "-i", "email", "-o", "out", "--json")

    assert json.loads(result.stdout) == {**DONE, "file": "out/Audiences_1.zip"}


def test_it_goes_on_with_an_export_that_was_asked_for(run: Run, api: FakeApi, home: Path) -> None:
    assert json.loads(run("export", "7", "-i", "email", "--no-wait", "--json").stdout) == EXPORT

    result = run("export", "--export", "e-1")

    assert (result.exit_code, (home / "Audiences_1.zip").exists()) == (0, True)
    assert [each.method for each in api.asked].count("POST") == 1


@pytest.mark.parametrize(("state", "error"), [("failed", "no luck"), ("cancelled", "cancelled on request")])
def test_an_export_that_fails_says_why(run: Run, api: FakeApi, home: Path, state: str, error: str) -> None:
    api.answers["GET", "/v1/exports/e-1"].clear()
    api.on("GET", "/v1/exports/e-1", {**EXPORT, "state": state, "error": error})

    result = run("export", "7", "-i", "email")

    assert result.exit_code == 1
    assert f"the export is {state}: {error}" in result.output
    assert list(home.glob("*.zip")) == []


def test_a_download_that_fails_leaves_nothing_and_does_not_tell_the_address(run: Run, api: FakeApi, home: Path) -> None:
    api.files.clear()

    result = run("export", "7", "-i", "email")

    assert result.exit_code == 6
    assert "signed=x" not in result.output
    assert list(home.glob("Audiences*")) == []


def test_a_name_cannot_lead_out_of_the_folder(run: Run, api: FakeApi, home: Path) -> None:
    (home / "out").mkdir()
    api.answers["GET", "/v1/exports/e-1"].clear()
    api.on("GET", "/v1/exports/e-1", {**DONE, "archive": {**ARCHIVE, "name": "../evil.zip"}})

    run("export", "7", "-i", "email", "-o", "out")

    assert ((home / "evil.zip").exists(), (home / "out" / "evil.zip").exists()) == (False, True)


def test_what_is_missing_is_said_before_anything_is_asked(run: Run, api: FakeApi) -> None:
    for arguments in (("7",), ("-i", "email"), ("7", "-i", "email", "-o", "nowhere")):
        assert run("export", *arguments).exit_code == 2
    assert api.asked == []


def test_a_refusal_names_the_fields(run: Run, api: FakeApi) -> None:
    problem = {"detail": "see errors", "errors": [{"pointer": "/identity_types/0", "detail": "is no type"}]}
    api.answers["POST", "/v1/exports"].clear()
    api.answers["POST", "/v1/exports"].append(Answer(422, problem))

    result = run("export", "7", "-i", "nose")

    assert result.exit_code == 5
    assert "/identity_types/0: is no type" in result.output
