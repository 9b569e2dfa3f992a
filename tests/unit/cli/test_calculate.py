"""Having lifetime audiences calculated, against a real server."""

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_api import FakeApi

PATH = "/v1/lifetime-calculations"


def a_calculation(**given: Any) -> dict[str, Any]:
    defaults = {
        "id": "lifetime-3",
        "state": "queued",
        "progress": 0.0,
        "credits": 2,
        "audiences": [{"audience_id": 7, "size": 0}, {"audience_id": 8, "size": 0}],
        "error": None,
    }
    return defaults | given


DONE = a_calculation(
    state="succeeded", progress=1.0, audiences=[{"audience_id": 7, "size": 1234}, {"audience_id": 8, "size": 5}]
)


def test_it_watches_until_the_members_are_known(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("POST", PATH, a_calculation(), 202)
    for found in (a_calculation(state="running", progress=0.5), DONE):
        logged_in.on("GET", f"{PATH}/lifetime-3", found)

    result = run("calculate", "7", "8", "--every", "0.1")

    assert result.exit_code == 0, result.output
    assert "takes 2 credits" in result.output
    assert "1,234" in result.output
    posted = next(each for each in logged_in.asked if each.method == "POST" and each.path == PATH)
    assert posted.body == {"audience_ids": [7, 8]}
    assert logged_in.paths().count(f"{PATH}/lifetime-3") == 2


def test_it_need_not_wait(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("POST", PATH, a_calculation(), 202)

    result = run("calculate", "7", "--no-wait", "--json")

    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["state"] == "queued"
    assert f"{PATH}/lifetime-3" not in logged_in.paths()


@pytest.mark.parametrize(
    ("state", "error", "told"),
    [("failed", "shard 3: a/3/events.parquet is missing", "shard 3"), ("dead", None, "restart it")],
)
def test_a_calculation_that_fails_says_why(
    run: Run, logged_in: FakeApi, state: str, error: str | None, told: str
) -> None:
    logged_in.on("POST", PATH, a_calculation(), 202)
    logged_in.on("GET", f"{PATH}/lifetime-3", a_calculation(state=state, error=error))

    result = run("calculate", "7", "--every", "0.1")

    assert result.exit_code == 1
    assert told in result.output
