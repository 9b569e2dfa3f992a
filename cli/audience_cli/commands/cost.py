"""`audiences cost`: what events cost on AWS, by service."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from audience_cli.cost import operating
from audience_cli.cost.model import Line, Workload, a_million_visits, bill, measured
from audience_cli.cost.prices import with_changes
from audience_cli.output import AsJson, messages, print_json, print_table

_COLUMNS = ("Service", "What", "Requests or units", "Each, USD", "USD")


def cost(
    events: Annotated[int, typer.Option(min=1, help="How many events.")] = 1_000_000,
    audiences: Annotated[int, typer.Option(min=1, help="Active audiences.")] = 1000,
    group_size: Annotated[int, typer.Option(min=1, max=10_000, help="Events that one invocation handles.")] = 10,
    changes_per_event: Annotated[
        float | None, typer.Option(min=0, help="Joins and leaves an event brings, in time too; else as measured.")
    ] = None,
    latency_ms: Annotated[float, typer.Option(min=0, help="Of a request from a function to AWS.")] = 5.0,
    price: Annotated[list[str] | None, typer.Option(help="name=dollars for one unit; may be repeated.")] = None,
    as_json: AsJson = False,
) -> None:
    """Estimate what events cost on AWS, from counted requests and units; it speaks to no server."""
    workload = Workload(events, audiences, group_size, changes_per_event, latency_ms)
    prices = with_changes(price or ())
    lines = bill(measured(), workload, prices)
    beside = _beside(workload, prices)
    if as_json:
        print_json({**_document(lines, workload), "beside": {name: _sum(of) for name, of in beside.items()}})
        return
    rows = [
        (each.service, each.what, round(each.many), _price(each.unit_price), _money(each.dollars)) for each in lines
    ]
    totals = [(service, "", "", "", _money(dollars)) for service, dollars in _by_service(lines).items()]
    rule = ("", "", "", "", "")
    print_table(_COLUMNS, [*rows, rule, *totals, ("All", "", "", "", _money(_sum(lines)))], _COLUMNS[2:])
    print_table(("Beside events", "USD"), [(what, _money(_sum(of))) for what, of in beside.items()], ("USD",))
    messages().print(f"{events:,} events, {audiences:,} audiences; what is counted and what is not: docs/cli.md")


def _beside(workload: Workload, prices: Mapping[str, float]) -> dict[str, list[Line]]:
    of, latency_ms = operating.counted(), workload.latency_ms
    return {
        "of these, a million visits of a profile: one read and one put": a_million_visits(measured(), workload, prices),
        "a million members told to a partner": operating.forwarding(of["delivery"], prices, latency_ms),
        "a lifetime calculation over a billion events": operating.calculation(of["lifetime"], prices),
        "a month without events": operating.idle(of["idle"], prices, latency_ms, of["alarms"], of["queues"]),
    }


def _document(lines: list[Line], workload: Workload) -> dict[str, Any]:
    return {
        "events": workload.events,
        "audiences": workload.audiences,
        "lines": [
            {"service": e.service, "what": e.what, "many": e.many, "unit_price": e.unit_price, "dollars": e.dollars}
            for e in lines
        ],
        "dollars_by_service": _by_service(lines),
        "dollars": _sum(lines),
    }


def _by_service(lines: list[Line]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for each in lines:
        totals[each.service] = totals.get(each.service, 0.0) + each.dollars
    return totals


def _sum(lines: list[Line]) -> float:
    return sum(each.dollars for each in lines)


def _money(dollars: float) -> str:
    return f"{dollars:,.2f}"


def _price(dollars: float) -> str:
    return f"{dollars:.10f}".rstrip("0")
