"""What every memory of request ids promises."""

import boto3
import pytest

from audience_core.domain.ids import InputId
from audience_core.domain.stores import RequestStore
from audience_core.persistence.memory.ingest import MemoryRequestStore
from audience_core.persistence.requests import DynamoRequestStore
from tests.contract.conftest import CreateTable

NOW = 1_795_430_000_000


@pytest.fixture(scope="module")
def table(create_table: CreateTable) -> str:
    return create_table("request-ids")


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> RequestStore:
    if request.param == "memory":
        return MemoryRequestStore()
    return DynamoRequestStore(request.getfixturevalue("table"), request.getfixturevalue("aws"))


def test_remembered_ids_are_known(store: RequestStore) -> None:
    store.remember(InputId("i-1"), ["a", "b"], NOW)

    assert store.is_known(InputId("i-1"), ["a", "b", "c"]) == {"a", "b"}


def test_each_input_has_ids_of_its_own(store: RequestStore) -> None:
    store.remember(InputId("i-2"), ["a"], NOW)

    assert store.is_known(InputId("i-3"), ["a"]) == frozenset()


def test_remembering_twice_is_harmless(store: RequestStore) -> None:
    store.remember(InputId("i-4"), ["a"], NOW)
    store.remember(InputId("i-4"), ["a"], NOW + 1)

    assert store.is_known(InputId("i-4"), ["a", "a"]) == {"a"}


def test_no_ids_are_no_question(store: RequestStore) -> None:
    store.remember(InputId("i-5"), [], NOW)

    assert store.is_known(InputId("i-5"), []) == frozenset()


def test_a_whole_request_of_ids_is_remembered(store: RequestStore) -> None:
    ids = [f"request-{number}" for number in range(100)]

    store.remember(InputId("i-6"), ids, NOW)

    assert store.is_known(InputId("i-6"), ids) == frozenset(ids)


@pytest.mark.parametrize("request_id", ["x" * 5000, "é#😀", "\ud800"])
def test_clients_may_choose_any_id(store: RequestStore, request_id: str) -> None:
    store.remember(InputId("i-7"), [request_id], NOW)

    assert store.is_known(InputId("i-7"), [request_id]) == {request_id}


def test_rows_expire_after_thirty_days(table: str, aws: str) -> None:
    DynamoRequestStore(table, aws).remember(InputId("i-8"), ["a"], NOW)

    rows = boto3.client("dynamodb", region_name=aws).scan(TableName=table)["Items"]

    (row,) = [row for row in rows if row["pk"]["S"].startswith("i-8#")]
    assert int(row["ttl"]["N"]) == NOW // 1000 + 30 * 86_400
