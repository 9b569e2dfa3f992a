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
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
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
    profile.memberships, profile.agenda = {audience}, ((leaves_at, audience),)
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


def tables(stack: Stack) -> dict[str, str]:
    """The environment that every function of the stack gets."""
    function = stack.outputs["ReevaluateDueFunction"]
    found = stack.client("lambda").get_function_configuration(FunctionName=function)
    return dict(found["Environment"]["Variables"])


def seed(endpoint: str, names: dict[str, str], given: Whose, lane: int, count: int, leaves_at: int) -> None:
    """Profiles with their rows in the member list and their part of its size."""
    chance, dynamodb = random.Random(lane), client("dynamodb", endpoint)
    account, audience, _ = given
    mpids = [Mpid(chance.randint(-(2**63), 2**63 - 1)) for _ in range(count)]
    for some in batched(mpids, 25):
        profiles = [item(*given, mpid, leaves_at) for mpid in some]
        since = {"N": str(leaves_at - DAY_MS - 1)}
        rows = [
            {"pk": {"S": f"{account}#{audience}#{bucket_of(mpid):02d}"}, "sk": {"S": str(mpid)}, "since": since}
            for mpid in some
        ]
        for table, items in ((names["PROFILES_TABLE"], profiles), (names["MEMBERSHIPS_TABLE"], rows)):
            dynamodb.batch_write_item(RequestItems={table: [{"PutRequest": {"Item": each}} for each in items]})
    for bucket, size in Counter(map(bucket_of, mpids)).items():
        dynamodb.update_item(
            TableName=names["COUNTS_TABLE"],
            Key={"pk": {"S": f"{account}#{audience}"}, "sk": {"S": f"count#{bucket:02d}"}},
            UpdateExpression="ADD adds :size, drops :none",
            ExpressionAttributeValues={":size": {"N": str(size)}, ":none": {"N": "0"}},
        )


@contextmanager
def unseen_by_fan_out(stack: Stack) -> Iterator[None]:
    """What is written meanwhile is nothing that happens: the stream is read on from its end."""
    functions = stack.client("lambda")
    (mapping,) = (
        each
        for each in functions.list_event_source_mappings()["EventSourceMappings"]
        if "FanOutChanges" in each["FunctionArn"]
    )
    functions.delete_event_source_mapping(UUID=mapping["UUID"])
    yield
    functions.create_event_source_mapping(
        EventSourceArn=mapping["EventSourceArn"],
        FunctionName=mapping["FunctionArn"],
        StartingPosition="LATEST",
        BatchSize=mapping["BatchSize"],
        FunctionResponseTypes=mapping["FunctionResponseTypes"],
    )


def waiting(stack: Stack) -> int:
    """About how many messages of up to 50 profiles are queued, those of later instants and those under way included."""
    found = stack.client("sqs").get_queue_attributes(
        QueueUrl=stack.outputs["ReevaluationsQueueUrl"], AttributeNames=["All"]
    )["Attributes"]
    kinds = ("", "NotVisible", "Delayed")
    return sum(int(found[f"ApproximateNumberOfMessages{kind}"]) for kind in kinds)


def overdue(stack: Stack, now: int) -> int:
    """How many are due and not visited; the local AWS reads its whole index for this, so it is asked seldom."""
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


def seed_all(shop: Shop, audience: int, leaves_at: int, profiles: int) -> None:
    given = (shop.account_id, AudienceId(audience), (shop.workspace, shop.input["id"]))
    names, each = tables(shop.stack), profiles // SEEDERS
    seeders = [
        multiprocessing.Process(target=seed, args=(shop.stack.endpoint, names, given, number, each, leaves_at))
        for number in range(SEEDERS)
    ]
    with unseen_by_fan_out(shop.stack):
        for seeder in seeders:
            seeder.start()
        for seeder in seeders:
            seeder.join()


def drained_at(stack: Stack, patience_s: float) -> int:
    """When the last profile had been visited (UTC ms), as the queue shows it; the index has the last word."""
    began, told_at = time.monotonic(), 0.0
    while (passed := time.monotonic() - began) < patience_s:
        left, at = waiting(stack), now_ms()
        if passed >= told_at:
            print(f"{passed:6.0f} s: {left} messages", flush=True)
            told_at += 15
        if not left and not overdue(stack, at):
            return at
        time.sleep(1)
    print(f"gave up: {overdue(stack, now_ms())} profiles wait", flush=True)
    return now_ms()


def measure(shop: Shop, options: argparse.Namespace) -> None:
    audience = shop.audience("Viewed today", VIEWED_TODAY)
    mpids = live_customers(shop, audience)
    leaves_at, began = now_ms() + options.lead * 1000, time.monotonic()
    seed_all(shop, audience, leaves_at, options.profiles)
    print(f"seeded in {time.monotonic() - began:.0f} s; size {shop.size(audience)}", flush=True)
    time.sleep(max(0.0, (leaves_at - now_ms()) / 1000 - options.before))
    with Live(shop, mpids, options.every) as live:
        began_at = now_ms()
        time.sleep(max(0.0, (leaves_at - now_ms()) / 1000))
        print(f"the instant; {waiting(shop.stack)} messages are queued", flush=True)
        done_at = drained_at(shop.stack, options.patience)
        print(f"drained in {(done_at - leaves_at) / 1000:.1f} s", flush=True)
        print(f"live before: {told(live.latencies(began_at, leaves_at))}", flush=True)
        print(f"live during: {told(live.latencies(leaves_at, done_at))}", flush=True)
    shop.wait_until(lambda: shop.size(audience) == len(mpids), patience_s=options.patience)
    print(f"size right {(now_ms() - leaves_at) / 1000:.1f} s after the instant", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profiles", type=int, default=100_000)
    parser.add_argument(
        "--lead", type=int, default=600, help="seconds from the first profile to the instant: 210 and writing"
    )
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
