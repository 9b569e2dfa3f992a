"""The figures behind `audiences cost`: units as DynamoDB counts them, and counts that are those of today's code."""

import json
from typing import Any

import pytest
from moto import mock_aws

from audience_cli.cost.model import Workload, a_million_visits, measured
from audience_cli.cost.prices import PRICES
from benchmarks import cost, operating_cost
from benchmarks.metering import Index, index_units, item_bytes, read_units, write_units

DUE = Index(("due_shard", "due_at"), is_whole=False)


def an_item(size: int = 0, **due: str) -> dict[str, dict[str, object]]:
    names = {"due_shard": "S", "due_at": "N"}
    item: dict[str, dict[str, object]] = {"pk": {"S": "a"}, "sk": {"S": "b"}, "state": {"B": bytes(size)}}
    return item | {name: {names[name]: value} for name, value in due.items()}


def test_sizes_count_names_and_values() -> None:
    assert item_bytes({"pk": {"S": "ß"}, "n": {"N": "-12345"}, "m": {"M": {"x": {"N": "7"}}}}) == 4 + 5 + 8


@pytest.mark.parametrize(("size", "writes", "reads"), [(0, 1, 1), (1000, 1, 1), (1020, 2, 1), (4100, 5, 2)])
def test_units_are_begun_kilobytes(size: int, writes: int, reads: int) -> None:
    assert write_units(None, an_item(size)) == writes
    assert read_units(item_bytes(an_item(size))) == reads


def test_the_larger_of_old_and_new_is_billed() -> None:
    assert write_units(an_item(3000), an_item()) == 3


def test_an_index_is_billed_only_when_what_it_holds_changes() -> None:
    first, later = an_item(due_shard="01", due_at="5"), an_item(due_shard="01", due_at="9")

    assert index_units(DUE, first, first | {"state": {"B": bytes(900)}}) == 0
    assert index_units(DUE, None, first) == index_units(DUE, first, an_item()) == 1
    assert index_units(DUE, first, later) == 2
    assert index_units(DUE, None, an_item()) == 0


@pytest.mark.long
def test_the_figures_are_those_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Units and requests of the smaller portfolio, played again; random profile ids move a few of them."""
    as_nobody(monkeypatch)
    kept = json.loads(cost.MEASURED.read_text())
    stored = next(run for run in kept["runs"] if run["audiences"] == min(cost.AUDIENCES))

    with mock_aws():
        found = cost.measure(stored["audiences"], kept["users"])

    for figure in ("events", "wakes", "changes"):
        assert found[figure] == pytest.approx(stored[figure], rel=0.02), figure
    flat = {(name, what): many for name, told in stored["counts"].items() for what, many in told.items()}
    for (name, what), many in flat.items():
        assert found["counts"][name][what] == pytest.approx(many, rel=0.05, abs=3), (name, what)


# USD for a million events at 1,000 audiences, each a read and a put of its profile, not in groups and without an index.
AIM = 1.35


def test_a_million_reads_and_puts_of_a_profile_cost_no_more_than_they_should() -> None:
    assert price_of_visits(measured()) <= AIM


@pytest.mark.long
def test_that_price_is_the_one_of_the_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of few users, who were counted in seconds and cost 1.08; all of them cost 1.30."""
    as_nobody(monkeypatch)
    # What partners are told is no part of it, and takes most of the time.
    monkeypatch.setattr(cost, "CONNECTED", max(cost.AUDIENCES))
    (smaller, *_) = measured()

    found = cost.measure(max(cost.AUDIENCES), users=6)

    # As much dearer as would bring the price of all users above the target.
    assert price_of_visits([smaller, found]) <= 1.08 * AIM / 1.30


def price_of_visits(runs: list[dict[str, Any]]) -> float:
    return sum(line.dollars for line in a_million_visits(runs, Workload(audiences=1000), PRICES))


def as_nobody(patch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        patch.setenv(name, "testing")
    patch.delenv("AWS_ENDPOINT_URL", raising=False)


def test_what_a_member_told_to_a_partner_takes_is_that_of_the_code() -> None:
    kept, found = json.loads(operating_cost.KEPT.read_text())["delivery"], operating_cost.measure_delivery(80)

    for table, what in (("LedgerTable", "write_units"), ("LedgerTable index", "write_units")):
        each = found["counts"][table][what] / found["members"]
        # A lane has a row of its own, of which fewer members make more.
        assert each == pytest.approx(kept["counts"][table][what] / kept["members"], rel=0.1), (table, what)


def test_what_costs_by_the_month_is_that_of_the_template() -> None:
    kept = json.loads(operating_cost.KEPT.read_text())

    stale = "run: python -m benchmarks.operating_cost, and put its figures into docs/cost.md"
    assert {name: kept[name] for name in ("alarms", "queues")} == operating_cost.standing(), stale
    assert set(kept["idle"]) == operating_cost.scheduled(), stale
