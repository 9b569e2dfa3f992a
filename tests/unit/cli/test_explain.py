"""Explaining a membership on the command line, against a real server."""

import json
from typing import Any

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_api import FakeApi

PATH = "/v1/audiences/7/explain"
LEAF = {
    "type": "event",
    "path": "/definition/root/criterion",
    "summary": "Custom event “buy” [any] happened more than 0 times in the last 30 days.",
    "value": False,
    "saw": {"what": "count", "value": 1200},
    "deciding": [
        {
            "kind": "custom_event",
            "name": "buy",
            "at": "2026-11-20T10:00:00Z",
            "attributes": {"price": 1200},
            "products": [{"color": "red"}],
        }
    ],
    "next_change": {"at": "2026-12-20T10:00:00.001000Z", "value": True},
    "children": [],
}
BARE: dict[str, Any] = {"saw": None, "deciding": [], "next_change": None, "children": []}
EXPLANATION = {
    "audience_id": 7,
    "mpid": "-42",
    "at": "2026-11-24T12:00:00Z",
    "is_member": True,
    "next_change": {"at": "2026-12-20T10:00:00.001000Z", "value": False},
    "population": {**BARE, "type": "population", "path": "/workspaces", "summary": "The user was seen.", "value": True},
    "root": {
        **BARE,
        "type": "not",
        "path": "/definition/root",
        "summary": "This does not hold.",
        "value": True,
        "children": [LEAF],
    },
}


def test_it_draws_the_tree_of_criteria(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("GET", PATH, EXPLANATION)

    result = run("explain", 7, "--customer", "c-1")

    assert result.exit_code == 0, result.output
    lines = [line.strip(" │├└─") for line in result.output.splitlines()]
    assert lines == [
        "Profile -42 is in audience 7 at 2026-11-24 12:00:00 UTC turns no at 2026-12-20 10:00:00.001 UTC",
        "yes The user was seen.",
        "yes This does not hold.",
        "no  Custom event “buy” [any] happened more than 0 times in the last 30 days. saw count 1,200 turns yes at "
        "2026-12-20 10:00:00.001 UTC",
        "2026-11-20 10:00:00 UTC  custom_event buy  price=1,200  color=red",
    ]


def test_it_asks_for_the_user_and_the_instant_given(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("GET", PATH, EXPLANATION)

    run("explain", 7, "--customer", "c-1")
    run("explain", 7, "--mpid=-42", "--at", "2026-11-01T00:00:00Z")

    assert [each.query for each in logged_in.asked] == [
        {"customer_id": "c-1"},
        {"mpid": "-42", "at": "2026-11-01T00:00:00Z"},
    ]


def test_json_is_the_answer_of_the_api(run: Run, logged_in: FakeApi) -> None:
    logged_in.on("GET", PATH, EXPLANATION)

    assert json.loads(run("explain", 7, "--mpid=-42", "--json").stdout) == EXPLANATION


@pytest.mark.parametrize("whose", [[], ["--customer", "c-1", "--mpid", "42"]])
def test_it_wants_one_user(run: Run, logged_in: FakeApi, whose: list[str]) -> None:
    result = run("explain", 7, *whose)

    assert result.exit_code == 2
    assert "either --customer ID or --mpid M" in result.output
