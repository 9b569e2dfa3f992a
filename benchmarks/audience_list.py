"""What listing an account's audiences costs: time and requests, over the local AWS, in this process."""

import argparse
import os
import statistics
import tempfile
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.ids import AudienceId
from audience_core.domain.stores import CountChange, CountStep
from audience_core.management import listings
from audience_core.management.listings import Filter, Found
from audience_core.management.ordering import Sort
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.summaries import DynamoCountSummaries
from local import aws, emulator
from local.emulator import Emulator
from tests.support.control import ACCOUNT, a_connection, an_account, an_audience
from tests.support.control_stack import REGION, create_table
from tests.support.dynamo_client import listening

SORTS = ("-size", "-volatility", "name", "id")
HOUR_MS = 3_600_000


class Stores:
    """An account full of audiences, each with joins in every of the last 24 hours and one connection."""

    def __init__(self, endpoint: str, audiences: int) -> None:
        tables = {name: create_table(name) for name in ("accounts", "audiences", "outputs", "counts")}
        self.accounts = DynamoAccountStore(tables["accounts"], REGION)
        self.audiences = DynamoAudienceStore(tables["audiences"], REGION)
        self.outputs = DynamoOutputStore(tables["outputs"], REGION)
        self.summaries = DynamoCountSummaries(tables["counts"], REGION)
        self.now_ms = time.time_ns() // 1_000_000
        self._dynamodb, self._tables = aws.client("dynamodb", endpoint), tables
        self._fill(audiences)

    def page(self, sort: Sort) -> Found:
        stores = (self.accounts, self.audiences, self.outputs, self.summaries)
        return listings.page(
            *stores, ACCOUNT, Filter(datetime.fromtimestamp(self.now_ms / 1000, UTC)), sort, None, 50, self.now_ms
        )

    def _fill(self, audiences: int) -> None:
        """One of each through the stores, the rest copied from it."""
        self.accounts.create(an_account())
        first = self.audiences.publish(an_audience(status=AudienceStatus.ACTIVE, tags=("Spring", "VIP")))
        self.outputs.save_connection(a_connection())
        hours = [self.now_ms - each * HOUR_MS for each in reversed(range(24))]
        steps = [CountStep(0, str(place), at, 100, 40) for place, at in enumerate(hours, start=1)]
        DynamoMembershipStore("none", self._tables["counts"], REGION).count(ACCOUNT, {AudienceId(1): steps})
        self.summaries.refresh(CountChange(ACCOUNT, AudienceId(1)), self.now_ms)
        audience = self._item("audiences", "audiences", "A#0000000001")
        connection = self._item("outputs", "outputs", "C#c-000000000001")
        summary = self._item("counts", "summaries", "0000000001")
        ids = range(1, audiences + 1)
        self._put(
            "audiences", [audience | _text("sk", f"A#{each:010d}", "outline", _outline(first, each)) for each in ids]
        )
        self._put(
            "outputs", [connection | _text("sk", f"C#c-{each:012d}") | _number("audience_id", each) for each in ids]
        )
        self._put("counts", [summary | _text("sk", f"{each:010d}") | _number("size", each) for each in ids])

    def _item(self, table: str, part: str, sk: str) -> dict[str, Any]:
        key = _text("pk", f"{ACCOUNT}#{part}", "sk", sk)
        item: dict[str, Any] = self._dynamodb.get_item(TableName=self._tables[table], Key=key)["Item"]
        return item

    def _put(self, table: str, items: list[dict[str, Any]]) -> None:
        for start in range(0, len(items), 25):
            puts = [{"PutRequest": {"Item": item}} for item in items[start : start + 25]]
            self._dynamodb.batch_write_item(RequestItems={self._tables[table]: puts})


def _outline(audience: Audience, number: int) -> str:
    changed = audience.model_copy(update={"audience_id": AudienceId(number), "name": f"Audience {number}"})
    return changed.model_dump_json(exclude={"definition"})


def _text(*pairs: str) -> dict[str, Any]:
    return {name: {"S": value} for name, value in zip(pairs[::2], pairs[1::2], strict=True)}


def _number(name: str, value: int) -> dict[str, Any]:
    return {name: {"N": str(value)}}


def measure(stores: Stores, repeats: int) -> None:
    made: Counter[str] = Counter()
    print(f"{'sort':<12} {'ms':>7} {'CPU ms':>7}  requests")
    for text in SORTS:
        walls, cpus = [], []
        for _ in range(repeats):
            made.clear()
            wall, cpu = time.perf_counter(), time.thread_time()
            with listening(REGION, "before-call.dynamodb", lambda model, **_: made.update([model.name])):
                found = stores.page(Sort.parse(text))
            walls.append((time.perf_counter() - wall) * 1e3)
            cpus.append((time.thread_time() - cpu) * 1e3)
            assert len(found.page.items) == 50
        requests = ", ".join(f"{count} {name}" for name, count in sorted(made.items()))
        print(f"{text:<12} {statistics.median(walls):>7.0f} {statistics.median(cpus):>7.0f}  {requests}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--audiences", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        started = Emulator(Path(folder), emulator.free_port())
        emulator.start(started)
        try:
            os.environ |= {"AWS_ENDPOINT_URL": started.endpoint, "AWS_ACCESS_KEY_ID": aws.ACCESS_KEY}
            os.environ["AWS_SECRET_ACCESS_KEY"] = aws.ACCESS_KEY
            measure(Stores(started.endpoint, asked.audiences), asked.repeats)
        finally:
            emulator.stop(started)


if __name__ == "__main__":
    main()
