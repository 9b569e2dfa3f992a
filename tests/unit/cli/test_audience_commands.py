"""Logging in and looking after audiences, against a real server."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_api import CLIENT, FakeApi

AUDIENCE = {
    "id": 7,
    "name": "Left a [red] cart",
    "status": "active",
    "size": 1234,
    "adds_24h": 5,
    "drops_24h": 2,
    "volatility": 0.0057,
    "connected_outputs": 1,
    "faults": [],
    "tags": ["Spring", "[VIP]"],
    "updated_at": "2026-11-23T10:20:31Z",
    "definition": {"version": 1, "root": {}},
}
DEFINITION = {"version": 1, "root": {"type": "first_seen"}}


def test_login_stores_what_works_for_its_owner_alone(run: Run, api: FakeApi, home: Path) -> None:
    api.on("GET", "/v1/workspaces", {"items": [], "next": None})
    options = ("--url", api.url, "--token-url", api.token_url, "--client-id", CLIENT[0])

    result = run("login", *options, stdin=f"{CLIENT[1]}\n")

    assert result.exit_code == 0, result.output
    stored = home / "config" / "audiences" / "config.toml"
    assert stored.stat().st_mode & 0o777 == 0o600
    api.on("GET", "/v1/audiences", {"items": [AUDIENCE], "next": None})
    assert run("list", "--json").exit_code == 0


def test_login_refuses_credentials_that_do_not_work(run: Run, api: FakeApi, home: Path) -> None:
    options = ("--url", api.url, "--token-url", api.token_url, "--client-id", CLIENT[0], "--client-secret", "wrong")

    result = run("login", *options)

    assert result.exit_code == 3
    assert "gives no token" in result.output
    assert not (home / "config").exists()


def test_without_a_login_it_says_what_is_missing(run: Run) -> None:
    result = run("list")

    assert result.exit_code == 3
    assert "AUDIENCES_URL" in result.output
    assert "audiences login" in result.output


def test_list_shows_a_row_per_audience(run: Run, logged_in: FakeApi) -> None:
    draft = {**AUDIENCE, "id": 8, "name": "Draft", "status": "draft", "size": None, "volatility": None}
    logged_in.on("GET", "/v1/audiences", {"items": [AUDIENCE], "next": "cursor"})
    logged_in.on("GET", "/v1/audiences", {"items": [draft], "next": None})

    result = run("list")

    assert result.exit_code == 0, result.output
    assert "Left a [red] cart" in result.output
    assert "1,234" in result.output
    assert "0.6%" in result.output
    assert "Spring, [VIP]" in result.output
    assert "--" in result.output.splitlines()[2]
    assert logged_in.asked[1].query["next"] == "cursor"


def test_list_marks_audiences_that_are_split(run: Run, logged_in: FakeApi) -> None:
    split = {**AUDIENCE, "id": 8, "name": "Split", "ab_test": True}
    logged_in.on("GET", "/v1/audiences", {"items": [split, {**AUDIENCE, "ab_test": False}], "next": None})

    output = run("list").output

    assert "% Split" in output
    assert "% Left" not in output


def test_list_asks_for_what_its_options_name(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("GET", "/v1/audiences", {"items": [AUDIENCE], "next": "cursor"})
    logged_in.on("GET", "/v1/audiences", {"items": [], "next": None})
    narrowed = ("--status", "active", "--scope", "multi", "-q", "cart")

    run("list", "--tag", "a, b", "--tag", "VIP", *narrowed, "--sort", "-size", "--json")

    asked = {"limit": "100", "q": "cart", "tag": "VIP", "status": "active", "scope": "multi", "sort": "-size"}
    assert [each.query for each in logged_in.asked] == [asked, asked | {"next": "cursor"}]
    assert [each.repeated["tag"] for each in logged_in.asked] == [["a, b", "VIP"]] * 2


def test_json_is_what_the_api_said(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("GET", "/v1/audiences", {"items": [AUDIENCE], "next": None})

    result = run("list", "--json")

    assert json.loads(result.stdout) == [AUDIENCE]


def test_a_token_serves_several_commands(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("GET", "/v1/audiences/7", AUDIENCE)

    first, second = run("show", "7"), run("show", "7")

    assert (first.exit_code, second.exit_code) == (0, 0)
    assert logged_in.tokens == 1


def test_a_token_that_is_no_longer_accepted_is_replaced(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("GET", "/v1/audiences/7", AUDIENCE)
    run("show", "7")
    logged_in.valid_token = "another"

    result = run("show", "7")

    assert result.exit_code == 0, result.output
    assert logged_in.tokens == 2


def test_a_kept_token_is_readable_by_its_owner_alone(run: Run, logged_in: FakeApi, home: Path) -> None:
    assert run("token").output == "token-1\n"

    kept = list((home / "cache" / "audiences").iterdir())
    assert [each.stat().st_mode & 0o777 for each in kept] == [0o600]


def test_the_environment_for_curl_can_be_sourced(run: Run, logged_in: FakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AUDIENCES_INPUT_KEY", "key-1")
    monkeypatch.setenv("AUDIENCES_INPUT_SECRET", "a'secret")
    logged_in.on("GET", "/v1/workspaces", {"items": [{"id": "w-1"}, {"id": "w-2"}], "next": None})
    logged_in.on("GET", "/v1/workspaces/w-1/inputs", {"items": [{"id": "i-1", "key": "other"}], "next": None})
    logged_in.on("GET", "/v1/workspaces/w-2/inputs", {"items": [{"id": "i-2", "key": "key-1"}], "next": None})

    said = run("env").output

    found = subprocess.run(
        ["sh", "-c", said + 'echo "$TOKEN $WORKSPACE $INPUT $KEY $SECRET"'], capture_output=True, text=True, check=True
    )
    assert found.stdout == "token-1 w-2 i-2 key-1 a'secret\n"


def test_an_absent_audience_has_its_exit_code(run: Run, logged_in: FakeApi) -> None:
    result = run("show", "9")

    assert result.exit_code == 4
    assert "there is no /v1/audiences/9 (HTTP 404)" in result.output


def test_problems_name_each_field(run: Run, logged_in: FakeApi, home: Path) -> None:
    problem = {"title": "Unprocessable", "detail": "not sound", "errors": [{"pointer": "/root", "detail": "too deep"}]}
    logged_in.on("POST", "/v1/audiences", problem, 422)
    file = home / "audience.json"
    file.write_text(json.dumps({"name": "A", "workspaces": ["w-1"], "inputs": ["i-1"], "definition": DEFINITION}))

    result = run("create", "-f", file)

    assert result.exit_code == 5
    assert "/root: too deep" in result.output


def test_a_bare_definition_is_created_for_all_workspaces_and_inputs(run: Run, logged_in: FakeApi, home: Path) -> None:
    logged_in.on("GET", "/v1/workspaces", {"items": [{"id": "w-1"}], "next": None})
    logged_in.on("GET", "/v1/workspaces/w-1/inputs", {"items": [{"id": "i-1"}, {"id": "i-2"}], "next": None})
    logged_in.on("POST", "/v1/audiences", {**AUDIENCE, "status": "draft"}, 201)
    logged_in.on("POST", "/v1/audiences/7/activate", AUDIENCE)
    file = home / "definition.json"
    file.write_text(json.dumps(DEFINITION))

    result = run("create", "-f", file, "--name", "Newly seen", "--activate")

    assert result.exit_code == 0, result.output
    assert [each.body for each in logged_in.asked if each.path == "/v1/audiences"] == [
        {"definition": DEFINITION, "name": "Newly seen", "workspaces": ["w-1"], "inputs": ["i-1", "i-2"]}
    ]
    assert logged_in.paths()[-1] == "/v1/audiences/7/activate"


def test_a_file_that_holds_no_audience_is_a_usage_error(run: Run, logged_in: FakeApi, home: Path) -> None:
    file = home / "other.json"
    file.write_text('{"name": "A"}')

    result = run("create", "-f", file)

    assert result.exit_code == 2
    assert logged_in.asked == []


def test_members_stop_at_the_limit(run: Run, logged_in: FakeApi) -> None:
    page = {"items": [{"mpid": "-5", "since": "2026-11-23T10:20:31.000Z"}] * 2, "next": "more"}
    logged_in.on("GET", "/v1/audiences/7/members", page)

    result = run("members", "7", "--limit", "3", "--json")

    assert [each["mpid"] for each in json.loads(result.stdout)] == ["-5"] * 3


def test_members_of_an_instant_are_asked_for_it(run: Run, logged_in: FakeApi) -> None:
    page = {"items": [{"mpid": "-5", "since": None}], "next": None}
    logged_in.on("GET", "/v1/audiences/7/members", page)

    result = run("members", "7", "--at", "2026-11-20T10:00:00Z")

    assert logged_in.asked[-1].query["at"] == "2026-11-20T10:00:00Z"
    assert result.output.splitlines()[1].split() == ["-5", "--"]


def test_history_shows_exact_instants_and_reasons(run: Run, logged_in: FakeApi) -> None:
    entry = {"mpid": "-5", "change": "left", "at": "2026-11-23T10:20:31.007000Z", "reason": "time"}
    logged_in.on("GET", "/v1/audiences/7/history", {"items": [entry], "next": None})

    result = run("history", "7", "--mpid", "-5")

    assert logged_in.asked[-1].query["mpid"] == "-5"
    assert result.output.splitlines()[1].split() == ["2026-11-23", "10:20:31.007", "left", "time", "-5"]


def test_an_api_that_is_down_has_its_exit_code(run: Run, logged_in: FakeApi) -> None:
    logged_in.server_close()
    logged_in.shutdown()

    result = run("list")

    assert result.exit_code == 6
    assert "does not answer" in result.output


def test_local_finds_the_running_product_upwards(run: Run, api: FakeApi, home: Path, monkeypatch) -> None:
    (home / ".local").mkdir()
    names = {"url": api.url, "token_url": api.token_url, "client_id": CLIENT[0], "client_secret": CLIENT[1]}
    (home / ".local" / "credentials.json").write_text(json.dumps({**names, "account_id": 5, "inputs": {}}))
    (home / "deeper" / "still").mkdir(parents=True)
    monkeypatch.chdir(home / "deeper" / "still")
    api.on("GET", "/v1/audiences", {"items": [], "next": None})

    assert run("list", "--local").exit_code == 0
