"""What every counter of batches promises."""

import boto3
import pytest

from audience_core.domain.ids import AccountId
from audience_core.domain.stores import RateStore
from audience_core.persistence.memory.ingest import MemoryRateStore
from audience_core.persistence.requests import DynamoRateStore
from tests.contract.conftest import CreateTable

SECOND = 1_795_430_000


@pytest.fixture(scope="module")
def table(create_table: CreateTable) -> str:
    return create_table("rates")


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> RateStore:
    if request.param == "memory":
        return MemoryRateStore()
    return DynamoRateStore(request.getfixturevalue("table"), request.getfixturevalue("aws"))


def test_batches_of_a_second_add_up(store: RateStore) -> None:
    assert [store.add(AccountId(1), batches, SECOND, 104) for batches in (1, 100, 3)] == [1, 101, 104]


def test_every_second_starts_anew(store: RateStore) -> None:
    store.add(AccountId(2), 5, SECOND, 4)

    assert store.add(AccountId(2), 1, SECOND + 1, 4) == 1


def test_accounts_are_counted_apart(store: RateStore) -> None:
    store.add(AccountId(3), 5, SECOND, 4)

    assert store.add(AccountId(4), 1, SECOND, 4) == 1


def test_whoever_is_over_the_limit_stays_so_until_the_next_second(store: RateStore) -> None:
    assert store.add(AccountId(6), 3, SECOND, 4) == 3

    assert all(store.add(AccountId(6), 2, SECOND, 4) > 4 for _ in range(3))
    assert store.add(AccountId(6), 2, SECOND + 1, 4) == 2


def test_refusals_are_not_written_down(table: str, aws: str) -> None:
    store = DynamoRateStore(table, aws)

    for _ in range(5):
        store.add(AccountId(8), 3, SECOND, 4)

    rows = boto3.client("dynamodb", region_name=aws).scan(TableName=table)["Items"]
    assert [row["batches"]["N"] for row in rows if row["pk"]["S"].startswith("8#")] == ["6"]


def test_counters_expire(table: str, aws: str) -> None:
    DynamoRateStore(table, aws).add(AccountId(5), 1, SECOND, 4)

    rows = boto3.client("dynamodb", region_name=aws).scan(TableName=table)["Items"]

    (row,) = [row for row in rows if row["pk"]["S"].startswith("5#")]
    assert SECOND < int(row["ttl"]["N"]) <= SECOND + 3600
