"""From an event's acceptance to its membership in the list, under load, on a local stack of its own.

    python -m benchmarks.latency                            # 50 events a second, 1,000 active audiences

Users of the engine's workload, who have been customers for 90 days, send their events through the ingest API, one a
request, at an even rate. Every tenth event is a probe: by a user who joins one more audience with it, timed from its
202 until the member list has the row. Sizes and summaries are counted in the windows of the template, not in those of
the local stack. `--strangers`: the users are met for the first time, and join a crowd of audiences with each of their
first events.

The warm-up is longer than an authorizer's answer is kept: when that ends, all requests of the moment ask at once, and
a dozen functions start on the processors of those that are measured.
"""

import argparse
import os
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from itertools import batched, count, islice
from pathlib import Path
from statistics import quantiles

import urllib3

from audience_core.domain.audience import Audience
from audience_core.domain.control_stores import Change
from audience_core.domain.event import Event
from audience_core.domain.ids import AudienceId
from audience_core.domain.profile import bucket_of
from audience_core.persistence.audiences import DynamoAudienceStore
from benchmarks import workload
from local.app import PRODUCT
from local.aws import ACCESS_KEY, REGION
from local.stack import ensure_stack
from local.templates import read_template
from tests.support.partners import a_partner
from tests.support.shop import Json, Shop

# Every so many events one is a probe.
PROBE_EVERY = 10
_SENDERS = 16
# Of DynamoDB, for one request.
_MOST_KEYS = 100
_FIRST_OF_PORTFOLIO = 100
_PATIENCE_S = 60.0
# What is told is later by up to this than what happened: to look more often would cost the stack its processors.
_WATCH_S = 0.05
_EVENTS_OF_A_BATCH = 50


def within_a_day(name: str) -> Json:
    window = {"type": "within_last", "duration": {"amount": 1, "unit": "days"}}
    return {"type": "event", "event": {"kind": "custom_event", "name": name}, "window": window}


@dataclass(slots=True)
class Taken:
    """Seconds of each probe after its 202, and of each call until its 202."""

    visible: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    lost: int = 0


class Load:
    """Events of one shop's customers, and what becomes of the probes among them."""

    def __init__(self, shop: Shop, probe: int, probes: Sequence[str], probe_every: int = PROBE_EVERY) -> None:
        self._shop, self._probe, self._probes, self._every = shop, probe, list(probes), probe_every
        resources = shop.stack.client("cloudformation").describe_stack_resources(StackName="audiences")
        physical = {each["LogicalResourceId"]: each["PhysicalResourceId"] for each in resources["StackResources"]}
        self._members = physical["MembershipsTable"]
        # A client that does more for a request takes more of the processors that it shares with the stack.
        self._calls = urllib3.PoolManager(
            maxsize=_SENDERS, headers=urllib3.make_headers(basic_auth=":".join(shop.credential)), timeout=60
        )
        self._awaited: dict[str, float] = {}
        self.taken = Taken()

    def run(self, batches: Iterator[Json], per_second: float, seconds: float) -> float:
        """Send for so long; the rate that was reached (events a second)."""
        began, sent, is_over = time.monotonic(), 0, threading.Event()
        watcher = threading.Thread(target=self._watch, args=(is_over,))
        watcher.start()
        with ThreadPoolExecutor(_SENDERS) as senders:
            while sent < per_second * seconds:
                time.sleep(max(0.0, began + sent / per_second - time.monotonic()))
                if sent % self._every == 0 and self._probes:
                    senders.submit(self._send_probe, self._probes.pop())
                else:
                    senders.submit(self._send, next(batches))
                sent += 1
        ended = time.monotonic()
        is_over.set()
        watcher.join()
        return sent / (ended - began)

    def _send(self, batch: Json) -> None:
        began = time.monotonic()
        answer = self._calls.request("POST", f"{self._shop.stack.outputs['ApiUrl']}/v2/events", json=batch)
        assert answer.status == HTTPStatus.ACCEPTED, answer.data
        self.taken.calls.append(time.monotonic() - began)

    def _send_probe(self, mpid: str) -> None:
        self._send({"mpid": mpid, "events": [_custom("probe", _now(), {})]})
        self._awaited[mpid] = time.monotonic()

    def _watch(self, is_over: threading.Event) -> None:
        """Look for all that are awaited in one request: one for each would keep a processor busy by itself."""
        dynamodb = self._shop.stack.client("dynamodb")
        while self._awaited or not is_over.is_set():
            time.sleep(_WATCH_S)
            some = dict(islice(list(self._awaited.items()), _MOST_KEYS))
            if not some:
                continue
            asked = {self._members: {"Keys": [self._key(each) for each in some], "ConsistentRead": True}}
            there = {
                each["sk"]["S"] for each in dynamodb.batch_get_item(RequestItems=asked)["Responses"][self._members]
            }
            now = time.monotonic()
            for mpid, accepted in some.items():
                if mpid in there:
                    self.taken.visible.append(now - accepted)
                elif now > accepted + _PATIENCE_S:
                    self.taken.lost += 1
                else:
                    continue
                del self._awaited[mpid]

    def _key(self, mpid: str) -> Json:
        pk = f"{self._shop.account_id}#{self._probe}#{bucket_of(int(mpid)):02d}"
        return {"pk": {"S": pk}, "sk": {"S": mpid}}


def _custom(name: str, at: int, attributes: Json) -> Json:
    data = {"event_name": name, "timestamp_unixtime_ms": at, "custom_event_type": "other"}
    return {"event_type": "custom_event", "data": data | {"custom_attributes": attributes}}


def batches_of(users: int) -> Iterator[Json]:
    """Events of the workload in their order, all as of now; from the beginning again when they are over."""
    events = workload.generate(max(users, 1000))
    tracks = [list(workload.events_of(events, user)) for user in range(users)]
    for place in count():
        for user, track in enumerate(tracks):
            yield _batch(user, track[place % len(track)])


def _batch(user: int, event: Event) -> Json:
    return _of_user(user, [_custom(event.name, _now(), dict(event.attributes))])


def _of_user(user: int, events: Sequence[Json]) -> Json:
    return {
        "user_identities": {"customer_id": f"user-{user}"},
        "user_attributes": workload.traits(user),
        "events": list(events),
    }


def histories_of(users: int) -> Iterator[Json]:
    """What each user did before, the two years of the workload pressed into the 90 days before now."""
    events, now = workload.generate(max(users, 1000), seed=3), _now()
    for user in range(users):
        track = workload.events_of(events, user)
        before = [_custom(each.name, now - (workload.END - each.at) // 8, dict(each.attributes)) for each in track]
        yield from (_of_user(user, some) for some in batched(before, _EVENTS_OF_A_BATCH, strict=False))


def play_histories(shop: Shop, users: int) -> None:
    """Send them and wait until the last of them has passed the whole path."""
    for some in batched(histories_of(users), 20, strict=False):
        shop.send(*some)
    last = shop.audience("Played", within_a_day("played"))
    shop.send(_of_user(0, [_custom("played", _now(), {})]))
    shop.wait_until(lambda: len(shop.members(last)) == 1, patience_s=1200)


def activate(shop: Shop, count: int) -> None:
    """Put a portfolio straight into the table: there are no profiles yet that a backfill would have to visit."""
    resources = shop.stack.client("cloudformation").describe_stack_resources(StackName="audiences")["StackResources"]
    (table,) = [each["PhysicalResourceId"] for each in resources if each["LogicalResourceId"] == "AudiencesTable"]
    store = DynamoAudienceStore(table, REGION)
    for some in batched((_of_shop(shop, each) for each in workload.portfolio(count)), 25, strict=False):
        store.advance(shop.account_id, partial(_as_of, some))


def _as_of(audiences: Sequence[Audience], version: int) -> Change:
    return [each.model_copy(update={"program_version": version}) for each in audiences], ()


def _of_shop(shop: Shop, audience: Audience) -> Audience:
    return audience.model_copy(
        update={
            "account_id": shop.account_id,
            "audience_id": AudienceId(audience.audience_id + _FIRST_OF_PORTFOLIO),
            "workspaces": (shop.workspace,),
            "inputs": (shop.input["id"],),
        }
    )


def probe_mpids(shop: Shop, count: int) -> list[str]:
    """Users who were met before, with events of their own."""
    hello = shop.audience("Met", within_a_day("hello"))
    for first in range(0, count, 100):
        numbers = range(first, min(count, first + 100))
        shop.send(*map(_hello, numbers))
    shop.wait_until(lambda: len(shop.members(hello)) == count, patience_s=300)
    return sorted(shop.members(hello))


def _hello(number: int) -> Json:
    return {"user_identities": {"customer_id": f"probe-{number}"}, "events": [_custom("hello", _now(), {})]}


def _now() -> int:
    return time.time_ns() // 1_000_000


def told(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "too few to tell"
    cuts = quantiles(seconds, n=100)
    return f"p50 {cuts[49]:.2f} s, p90 {cuts[89]:.2f} s, p99 {cuts[98]:.2f} s, most {max(seconds):.2f} s"


def measure(shop: Shop, options: argparse.Namespace) -> None:
    probe = shop.audience("Probed", within_a_day("probe"))
    probes = round(options.rate * options.seconds / PROBE_EVERY) + 1
    mpids = probe_mpids(shop, probes + options.warm_up)
    activate(shop, options.audiences)
    if not options.strangers:
        play_histories(shop, options.users)
    # A backfill of all these audiences would have the processors, too.
    shop.wait_until(lambda: all(each["ended_at"] for each in shop.get("/v1/jobs")["items"]), patience_s=600)
    load, batches = Load(shop, probe, mpids), batches_of(options.users)
    load.run(batches, options.rate, options.warm_up * PROBE_EVERY / options.rate)
    load.taken = Taken()
    rate = load.run(batches, options.rate, options.seconds)
    taken = load.taken
    print(
        f"{options.audiences} audiences, {rate:.1f} events a second for {options.seconds:.0f} s; load {os.getloadavg()}"
    )
    print(f"call to 202: {told(taken.calls)}")
    print(
        f"202 to member list: {told(taken.visible)} ({len(taken.visible)} probes, {taken.lost} not in {_PATIENCE_S} s)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--audiences", type=int, default=1000)
    parser.add_argument("--rate", type=float, default=50, help="events a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--users", type=int, default=500)
    parser.add_argument("--warm-up", type=int, default=400, help="probes sent before, at the same rate")
    parser.add_argument("--strangers", action="store_true", help="users without a history")
    options = parser.parse_args()
    declared = read_template(PRODUCT.template)["Parameters"]
    windows = {name: str(declared[name]["Default"]) for name in ("CountingWindow", "SummaryWindow")}
    with (
        tempfile.TemporaryDirectory() as folder,
        ensure_stack(Path(folder), parameters=windows) as stack,
        a_partner() as partner,
    ):
        environment = {"AWS_ENDPOINT_URL": stack.endpoint, "AWS_ACCESS_KEY_ID": ACCESS_KEY}
        os.environ.update(environment | {"AWS_SECRET_ACCESS_KEY": ACCESS_KEY, "AWS_DEFAULT_REGION": REGION})
        shop = Shop(stack, partner)
        try:
            measure(shop, options)
        finally:
            shop.close()


if __name__ == "__main__":
    main()
