"""What members told to partners, lifetime calculations and a month without a request cost, from counted requests."""

import json
from collections.abc import Iterator, Mapping
from importlib.resources import files
from typing import Any

from audience_cli.cost.model import Line

MILLION, BILLION = 1_000_000, 1_000_000_000
# A shard of the archive holds so many events (docs/archive-layout.md).
_SHARD_EVENTS = 2_000_000
# Of a worker that evaluates a shard: its memory (template.yaml), and seconds, most of them its start and reading the
# shard; docs/performance-columnar.md has 50 audiences over three times as many events in a third of a second.
_WORKER_GB, _WORKER_S = 3538 / 1024, 5.0
_CHILD_TRANSITIONS = 3
_WHOLE_PROCESSOR_GB = 1769 / 1024
# What is there by the month whether it is used or not: price -> how many, and what of it.
_STANDING = {
    "alarm_month": "alarms",
    "secret_month": "secrets: the key of links and cursors",
    "metric_month": "metrics that schedules write: lag, due, recovered, awakened",
}
_METRICS = 4
# Lambda asks each queue for messages without end: five pollers, twenty seconds a question.
_POLLS_A_MONTH = 5 * 3 * 60 * 730


def counted() -> dict[str, Any]:
    """As `benchmarks.operating_cost` wrote it."""
    found: dict[str, Any] = json.loads(files("audience_cli.cost").joinpath("operating.json").read_text("utf-8"))
    return found


def forwarding(of: Mapping[str, Any], prices: Mapping[str, float], latency_ms: float) -> list[Line]:
    """A million members told to a partner that takes a hundred in a message."""
    times = MILLION / of["members"]
    lanes, messages = of["lanes"] * times, of["messages"] * times
    seconds = (sum(of["counts"]["calls"].values()) * latency_ms + of["cpu_ms"] * _WHOLE_PROCESSOR_GB / 0.5) / 1000
    # A partner answers a message in a quarter of a second.
    gb_seconds = 0.5 * (seconds * times + messages * 0.25)
    return [
        *_tables(of["counts"], times, prices),
        Line("SQS", "wake-ups: send, receive, delete", 3 * lanes, prices["sqs_fifo_request"]),
        Line("Lambda", "invocations", lanes, prices["lambda_request"]),
        Line("Lambda", "GB-seconds", gb_seconds, prices["lambda_gb_second"]),
    ]


def calculation(of: Mapping[str, Any], prices: Mapping[str, float]) -> list[Line]:
    """A lifetime calculation over a billion events, however many audiences it is for."""
    shards = BILLION / _SHARD_EVENTS
    times, s3 = shards / of["shards"], of["counts"]["s3"]
    return [
        *_tables(of["counts"], times, prices),
        Line("S3", "gets", s3["GetObject"] * times, prices["s3_get"]),
        Line("S3", "puts and lists", (s3["PutObject"] + s3["ListObjectsV2"]) * times, prices["s3_put"]),
        Line("Step Functions", "transitions", shards * _CHILD_TRANSITIONS, prices["state_transition"]),
        Line("Lambda", "invocations", shards, prices["lambda_request"]),
        Line("Lambda", "GB-seconds", shards * _WORKER_GB * _WORKER_S, prices["lambda_gb_second"]),
    ]


def idle(of: Mapping[str, Any], prices: Mapping[str, float], latency_ms: float, alarms: int, queues: int) -> list[Line]:
    """A month in which nobody sends or asks anything.

    Args:
        alarms: of the stack.
        queues: that functions wait for.
    """
    lines = []
    for function, run in of.items():
        times, memory = run["runs_a_month"], run["memory_mb"] / 1024
        seconds = sum(run["counts"]["calls"].values()) * latency_ms / 1000 + run["cpu_ms"] / 1000
        lines += [
            Line("DynamoDB", f"{function}: units", each.many, each.unit_price)
            for each in _tables(run["counts"], times, prices)
        ]
        lines.append(Line("Lambda", f"{function}: runs", times, prices["lambda_request"]))
        lines.append(Line("Lambda", f"{function}: GB-seconds", times * seconds * memory, prices["lambda_gb_second"]))
    many = {"alarm_month": alarms, "secret_month": 1, "metric_month": _METRICS}
    standing = [Line("CloudWatch and secrets", what, many[name], prices[name]) for name, what in _STANDING.items()]
    polls = Line("SQS", "questions of Lambda's pollers", queues * _POLLS_A_MONTH, prices["sqs_request"])
    return [*lines, polls, *standing]


def _tables(counts: Mapping[str, Mapping[str, int]], times: float, prices: Mapping[str, float]) -> Iterator[Line]:
    reads = sum(each.get("half_read_units", 0) for each in counts.values()) / 2
    writes = sum(each.get("write_units", 0) for each in counts.values())
    yield Line("DynamoDB", "reads", reads * times, prices["dynamodb_read"])
    yield Line("DynamoDB", "writes", writes * times, prices["dynamodb_write"])
