"""What an event makes the product ask of AWS: requests, units and bytes, counted over an AWS in memory.

`python -m benchmarks.cost` plays the benchmark workload through the real ingest, processing and fan-out over the real
stores, each profile's wake-ups at their instants, and writes `cli/audience_cli/cost/measured.json`. One event is one
request; each is processed alone, so that what a group of events shares is told apart. What is counted in windows
(`count_members`) is counted for so many events together as come in one at 50 a second, or fewer at the end.

The shop is one that lives: the two years of the workload are pressed into 90 days, so that its users have been
customers for as long as audiences look back, with 25 events in six visits on average (`--pace 1`: six in two years).
Profiles are first brought to the state that all of it before the window left them in; that is not counted.
"""

import argparse
import heapq
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from audience_core.domain.event import Event, Source
from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import AcceptedBatch, PipelineMessage, Reevaluation
from audience_core.domain.profile_change import ProfileChange
from audience_core.domain.stores import CountChange
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.profiles import DynamoProfileStore, profile_from_image
from audience_core.persistence.queues import SqsEventQueue, SqsReevaluationQueue, SqsWakeUpQueue
from audience_core.persistence.requests import DynamoRateStore, DynamoRequestStore
from audience_core.persistence.summaries import DynamoCountSummaries
from audience_core.pipeline.count_members import Counting, count_members
from audience_core.pipeline.fan_out import FanOut, fan_out
from audience_core.pipeline.ingest import RequestKind, accept_batches
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.process import Pipeline, process
from audience_core.pipeline.programs import Programs
from benchmarks import workload
from benchmarks.metering import Index, Meter, Written
from tests.support.control import a_connection, an_account, an_output
from tests.support.control_stack import REGION, create_profiles_table, create_table

MEASURED = Path(__file__).parents[1] / "cli" / "audience_cli" / "cost" / "measured.json"
ACCOUNT = AccountId(1)
SOURCE = Source(ACCOUNT, workload.WORKSPACE, workload.INPUT)
LOOK_BACK_DAYS = 90
WINDOW_DAYS = 10
AUDIENCES, USERS = (100, 1000), 100
# 730 days in 90.
PACE = 8
# At 50 a second, in a window of 30 s.
EVENTS_OF_A_WINDOW = 1500
# One audience in so many has a connection.
CONNECTED = 10
INDEXES = {
    "profiles": Index(("due_shard", "due_at"), is_whole=False),
    "ledger": Index(("dirty_bucket", "dirty_since"), is_whole=True),
}
_TABLES = ("accounts", "audiences", "outputs", "chunks", "identities", "memberships", "counts", "ledger", "requests")


type Next = tuple[int, Mpid] | None


class Product:
    """The data path over tables of its own, with an account full of active audiences."""

    def __init__(self, meter: Meter, audiences: int) -> None:
        tables = {name: create_table(name) for name in _TABLES}
        sqs = boto3.client("sqs", region_name=REGION)
        events, due = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("events", "due"))
        wake_ups = sqs.create_queue(QueueName="wake.fifo", Attributes={"FifoQueue": "true"})["QueueUrl"]
        boto3.client("s3", region_name=REGION).create_bucket(Bucket="archive")
        accounts = DynamoAccountStore(tables["accounts"], REGION)
        audience_store = DynamoAudienceStore(tables["audiences"], REGION)
        outputs = DynamoOutputStore(tables["outputs"], REGION)
        identities = DynamoIdentityStore(tables["identities"], REGION)
        profiles = DynamoProfileStore(create_profiles_table(), tables["chunks"], REGION)
        self.requests = DynamoRequestStore(tables["requests"], REGION)
        self.rates, self.events = DynamoRateStore(tables["requests"], REGION), SqsEventQueue(events, REGION)
        programs = Programs(accounts, audience_store)
        self.pipeline = Pipeline(programs, identities, profiles, self.events, S3Archive("archive", REGION))
        self.fan_out = FanOut(
            accounts,
            audience_store,
            outputs,
            DynamoHistoryStore(create_table("history"), REGION),
            DynamoMembershipStore(tables["memberships"], tables["counts"], REGION),
            DynamoLedgerStore(tables["ledger"], REGION),
            SqsReevaluationQueue(due, REGION),
            SqsWakeUpQueue(wake_ups, REGION),
            identities,
            profiles,
            MemberSets(audience_store),
            MemorySharedChangeQueue(),
        )
        of = self.fan_out
        self.counting = Counting(accounts, of.history, of.memberships, identities, of.sets)
        self.summaries = DynamoCountSummaries(tables["counts"], REGION)
        self.account = an_account(account_id=ACCOUNT, look_back_days=LOOK_BACK_DAYS, batches_per_second=10_000)
        self._fill(audiences)
        self.meter, self.sequence, self.changes, self.windows = meter, 0, 0, 0
        self.cpu_s: dict[str, float] = {"ingest": 0.0, "process": 0.0, "fan_out": 0.0, "count": 0.0}
        self._uncounted: list[ProfileChange] = []

    def _fill(self, audiences: int) -> None:
        self.fan_out.accounts.create(self.account)
        self.fan_out.outputs.save(an_output(account_id=ACCOUNT))
        portfolio = workload.portfolio(audiences)
        for audience in portfolio[:-1]:
            self.fan_out.audiences.save(audience)
        self.fan_out.audiences.publish(portfolio[-1])
        for audience in portfolio[::CONNECTED]:
            name = ConnectionId(f"c-{audience.audience_id:012d}")
            connection = a_connection(account_id=ACCOUNT, connection_id=name, audience_id=audience.audience_id)
            self.fan_out.outputs.save_connection(connection)
        # A process reads definitions once; what is counted are processes that have.
        self.fan_out.sets.at(ACCOUNT, self.fan_out.audiences.program_version(ACCOUNT))

    def take(self, event: Event, user: int) -> Next:
        """An event, from its request to what is derived from it."""
        body = batch_of(event, user)
        with self._stage("ingest"):
            request = (self.account, SOURCE, RequestKind.SINGLE, json.dumps(body).encode(), event.at)
            accept_batches(self.requests, self.rates, self.events, *request)
        return self._handle(AcceptedBatch(SOURCE, body["source_request_id"], event.at, body), event.at)

    def wake(self, mpid: Mpid, at: int) -> Next:
        return self._handle(Reevaluation(ACCOUNT, mpid), at)

    def prepare(self, events: Sequence[Event], user: int) -> Mpid:
        """Apply a user's events and derive nothing from them."""
        bodies = [(event.at, batch_of(event, user)) for event in events]
        accepted = [AcceptedBatch(SOURCE, body["source_request_id"], at, body) for at, body in bodies]
        process(self.pipeline, accepted, events[-1].at)
        return Mpid(int(self.meter.written()[-1].new["sk"]["S"]))

    def count(self, at: int) -> None:
        """What came since this was last called, as the readers of streams with a window do it.

        So few users need days for what so many do within a window: here all of it comes at one instant.
        """
        together = [_as_of(each, at) for each in self._uncounted]
        with self._stage("count"):
            count_members(self.counting, together, at)
            moved = {each for one in together for each in one.joined() | one.left()}
            for each in sorted(moved):
                self.summaries.refresh(CountChange(ACCOUNT, each), at)
        self._uncounted = []
        self.windows += 1

    def settle(self, mpid: Mpid, at: int) -> Next:
        """Bring a profile to where the wake-ups up to an instant would have, and derive nothing from it."""
        process(self.pipeline, [Reevaluation(ACCOUNT, mpid)], at)
        return _next(self.meter.written())

    def _handle(self, message: PipelineMessage, at: int) -> Next:
        with self._stage("process"):
            process(self.pipeline, [message], at)
        written = self.meter.written()
        with self._stage("fan_out"):
            for each in written:
                self._derive(each, at)
        return _next(written)

    def _derive(self, written: Written, at: int) -> None:
        self.sequence += 1
        before = profile_from_image(written.old) if written.old else None
        after = profile_from_image(written.new)
        change = ProfileChange(before, after, str(self.sequence), at)
        fan_out(self.fan_out, [change], at)
        self._uncounted.append(change)
        self.changes += len(after.changes)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.meter.stage = name
        began, inside = time.thread_time(), self.meter.spent
        yield
        self.cpu_s[name] += time.thread_time() - began - (self.meter.spent - inside)


def _as_of(change: ProfileChange, at: int) -> ProfileChange:
    if change.new is None:
        return replace(change, at=at)
    changes = tuple(each._replace(at=at) for each in change.new.changes)
    return replace(change, at=at, new=replace(change.new, changes=changes))


def _next(written: Sequence[Written]) -> Next:
    """When the profile that was written last is due (UTC ms)."""
    if not written or "due_at" not in written[-1].new:
        return None
    new = written[-1].new
    return int(new["due_at"]["N"]), Mpid(int(new["sk"]["S"]))


def batch_of(event: Event, user: int) -> dict[str, Any]:
    """As a client's library sends it: one event, one login, the attributes each time."""
    data = {
        "event_name": event.name,
        "custom_event_type": "other",
        "timestamp_unixtime_ms": event.at,
        "source_message_id": f"{event.event_id.hex():0>36}",
        "custom_attributes": dict(event.attributes),
    }
    return {
        "environment": "production",
        "source_request_id": f"{event.event_id.hex():0>36}",
        "user_identities": {"customer_id": f"customer-{user}"},
        "user_attributes": workload.traits(user),
        "events": [{"event_type": "custom_event", "data": data}],
    }


def play(product: Product, users: int, pace: int) -> tuple[int, int]:
    """How many events and wake-ups the window had."""
    generated = workload.generate(max(users, 1000))
    opens = workload.END - WINDOW_DAYS * workload.DAY
    tracks = {user: [_pressed(each, pace) for each in workload.events_of(generated, user)] for user in range(users)}
    product.meter.is_on = False
    kept = opens - LOOK_BACK_DAYS * workload.DAY
    before = {user: [each for each in track if kept <= each.at < opens] for user, track in tracks.items()}
    mpids = {product.prepare(track, user) for user, track in before.items() if track}
    due = [found for mpid in sorted(mpids) if (found := product.settle(mpid, opens))]
    product.meter.is_on = True
    during = [(each, user) for user, track in tracks.items() for each in track if each.at >= opens]
    return _window(product, sorted(during, key=lambda each: each[0].at), due)


def _pressed(event: Event, pace: int) -> Event:
    return replace(event, at=workload.END - (workload.END - event.at) // pace)


def _window(product: Product, events: list[tuple[Event, int]], due: list[tuple[int, Mpid]]) -> tuple[int, int]:
    """All in the order of time; of a profile only its latest instant counts."""
    latest = {mpid: at for at, mpid in due}
    heapq.heapify(due)
    wakes = 0
    for place, (event, user) in enumerate([*events, (None, 0)]):
        until = event.at if event else workload.END
        while due and due[0][0] < until:
            at, mpid = heapq.heappop(due)
            if latest.get(mpid) == at:
                wakes += 1
                _remember(product.wake(mpid, at), latest, due)
        if event:
            _remember(product.take(event, user), latest, due)
        if event is None or place % EVENTS_OF_A_WINDOW == EVENTS_OF_A_WINDOW - 1:
            product.count(until)
    return len(events), wakes


def _remember(found: Next, latest: dict[Mpid, int], due: list[tuple[int, Mpid]]) -> None:
    if found:
        latest[found[1]] = found[0]
        heapq.heappush(due, found)


def measure(audiences: int, users: int, pace: int = PACE) -> dict[str, Any]:
    """Counts over the whole window, as `audience_cli.cost.model` reads them."""
    with mock_aws():
        meter = Meter(INDEXES)
        product = Product(meter, audiences)
        with meter.watching():
            events, wakes = play(product, users, pace)
        counts: dict[str, dict[str, int]] = {}
        for (name, what), many in sorted(meter.counts.items()):
            counts.setdefault(name, {})[what] = many
        cpu_ms = {stage: round(spent * 1000) for stage, spent in product.cpu_s.items()}
        given = {"audiences": audiences, "events": events, "wakes": wakes, "changes": product.changes}
        given["windows"] = product.windows
        return {**given, "cpu_ms": cpu_ms, "counts": counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audiences", type=int, nargs="+", default=list(AUDIENCES))
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--pace", type=int, default=PACE, help="how many times faster the workload's two years pass")
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    set_credentials()
    runs = [measure(count, options.users, options.pace) for count in options.audiences]
    of_all = {"users": options.users, "pace": options.pace, "window_days": WINDOW_DAYS}
    text = json.dumps({**of_all, "runs": runs}, indent=1) + "\n"
    if options.print:
        print(text)
    else:
        MEASURED.write_text(text)


def set_credentials() -> None:
    """Of nobody: moto looks that there are some."""
    os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": REGION}
    os.environ.pop("AWS_ENDPOINT_URL", None)


if __name__ == "__main__":
    main()
