"""What events cost on AWS, from the requests and units that `benchmarks.cost` counted."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import Any

# Memory of the functions (template.yaml), GB; at 1,769 MB one has a whole processor, below that a share of it.
_MEMORY_GB = {"ingest": 0.5, "process": 1769 / 1024, "fan_out": 0.5, "count": 0.5}
_WHOLE_PROCESSOR_GB = 1769 / 1024
# An event source asks for, and deletes, so many messages of a standard queue at once.
_MESSAGES_AT_ONCE = 10
# Tables whose reads a group of events shares; what a change of membership writes.
_SHARED = frozenset({"accounts", "audiences", "outputs"})
_PER_CHANGE = frozenset({"history", "memberships", "counts", "ledger", "ledger index"})
_NAMES = {
    "profiles": "profile",
    "profiles index": "due index",
    "memberships": "member rows",
    "counts": "sizes and their summaries",
    "history": "history and logs",
    "requests": "repeats and quota",
    "audiences": "definitions' version",
}


@dataclass(frozen=True, slots=True)
class Line:
    """A position of the bill: so many requests or units at so many dollars each."""

    service: str
    what: str
    many: float
    unit_price: float

    @property
    def dollars(self) -> float:
        return self.many * self.unit_price


@dataclass(frozen=True, slots=True)
class Workload:
    """Args:
    events: how many, each of them a request of its own.
    group_size: events that one invocation handles together.
    changes_per_event: memberships that change, in time too; None: as measured.
    latency_ms: of one request to a service of AWS from a function.
    """

    events: int = 1_000_000
    audiences: int = 1000
    group_size: int = 10
    changes_per_event: float | None = None
    latency_ms: float = 5.0


def measured() -> list[dict[str, Any]]:
    """Runs of the benchmark, by their number of audiences."""
    found = json.loads(files("audience_cli.cost").joinpath("measured.json").read_text("utf-8"))
    return sorted(found["runs"], key=lambda run: int(run["audiences"]))


def bill(runs: list[dict[str, Any]], workload: Workload, prices: Mapping[str, float]) -> list[Line]:
    """Positions for the given events; between two measured portfolios in proportion."""
    lower, upper, share = _around(runs, workload.audiences)
    sides = [list(_lines(_Run(run, workload), prices)) for run in (lower, upper)]
    return [
        Line(low.service, low.what, low.many + (high.many - low.many) * share, low.unit_price)
        for low, high in zip(*sides, strict=True)
    ]


def a_million_visits(runs: list[dict[str, Any]], workload: Workload, prices: Mapping[str, float]) -> list[Line]:
    """Reads and puts of a profile, the index of what is due left out: an event is a visit, and so is a wake-up."""
    lower, upper, share = _around(runs, workload.audiences)
    low, high = (_Run(run, workload).visits for run in (lower, upper))
    part = 1_000_000 / (low + (high - low) * share)
    of_profiles = [line for line in bill(runs, workload, prices) if line.what.startswith(f"{_NAMES['profiles']}: ")]
    return [replace(line, many=line.many * part) for line in of_profiles]


def _around(runs: list[dict[str, Any]], audiences: int) -> tuple[dict[str, Any], dict[str, Any], float]:
    """The two runs to interpolate between; outside of them the outer two, prolonged."""
    after = next((place for place, run in enumerate(runs) if run["audiences"] >= audiences), len(runs) - 1)
    lower, upper = runs[max(0, after - 1)], runs[max(1, after)]
    return lower, upper, (audiences - lower["audiences"]) / (upper["audiences"] - lower["audiences"])


class _Run:
    """One measured portfolio, scaled to a workload."""

    def __init__(self, run: Mapping[str, Any], workload: Workload) -> None:
        self._run, self._workload = run, workload
        self._per_event: float = workload.events / run["events"]
        wanted = workload.changes_per_event
        self._by_changes = 1.0 if wanted is None else wanted * run["events"] / run["changes"]
        self.visits = self._per_event * (run["events"] + run["wakes"])
        self.wakes = self._per_event * run["wakes"]
        self.windows = self._per_event * run["windows"]
        self.events, self.group = workload.events, workload.group_size

    def units(self, table: str, what: str) -> float:
        counted: float = self._run["counts"].get(table, {}).get(what, 0) * self._per_event
        if table in _SHARED:
            return counted / self.group
        return counted * self._by_changes if table in _PER_CHANGE else counted

    def gb_seconds(self, stage: str) -> float:
        """The processor's time, and waiting for each request that events of one group do not share."""
        calls: Mapping[str, int] = self._run["counts"]["calls"]
        memory = _MEMORY_GB[stage]
        group = 1 if stage in ("ingest", "count") else self.group
        waits: float = calls.get(f"{stage} own", 0) + calls.get(f"{stage} shared", 0) / group
        seconds: float = waits * self._workload.latency_ms / 1000
        seconds += self._run["cpu_ms"][stage] / 1000 * _WHOLE_PROCESSOR_GB / memory
        return seconds * self._per_event * memory


def _lines(run: _Run, prices: Mapping[str, float]) -> Iterator[Line]:
    for table in _tables():
        name = _NAMES.get(table, table)
        yield Line("DynamoDB", f"{name}: reads", run.units(table, "half_read_units") / 2, prices["dynamodb_read"])
        yield Line("DynamoDB", f"{name}: writes", run.units(table, "write_units"), prices["dynamodb_write"])
    yield Line("API Gateway", "requests", run.events, prices["api_request"])
    yield from _functions(run, prices)
    yield from _queues(run, prices)
    yield Line("S3", "puts of the raw archive", run.units("s3", "PutObject") / run.group, prices["s3_put"])
    # The live path has no state machine; docs/scale.md has what a backfill takes.
    yield Line("Step Functions", "transitions", 0, prices["state_transition"])


def _tables() -> tuple[str, ...]:
    data = ("profiles", "profiles index", "identities", "memberships", "counts", "history")
    return (*data, "ledger", "ledger index", "requests", "audiences", "accounts", "outputs")


def _functions(run: _Run, prices: Mapping[str, float]) -> Iterator[Line]:
    invocations = {"ingest": run.events, "process": run.visits / run.group, "fan_out": run.visits / run.group}
    invocations["count"] = 2 * run.windows
    for stage, many in invocations.items():
        yield Line("Lambda", f"{stage}: invocations", many, prices["lambda_request"])
        yield Line("Lambda", f"{stage}: GB-seconds", run.gb_seconds(stage), prices["lambda_gb_second"])


def _queues(run: _Run, prices: Mapping[str, float]) -> Iterator[Line]:
    at_once = min(_MESSAGES_AT_ONCE, run.group)
    yield Line("SQS", "events: send, receive, delete", run.events * (1 + 2 / at_once), prices["sqs_request"])
    yield Line("SQS", "due profiles: send, receive, delete", 3 * run.wakes / run.group, prices["sqs_request"])
    # Every event's request sends one message; what is sent beside those wakes deliveries up.
    sent = max(0.0, run.units("sqs", "SendMessageBatch") - run.events) / run.group
    yield Line("SQS", "wake-ups: send, receive, delete", 3 * sent, prices["sqs_fifo_request"])
