"""What every store of counted variants promises."""

import pytest

from audience_core.domain.ids import AudienceId
from audience_core.domain.stores import BucketSplit, SplitStore
from audience_core.persistence.memory.splits import MemorySplitStore
from audience_core.persistence.splits import DynamoSplitStore
from audience_core.persistence.summaries import count_changes
from tests.contract.conftest import CreateTable
from tests.support.control import ACCOUNT, OTHER_ACCOUNT

SET, OTHER_SET = AudienceId(1), AudienceId(2)
A, B = AudienceId(101), AudienceId(102)


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> SplitStore:
    if request.param == "memory":
        return MemorySplitStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoSplitStore(create_table(f"splits-{request.node.name}"), request.getfixturevalue("aws"))


def test_what_was_kept_is_found_by_its_member_set_and_test_alone(store: SplitStore) -> None:
    found = {0: BucketSplit(1_795_521_600_000, {A: 3, B: 1}), 63: BucketSplit(1_795_521_600_001, {})}

    store.keep(ACCOUNT, SET, "t-1", found)

    assert store.kept(ACCOUNT, SET, "t-1") == found
    for other in ((OTHER_ACCOUNT, SET, "t-1"), (ACCOUNT, OTHER_SET, "t-1"), (ACCOUNT, SET, "t-2")):
        assert store.kept(*other) == {}


def test_what_is_kept_takes_the_place_of_what_was(store: SplitStore) -> None:
    store.keep(ACCOUNT, SET, "t-1", {0: BucketSplit(1, {A: 3}), 1: BucketSplit(1, {A: 1})})

    store.keep(ACCOUNT, SET, "t-1", {0: BucketSplit(2, {A: 4})})

    assert store.kept(ACCOUNT, SET, "t-1") == {0: BucketSplit(2, {A: 4})}


def test_nothing_is_kept_of_nothing(store: SplitStore) -> None:
    store.keep(ACCOUNT, SET, "t-1", {})

    assert store.kept(ACCOUNT, SET, "t-1") == {}


def test_it_is_none_of_the_counts_beside_which_it_lies() -> None:
    keys = {"pk": {"S": f"{ACCOUNT}#splits"}, "sk": {"S": "t-1#1"}}

    assert count_changes([{"eventName": "MODIFY", "dynamodb": {"Keys": keys}}]) == ()
