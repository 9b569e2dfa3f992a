"""What a million joins and leaves cost to keep, by the items as stored: `python -m benchmarks.history_cost`."""

import random
from typing import Any

import boto3
from moto import mock_aws

from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.persistence.history import DynamoHistoryStore
from tests.support.control_stack import REGION, create_table

CHANGES = 2000
MILLION = 1_000_000
NOW = 1_795_521_600_000
KEPT_DAYS = 90
# us-east-1, on demand, November 2026; docs/history.md says where to look.
USD_PER_MILLION_WRITES = 0.625
USD_PER_GB_MONTH = 0.25
# What DynamoDB adds to an item in a table with indexes, once in the table and once in each index.
OVERHEAD_BYTES = 100


def item_bytes(item: dict[str, Any]) -> int:
    """As DynamoDB counts: names and texts in UTF-8, numbers at half a byte a digit and one more."""
    sizes = (len(v.encode()) if isinstance(v, str) else (len(str(v)) + 1) // 2 + 1 for v in item.values())
    return sum(len(name.encode()) for name in item) + sum(sizes)


def stored_items() -> list[dict[str, Any]]:
    """Changes of random profiles and reasons of an account with an id of ten digits, as the real store writes them."""
    chance = random.Random(1)
    entries = [
        HistoryEntry(
            AudienceId(1234),
            Mpid(chance.randint(-(2**63), 2**63 - 1)),
            chance.random() < 0.5,
            NOW - chance.randrange(KEPT_DAYS * DAY_MS),
            chance.choice(list(Reason)),
            chance.randrange(1, 500),
        )
        for _ in range(CHANGES)
    ]
    with mock_aws():
        table = create_table("history")
        DynamoHistoryStore(table, REGION).record(AccountId(2_000_000_000), entries, KEPT_DAYS)
        page: dict[str, Any] = boto3.resource("dynamodb", region_name=REGION).Table(table).scan()
        found: list[dict[str, Any]] = page["Items"]
        while "LastEvaluatedKey" in page:
            page = (
                boto3.resource("dynamodb", region_name=REGION)
                .Table(table)
                .scan(ExclusiveStartKey=page["LastEvaluatedKey"])
            )
            found += page["Items"]
    return found


def main() -> None:
    items = stored_items()
    mean = sum(map(item_bytes, items)) / len(items)
    stored = 2 * (mean + OVERHEAD_BYTES)
    writes = 2 * USD_PER_MILLION_WRITES
    kept = stored * MILLION / 1e9 * USD_PER_GB_MONTH * KEPT_DAYS / 30
    print(f"{mean:.0f} bytes an item, {stored:.0f} with its index: {stored * MILLION / 1e9:.2f} GB a million changes")
    print(f"a million changes: {writes:.2f} USD to write, {kept:.2f} USD to keep for {KEPT_DAYS} days")


if __name__ == "__main__":
    main()
