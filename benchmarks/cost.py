"""What an event makes the product ask of AWS: requests, units and bytes, counted over an AWS in memory.

`python -m benchmarks.cost` plays the benchmark workload through the real ingest, processing and fan-out over the real
stores, each profile's wake-ups at their instants, and writes `cli/audience_cli/cost/measured.json`. One event is one
request; each is processed alone, so that what a group of events shares is told apart.

Profiles are first brought to the state that the look-back before the window left them in; that is not counted.
"""

import argparse
import heapq
import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import boto3
from moto import mock_aws

from audience_core.domain.event import Event, Source
from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.messages import AcceptedBatch, PipelineMessage, Reevaluation
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
from audience_core.pipeline.fan_out import FanOut, ProfileChange, fan_out
from audience_core.pipeline.ingest import RequestKind, accept_batches
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.process import Pipeline, process
from audience_core.pipeline.programs import Programs
from benchmarks import workload
from benchmarks.metering import Index, Meter, Written
from tests.support.control import a_connection, an_account, an_output
from tests.support.control_stack import REGION, create_history_table, create_profiles_table, create_table

MEASURED = Path(__file__).parents[1] / "cli" / "audience_cli" / "cost" / "measured.json"
ACCOUNT = AccountId(1)
SOURCE = Source(ACCOUNT, workload.WORKSPACE, workload.INPUT)
LOOK_BACK_DAYS = 90
WINDOW_DAYS = 10
AUDIENCES, USERS = (100, 1000), 40
# One audience in so many has a connection.
CONNECTED = 10
INDEXES = {
    "profiles": Index(("due_shard", "due_at"), is_whole=False),
    "history": Index(("pk", "who"), is_whole=True),
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
            DynamoHistoryStore(create_history_table(), REGION),
            DynamoMembershipStore(tables["memberships"], tables["counts"], REGION),
            DynamoLedgerStore(tables["ledger"], REGION),
            SqsReevaluationQueue(due, REGION),
            SqsWakeUpQueue(wake_ups, REGION),
            identities,
            profiles,
            MemberSets(audience_store),
            MemorySharedChangeQueue(),
        )
        self.account = an_account(account_id=ACCOUNT, look_back_days=LOOK_BACK_DAYS, batches_per_second=10_000)
        self._fill(audiences)
        self.meter, self.sequence, self.changes = meter, 0, 0
        self.cpu_s: dict[str, float] = {"ingest": 0.0, "process": 0.0, "fan_out": 0.0}

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

    def prepare(self, event: Event, user: int) -> Mpid:
        """Apply an event and derive nothing from it."""
        body = batch_of(event, user)
        process(self.pipeline, [AcceptedBatch(SOURCE, body["source_request_id"], event.at, body)], event.at)
        return Mpid(int(self.meter.written()[-1].new["sk"]["S"]))

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
        fan_out(self.fan_out, [ProfileChange(before, after, str(self.sequence), at)], at)
        self.changes += len(after.changes)

    @contextmanager
    def _stage(self, name: str) -> Iterator[None]:
        self.meter.stage = name
        began, inside = time.thread_time(), self.meter.spent
        yield
        self.cpu_s[name] += time.thread_time() - began - (self.meter.spent - inside)


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


def play(product: Product, users: int) -> tuple[int, int]:
    """How many events and wake-ups the window had."""
    generated = workload.generate(max(users, 1000))
    opens = workload.END - WINDOW_DAYS * workload.DAY
    tracks = [(event, user) for user in range(users) for event in workload.events_of(generated, user)]
    tracks.sort(key=lambda each: each[0].at)
    product.meter.is_on = False
    before = [each for each in tracks if opens - LOOK_BACK_DAYS * workload.DAY <= each[0].at < opens]
    mpids = {product.prepare(*each) for each in before}
    due = [found for mpid in sorted(mpids) if (found := product.settle(mpid, opens))]
    product.meter.is_on = True
    return _window(product, [each for each in tracks if each[0].at >= opens], due)


def _window(product: Product, events: list[tuple[Event, int]], due: list[tuple[int, Mpid]]) -> tuple[int, int]:
    """All in the order of time; of a profile only its latest instant counts."""
    latest = {mpid: at for at, mpid in due}
    heapq.heapify(due)
    wakes = 0
    for event, user in [*events, (None, 0)]:
        until = event.at if event else workload.END
        while due and due[0][0] < until:
            at, mpid = heapq.heappop(due)
            if latest.get(mpid) == at:
                wakes += 1
                _remember(product.wake(mpid, at), latest, due)
        if event:
            _remember(product.take(event, user), latest, due)
    return len(events), wakes


def _remember(found: Next, latest: dict[Mpid, int], due: list[tuple[int, Mpid]]) -> None:
    if found:
        latest[found[1]] = found[0]
        heapq.heappush(due, found)


def measure(audiences: int, users: int) -> dict[str, Any]:
    """Counts over the whole window, as `audience_cli.cost.model` reads them."""
    with mock_aws():
        meter = Meter(INDEXES)
        product = Product(meter, audiences)
        with meter.watching():
            events, wakes = play(product, users)
        counts: dict[str, dict[str, int]] = {}
        for (name, what), many in sorted(meter.counts.items()):
            counts.setdefault(name, {})[what] = many
        cpu_ms = {stage: round(spent * 1000) for stage, spent in product.cpu_s.items()}
        given = {"audiences": audiences, "events": events, "wakes": wakes, "changes": product.changes}
        return {**given, "cpu_ms": cpu_ms, "counts": counts}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audiences", type=int, nargs="+", default=list(AUDIENCES))
    parser.add_argument("--users", type=int, default=USERS)
    parser.add_argument("--print", action="store_true", help="write nothing")
    options = parser.parse_args()
    set_credentials()
    runs = [measure(count, options.users) for count in options.audiences]
    text = json.dumps({"users": options.users, "window_days": WINDOW_DAYS, "runs": runs}, indent=1) + "\n"
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
