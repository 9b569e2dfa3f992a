"""Changes told to a partner: the backlog of one connection, drained through the stores of the product.

`python -m benchmarks.delivery --changes 100000`: rows are written straight into the ledger of a local DynamoDB (the one
that `make run` starts), all dirty; worker processes, each of which stands for a function at work, drain the 8 lanes by
`pipeline.deliver`; the partner is an HTTP server in a process of its own. Measured: wall-clock time until nothing is
dirty, and the processor time of workers, database and partner, because all of them share this machine.
"""

import argparse
import json
import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import batched
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from audience_core.domain.event import Identity
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, SubscriptionState, Target, delivery_bucket_of
from audience_core.outputs.http import HttpSend
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.ledger_codec import pack_target
from audience_core.persistence.memory.control import MemorySecretStore
from audience_core.persistence.memory.ingest import MemoryWakeUpQueue
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.pipeline.deliver import deliver
from local import emulator
from local.aws import client
from local.emulator import Emulator
from tests.support.control import ACCOUNT, CONNECTION, a_connection, an_audience, an_output

REGION = "us-east-1"
TABLES = ("outputs", "audiences", "identities", "ledger")
HOUR_MS = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Counting(BaseHTTPRequestHandler):
    """Reads every message and counts its members."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    told: "Synchronized[int]"

    def do_POST(self) -> None:
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.told.get_lock():
            self.told.value += len(message.get("user_profiles", ()))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, format: str, *args: object) -> None:
        """The count is all that is wanted."""


def serve(told: "Synchronized[int]", port: "Synchronized[int]") -> None:
    Counting.told = told
    server = ThreadingHTTPServer(("127.0.0.1", 0), Counting)
    server.daemon_threads = True
    port.value = server.server_port
    server.serve_forever()


@contextmanager
def a_counting_partner() -> Iterator[tuple[str, "Synchronized[int]", int]]:
    """URL of a partner in another process, how many members it was told of, and its process id."""
    told, port = multiprocessing.Value("q", 0), multiprocessing.Value("i", 0)
    process = multiprocessing.Process(target=serve, args=(told, port), daemon=True)
    process.start()
    while not port.value:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port.value}/", told, process.pid or 0
    finally:
        process.terminate()
        process.join()


def target(mpid: int) -> Target:
    return Target((Identity("customer_id", f"customer-{mpid}"), Identity("email", f"user-{mpid}@example.com")))


def create_tables(dynamodb: Any) -> None:
    for name in TABLES:
        indexed = ("dirty_bucket", "dirty_since") if name == "ledger" else ()
        dynamodb.create_table(
            TableName=name,
            KeySchema=keys("pk", "sk"),
            AttributeDefinitions=[
                {"AttributeName": key, "AttributeType": "N" if key == "dirty_since" else "S"}
                for key in ("pk", "sk", *indexed)
            ],
            BillingMode="PAY_PER_REQUEST",
            **({"GlobalSecondaryIndexes": [index(*indexed)]} if indexed else {}),
        )


def keys(hash_key: str, range_key: str) -> list[dict[str, str]]:
    return [{"AttributeName": hash_key, "KeyType": "HASH"}, {"AttributeName": range_key, "KeyType": "RANGE"}]


def index(hash_key: str, range_key: str) -> dict[str, Any]:
    return {"IndexName": "dirty", "KeySchema": keys(hash_key, range_key), "Projection": {"ProjectionType": "ALL"}}


def item(mpid: int, at: int) -> dict[str, Any]:
    """A new member's row, stored as the product stores it."""
    lane = {"S": f"{ACCOUNT}#{CONNECTION}#{delivery_bucket_of(mpid):02d}"}
    return {
        "pk": lane,
        "sk": {"S": str(mpid)},
        "desired": {"B": pack_target(target(mpid))},
        "desired_version": {"N": "1"},
        "dirty_bucket": lane,
        "dirty_since": {"N": str(at)},
    }


def seed(dynamodb: Any, changes: int) -> None:
    at = now_ms()
    for some in batched(range(changes), 25, strict=False):
        puts = [{"PutRequest": {"Item": item(mpid, at)}} for mpid in some]
        dynamodb.batch_write_item(RequestItems={"ledger": puts})


def stores() -> SimpleNamespace:
    """By the names of `wiring.Stores`; `AWS_ENDPOINT_URL` says where the tables are."""
    return SimpleNamespace(
        outputs=DynamoOutputStore("outputs", REGION),
        audiences=DynamoAudienceStore("audiences", REGION),
        identities=DynamoIdentityStore("identities", REGION),
        ledger=DynamoLedgerStore("ledger", REGION),
        secrets=MemorySecretStore(),
        wake_ups=MemoryWakeUpQueue(),
    )


def drain(lanes: range) -> None:
    of = stores()
    with HttpSend(allow_private=True).kept_open() as send:
        for bucket in lanes:
            deliver(of, send, WakeUp(ACCOUNT, CONNECTION, bucket), 1, now_ms, now_ms() + HOUR_MS)


def measure(dynamodb: Any, database_pid: int, changes: int, workers: int) -> None:
    with a_counting_partner() as (url, told, partner_pid):
        of = stores()
        of.audiences.save(an_audience())
        of.outputs.save(an_output(settings={"url": url}))
        of.outputs.save_connection(a_connection(subscription=SubscriptionState.ACTIVE))
        seed(dynamodb, changes)
        others = {"database": database_pid, "partner": partner_pid}
        before, began = {name: processor_s(pid) for name, pid in others.items()}, time.monotonic()
        drainers = [
            multiprocessing.Process(target=drain, args=(range(first, DELIVERY_BUCKETS, workers),))
            for first in range(workers)
        ]
        for drainer in drainers:
            drainer.start()
        for drainer in drainers:
            drainer.join()
        passed = time.monotonic() - began
        dirty = sum(len(of.ledger.dirty(ACCOUNT, CONNECTION, bucket, 1)) for bucket in range(DELIVERY_BUCKETS))
        used = {name: processor_s(pid) - before[name] for name, pid in others.items()} | {"workers": worker_s()}
    print(
        f"{told.value:,} members told, {dirty} lanes left dirty, in {passed:.1f} s: {changes / passed:,.0f} changes/s"
    )
    for name, seconds in sorted(used.items()):
        print(f"{name}: {seconds:.1f} s of processor time, {changes / max(seconds, 0.01):,.0f} changes a second of it")


def processor_s(pid: int) -> float:
    """User and system time of a process (man 5 proc)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def worker_s() -> float:
    """Of the children that have ended, which are the workers."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=100_000)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        database = Emulator(Path(folder), emulator.free_port())
        emulator.start(database)
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        os.environ |= {"AWS_ENDPOINT_URL": database.endpoint, **dict.fromkeys(names, "local")}
        try:
            dynamodb = client("dynamodb", database.endpoint)
            create_tables(dynamodb)
            measure(dynamodb, emulator.running_pid(database) or 0, options.changes, options.workers)
        finally:
            emulator.stop(database)


if __name__ == "__main__":
    main()
