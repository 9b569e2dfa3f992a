"""What every store of marks promises."""

import pytest

from audience_core.domain.stores import MarkStore
from audience_core.persistence.marks import DynamoMarkStore
from audience_core.persistence.memory.ingest import MemoryMarkStore
from tests.contract.conftest import CreateTable


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest, create_table: CreateTable, aws: str) -> MarkStore:
    if request.param == "memory":
        return MemoryMarkStore()
    return DynamoMarkStore(create_table(f"marks-{request.node.name}"), aws)


def test_the_last_mark_of_each_name_is_kept(store: MarkStore) -> None:
    store.put("due", '{"places": []}')
    store.put("due", "{}")
    store.put("reconcile", "7")

    assert (store.get("due"), store.get("reconcile"), store.get("retire")) == ("{}", "7", None)
