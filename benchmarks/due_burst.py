"""A burst of profiles due at one instant, and live events meanwhile, on a local stack of its own.

`python -m benchmarks.due_burst --profiles 100000`: profiles are written straight into the table, all members of an
audience that they leave at one instant. Measured: how long until the last of them has left, and how long a live event
takes from the call to the profile, before and during.
"""

import argparse
import multiprocessing
import random
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from itertools import batched
from pathlib import Path
from statistics import quantiles
from typing import Any

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event, Identity
from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import DUE_SHARDS, Profile, Seen, bucket_of, due_shard_of
from audience_core.persistence.profile_codec import pack_state, pack_timeline
from local.aws import client
from local.stack import Stack, ensure_stack
from tests.support.partners import a_partner
from tests.support.shop import Shop

VIEWED_TODAY = {
    "type": "event",
    "event": {"kind": "screen_view", "name": "Offer"},
    "window": {"type": "within_last", "duration": {"amount": 1, "unit": "days"}},
}
CUSTOMERS = 40
SEEDERS = 2


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def item(
    account: AccountId, audience: AudienceId, source: tuple[str, str], mpid: Mpid, leaves_at: int
) -> dict[str, Any]:
    """A member by one view, stored as the product stores it."""
    workspace, viewed_at = WorkspaceId(source[0]), leaves_at - DAY_MS - 1
    view = Event(EventKind.SCREEN_VIEW, "Offer", viewed_at, bytes(8), workspace, InputId(source[1]))
    profile = Profile(account, Environment.PRODUCTION, mpid, 1, program_version=1)
    profile.identities = {Identity("customer_id", f"seeded-{mpid}"): viewed_at}
    profile.seen = {workspace: Seen(viewed_at, viewed_at)}
    profile.memberships, profile.agenda = frozenset({audience}), ((leaves_at, audience),)
    return {
        "pk": {"S": f"{account}#p#{bucket_of(mpid):02d}"},
        "sk": {"S": str(mpid)},
        "version": {"N": "1"},
        "program": {"N": "1"},
        "state": {"B": pack_state(profile)},
        "timeline": {"B": pack_timeline([((EventKind.SCREEN_VIEW, "Offer"), [view])])},
        "due_shard": {"S": f"{due_shard_of(mpid):02d}"},
        "due_at": {"N": str(leaves_at)},
    }


type Whose = tuple[AccountId, AudienceId, tuple[str, str]]


def seed(endpoint: str, table: str, given: Whose, lane: int, count: int, leaves_at: int) -> None:
    chance, dynamodb = random.Random(lane), client("dynamodb", endpoint)
    mpids = (Mpid(chance.randint(-(2**63), 2**63 - 1)) for _ in range(count))
    for some in batched(mpids, 25):
        puts = [{"PutRequest": {"Item": item(*given, mpid, leaves_at)}} for mpid in some]
        dynamodb.batch_write_item(RequestItems={table: puts})


def left_due(stack: Stack, now: int) -> int:
    dynamodb, found = stack.client("dynamodb"), 0
    for shard in range(DUE_SHARDS):
        pages = dynamodb.get_paginator("query").paginate(
            TableName=stack.outputs["ProfilesTableName"],
            IndexName="due",
            Select="COUNT",
            KeyConditionExpression="due_shard = :shard AND due_at <= :now",
            ExpressionAttributeValues={":shard": {"S": f"{shard:02d}"}, ":now": {"N": str(now)}},
        )
        found += sum(page["Count"] for page in pages)
    return found


class Live:
    """Events at a modest rate, each timed from the call until its profile has a new version."""

    def __init__(self, shop: Shop, mpids: list[str], every_s: float) -> None:
        self._shop, self._mpids, self._every_s = shop, mpids, every_s
        self._stop = threading.Event()
        self.taken: list[tuple[int, float]] = []
        self._threads = [threading.Thread(target=self._run, args=(lane,), daemon=True) for lane in range(4)]

    def __enter__(self) -> "Live":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def latencies(self, start: int, end: int) -> list[float]:
        return [latency for at, latency in self.taken if start <= at < end]

    def _run(self, lane: int) -> None:
        dynamodb = self._shop.stack.client("dynamodb")
        own = self._mpids[lane::4]
        for number in range(10**9):
            if self._stop.wait(self._every_s * 4):
                return
            mpid, at, began = own[number % len(own)], now_ms(), time.monotonic()
            before = self._version(dynamodb, mpid)
            self._shop.send(a_view(f"live-{self._mpids.index(mpid)}", at, f"live-{lane}-{number}"))
            while self._version(dynamodb, mpid) == before:
                time.sleep(0.02)
            self.taken.append((at, time.monotonic() - began))

    def _version(self, dynamodb: Any, mpid: str) -> str:
        key = {"pk": {"S": f"{self._shop.account_id}#p#{bucket_of(int(mpid)):02d}"}, "sk": {"S": mpid}}
        table = self._shop.stack.outputs["ProfilesTableName"]
        found = dynamodb.get_item(TableName=table, Key=key, ConsistentRead=True, ProjectionExpression="version")
        return str(found["Item"]["version"]["N"])


def a_view(customer: str, at: int, request: str) -> dict[str, Any]:
    data = {"screen_name": "Offer", "timestamp_unixtime_ms": at, "source_message_id": request}
    return {
        "source_request_id": request,
        "user_identities": {"customer_id": customer},
        "events": [{"event_type": "screen_view", "data": data}],
    }


def told(latencies: list[float]) -> str:
    if len(latencies) < 2:
        return "too few"
    cuts = quantiles(latencies, n=100)
    return f"p50 {cuts[49]:.2f} s, p99 {cuts[98]:.2f} s, most {max(latencies):.2f} s ({len(latencies)} events)"


def has_size(shop: Shop, audience: int, size: int) -> bool:
    return len(shop.members(audience)) == size


def live_customers(shop: Shop, audience: int) -> list[str]:
    """One after another, so that their order is that of their numbers."""
    mpids: list[str] = []
    for number in range(CUSTOMERS):
        shop.send(a_view(f"live-{number}", now_ms(), f"first-{number}"))
        shop.wait_until(partial(has_size, shop, audience, number + 1))
        mpids += shop.members(audience) - set(mpids)
    return mpids


def progress(stack: Stack, patience_s: float) -> Iterator[tuple[float, int]]:
    began = time.monotonic()
    left = -1
    while left and time.monotonic() - began < patience_s:
        left = left_due(stack, now_ms())
        yield time.monotonic() - began, left
        time.sleep(1)


def measure(shop: Shop, options: argparse.Namespace) -> None:
    audience = shop.audience("Viewed today", VIEWED_TODAY)
    mpids = live_customers(shop, audience)
    leaves_at = now_ms() + options.lead * 1000
    began = time.monotonic()
    given = (shop.account_id, AudienceId(audience), (shop.workspace, shop.input["id"]))
    each = options.profiles // SEEDERS
    seeders = [
        multiprocessing.Process(
            target=seed,
            args=(shop.stack.endpoint, shop.stack.outputs["ProfilesTableName"], given, number, each, leaves_at),
        )
        for number in range(SEEDERS)
    ]
    for seeder in seeders:
        seeder.start()
    for seeder in seeders:
        seeder.join()
    print(f"seeded {each * SEEDERS} profiles in {time.monotonic() - began:.0f} s", flush=True)
    print(f"{(leaves_at - now_ms()) / 1000:.0f} s to the instant", flush=True)
    time.sleep(max(0.0, (leaves_at - now_ms()) / 1000 - options.before))
    with Live(shop, mpids, options.every) as live:
        began_at = now_ms()
        print(f"{shop.size(audience)} are members", flush=True)
        time.sleep(max(0.0, (leaves_at - now_ms()) / 1000))
        for number, (seconds, left) in enumerate(progress(shop.stack, options.patience)):
            if number % 10 == 0 or not left:
                print(f"{seconds:6.1f} s: {left} wait", flush=True)
        drained_at = now_ms()
        print(f"drained in {(drained_at - leaves_at) / 1000:.1f} s; left over: {left}", flush=True)
        print(f"live before: {told(live.latencies(began_at, leaves_at))}", flush=True)
        print(f"live during: {told(live.latencies(leaves_at, drained_at))}", flush=True)
    shop.wait_until(lambda: shop.size(audience) <= CUSTOMERS, patience_s=options.patience)
    print(f"size right {(now_ms() - leaves_at) / 1000:.1f} s after the instant", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument("--lead", type=int, default=600, help="seconds from the first profile written to the instant")
    parser.add_argument("--before", type=float, default=60, help="seconds of live events before the instant")
    parser.add_argument("--every", type=float, default=0.5, help="seconds between live events")
    parser.add_argument("--patience", type=float, default=900, help="seconds after which it gives up")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, ensure_stack(Path(folder)) as stack, a_partner() as partner:
        shop = Shop(stack, partner)
        try:
            measure(shop, options)
        finally:
            shop.close()


if __name__ == "__main__":
    main()
