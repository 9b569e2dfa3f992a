"""What events cost: from counted requests to dollars, and how it is shown."""

import json
from typing import Any

import pytest

from audience_cli.cost.model import Workload, a_million_visits, bill
from audience_cli.cost.operating import calculation, counted, forwarding
from audience_cli.cost.prices import PRICES
from tests.unit.cli.conftest import Run

NO_TIME = {"ingest": 0, "process": 0, "fan_out": 0, "count": 0}


def a_run(portfolio: int, /, **counts: dict[str, int]) -> dict[str, Any]:
    counts = {"calls": {}, **counts}
    figures = {"events": 10, "wakes": 30, "changes": 50, "windows": 1, "cpu_ms": NO_TIME}
    return {"audiences": portfolio, **figures, "counts": counts}


def many(runs: list[dict[str, Any]], what: str, **workload: Any) -> float:
    lines = bill(runs, Workload(**{"events": 1000, "audiences": 100, "group_size": 10} | workload), PRICES)
    return next(line.many for line in lines if line.what == what)


def runs(**counts: dict[str, int]) -> list[dict[str, Any]]:
    return [a_run(100, **counts), a_run(1000, **counts)]


def test_units_grow_with_the_events() -> None:
    counted = runs(profiles={"write_units": 20})

    assert many(counted, "profile: writes") == 2000
    assert many(counted, "profile: writes", events=3000) == 6000


def test_reads_are_halves_as_the_meter_counts_them() -> None:
    assert many(runs(profiles={"half_read_units": 20}), "profile: reads") == 1000


def test_a_group_shares_the_reads_of_definitions_alone() -> None:
    counted = runs(audiences={"half_read_units": 40}, profiles={"half_read_units": 40})

    assert many(counted, "definitions' version: reads", group_size=20) == 100
    assert many(counted, "profile: reads", group_size=20) == 2000


def test_fewer_changes_write_less_of_what_is_derived() -> None:
    counted = runs(history={"write_units": 50}, profiles={"write_units": 20})

    assert many(counted, "history and logs: writes", changes_per_event=1) == 1000
    assert many(counted, "profile: writes", changes_per_event=1) == 2000


def test_between_two_portfolios_the_figure_lies_in_proportion() -> None:
    counted = [a_run(100, profiles={"write_units": 10}), a_run(1000, profiles={"write_units": 28})]

    assert many(counted, "profile: writes", audiences=600) == pytest.approx(2000)


def test_above_the_largest_portfolio_the_line_goes_on() -> None:
    counted = [a_run(100, profiles={"write_units": 10}), a_run(1000, profiles={"write_units": 28})]

    assert many(counted, "profile: writes", audiences=1900) == pytest.approx(4600)


def test_a_visit_is_an_event_or_a_wake_up() -> None:
    counted = runs(profiles={"half_read_units": 80, "write_units": 60}, history={"write_units": 90})

    lines = {line.what: line.many for line in a_million_visits(counted, Workload(audiences=100), PRICES)}

    # Ten events and thirty wake-ups.
    assert lines == {"profile: reads": pytest.approx(1_000_000), "profile: writes": pytest.approx(1_500_000)}


def test_waiting_is_billed_at_the_memory_of_the_function() -> None:
    counted = runs(calls={"fan_out own": 10, "fan_out shared": 20})

    # One request an event of its own and a fifth of a shared one, 5 ms each, at half a GB.
    assert many(counted, "fan_out: GB-seconds") == pytest.approx(1000 * 1.2 * 0.005 * 0.5)


def test_json_adds_up(run: Run) -> None:
    told = json.loads(run("cost", "--json").stdout)

    assert told["dollars"] == pytest.approx(sum(line["many"] * line["unit_price"] for line in told["lines"]))
    assert told["dollars"] == pytest.approx(sum(told["dollars_by_service"].values()))
    assert told["dollars_by_service"]["DynamoDB"] > 0


def test_a_price_can_be_replaced(run: Run) -> None:
    usual, doubled = (
        json.loads(run("cost", "--json", *given).stdout)["dollars_by_service"]
        for given in ((), ("--price", f"api_request={2 * PRICES['api_request']}"))
    )

    assert doubled["API Gateway"] == pytest.approx(2 * usual["API Gateway"])
    assert doubled["DynamoDB"] == usual["DynamoDB"]


@pytest.mark.parametrize("given", ["postage=1", "s3_put=cheap", "s3_put=nan", "s3_put=-1"])
def test_a_price_that_makes_no_sense_is_refused(run: Run, given: str) -> None:
    result = run("cost", "--price", given)

    assert result.exit_code == 2
    assert given.split("=", maxsplit=1)[0] in result.stderr


def test_a_table_shows_services_and_the_sum(run: Run) -> None:
    shown = run("cost", "--events", "1000000").stdout

    assert "profile: writes" in shown
    (total,) = (line for line in shown.splitlines() if line.startswith("All"))
    assert total.removeprefix("All").strip().replace(",", "").replace(".", "").isdigit()


def test_what_costs_beside_events_is_told_with_them(run: Run) -> None:
    told = json.loads(run("cost", "--json").stdout)["beside"]

    assert list(told) == [
        "of these, a million visits of a profile: one read and one put",
        "a million members told to a partner",
        "a lifetime calculation over a billion events",
        "a month without events",
    ]
    dearer = json.loads(run("cost", "--json", "--price", "alarm_month=1").stdout)["beside"]
    assert dearer["a month without events"] - told["a month without events"] == pytest.approx(counted()["alarms"] * 0.9)


def test_forwarding_is_priced_by_its_counts() -> None:
    of = {
        "members": 100,
        "lanes": 2,
        "messages": 4,
        "cpu_ms": 0,
        "counts": {"calls": {}, "ledger": {"write_units": 300}},
    }

    lines = {line.what: line.many for line in forwarding(of, PRICES, 5.0)}

    assert (lines["writes"], lines["invocations"]) == (3_000_000, 20_000)
    assert lines["GB-seconds"] == pytest.approx(40_000 * 0.25 * 0.5)


def test_a_shard_is_what_a_calculation_is_priced_by() -> None:
    of = {"shards": 2, "counts": {"s3": {"GetObject": 12, "PutObject": 3, "ListObjectsV2": 1}}}

    lines = {line.what: line.many for line in calculation(of, PRICES)}

    assert (lines["gets"], lines["puts and lists"], lines["invocations"]) == (3000, 1000, 500)
