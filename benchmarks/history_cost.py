"""What a million joins and leaves cost to keep, by the items as stored: `python -m benchmarks.history_cost`."""

import argparse
import random
from typing import Any

import boto3
from boto3.dynamodb.types import Binary, TypeDeserializer
from moto import mock_aws

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.persistence.history import SLOT_MS, DynamoHistoryStore
from tests.support.control_stack import REGION, create_table

CHANGES = 2000
MILLION = 1_000_000
NOW = 1_795_521_600_000
KEPT_DAYS = 90
# us-east-1, on demand, November 2026; docs/history.md says where to look.
USD_PER_MILLION_WRITES = 0.625
USD_PER_GB_MONTH = 0.25
# What DynamoDB adds to an item.
OVERHEAD_BYTES = 100


def item_bytes(item: dict[str, Any]) -> int:
    """As DynamoDB counts: names and texts in UTF-8, bytes as they are, numbers at half a byte a digit and one more."""
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Any) -> int:
    match value:
        case str():
            return len(value.encode())
        case Binary():
            return len(bytes(value))
        case _:
            return (len(str(value)) + 1) // 2 + 1


def stored_items(together: int) -> list[dict[str, Any]]:
    """Changes of random profiles and reasons of an account with an id of ten digits, as the real store writes them.

    Args:
        together: so many of one audience come in one window of `count_members`.
    """
    chance = random.Random(1)
    with mock_aws():
        table = create_table("history")
        store, account_id = DynamoHistoryStore(table, REGION), AccountId(2_000_000_000)
        for number in range(CHANGES // together):
            at = NOW - number * SLOT_MS
            entries = [_entry(chance, at) for _ in range(together)]
            store.record(account_id, entries, KEPT_DAYS)
            store.log(account_id, [(str(10**27 + number), entry) for entry in entries], KEPT_DAYS)
        pages = boto3.client("dynamodb", region_name=REGION).get_paginator("scan").paginate(TableName=table)
        read = TypeDeserializer().deserialize
        return [{name: read(value) for name, value in item.items()} for page in pages for item in page["Items"]]


def _entry(chance: random.Random, at: int) -> HistoryEntry:
    mpid, version = Mpid(chance.randint(-(2**63), 2**63 - 1)), chance.randrange(1, 500)
    return HistoryEntry(AudienceId(1234), mpid, chance.random() < 0.5, at, chance.choice(list(Reason)), version)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--together", type=int, default=5, help="changes of one audience in one window")
    together = parser.parse_args().together
    items = stored_items(together)
    changes = CHANGES // together * together
    row = sum(map(item_bytes, (item for item in items if "what" in item))) / changes
    stored = sum(item_bytes(item) + OVERHEAD_BYTES for item in items) / changes
    writes = len(items) / changes * USD_PER_MILLION_WRITES
    kept = stored * MILLION / 1e9 * USD_PER_GB_MONTH * KEPT_DAYS / 30
    print(f"{row:.0f} bytes a row, {stored:.0f} with its part of a log: {stored / 1000:.2f} GB a million changes")
    print(f"a million changes: {writes:.2f} USD to write, {kept:.2f} USD to keep for {KEPT_DAYS} days")


if __name__ == "__main__":
    main()
