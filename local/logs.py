"""Follows what the deployed functions log, across all of them, oldest line first."""

import time
from collections.abc import Iterator
from typing import Any

from local.aws import client
from local.emulator import Emulator

GROUPS = "/aws/lambda/"
PAUSE_SECONDS = 1.0
# Lambda's own frame around each invocation.
PLATFORM_LINES = ("START RequestId", "END RequestId", "REPORT RequestId")


def follow(emulator: Emulator) -> None:
    logs, since = client("logs", emulator.endpoint), 0
    while True:
        for event in new_events(logs, since):
            since = max(since, event["timestamp"] + 1)
            print(line_of(event), flush=True)
        time.sleep(PAUSE_SECONDS)


def new_events(logs: Any, since: int) -> list[dict[str, Any]]:
    """Events of every function from `since` (UTC ms) on, each with the group it came from."""
    return sorted(_events(logs, since), key=lambda event: int(event["timestamp"]))


def _events(logs: Any, since: int) -> Iterator[dict[str, Any]]:
    for groups in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=GROUPS):
        for group in groups["logGroups"]:
            name = group["logGroupName"]
            for page in logs.get_paginator("filter_log_events").paginate(logGroupName=name, startTime=since):
                yield from ({**event, "group": name} for event in page["events"] if is_told_by_function(event))


def is_told_by_function(event: dict[str, Any]) -> bool:
    return not event["message"].startswith(PLATFORM_LINES)


def line_of(event: dict[str, Any]) -> str:
    at = time.strftime("%H:%M:%S", time.gmtime(event["timestamp"] / 1000))
    return f"{at} {event['group'].removeprefix(GROUPS)}: {event['message'].rstrip()}"
