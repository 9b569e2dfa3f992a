"""What every store of results promises."""

from itertools import accumulate
from uuid import uuid4

import boto3
import pytest

from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.results import FoundShard, ResultStore
from audience_core.errors import NotFoundError, UnavailableError
from audience_core.persistence.file_traces import S3Traces
from audience_core.persistence.memory.results import MemoryResultStore
from audience_core.persistence.results import S3ResultStore
from tests.support.control import ACCOUNT, OTHER_ACCOUNT
from tests.support.results import found_members, keep_members

ONE, OTHER = AudienceId(1), AudienceId(11)
FIRST, SECOND = (Mpid(-(2**63)), Mpid(-1), Mpid(5)), (Mpid(2**63 - 1),)


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> ResultStore:
    if request.param == "memory":
        return MemoryResultStore()
    name, region = f"results-{uuid4()}", request.getfixturevalue("aws")
    boto3.client("s3", region_name=region).create_bucket(Bucket=name)
    return S3ResultStore(name, region)


def everybody(store: ResultStore, limit: int, calculation_id: str = "lifetime-1") -> list[tuple[Mpid, ...]]:
    """Page by page."""
    pages, cursor = [], None
    while True:
        page = store.page(ACCOUNT, ONE, calculation_id, cursor, limit)
        pages.append(page.items)
        cursor = page.next
        if cursor is None:
            return pages


@pytest.mark.parametrize("limit", [1, 2, 3, 4, 1000])
def test_members_of_all_shards_come_in_pages_each_once(store: ResultStore, limit: int) -> None:
    keep_members(store, ACCOUNT, ONE, "lifetime-1", dict(enumerate((FIRST, (), SECOND, ()))))

    pages = everybody(store, limit)

    assert [mpid for page in pages for mpid in page] == [*FIRST, *SECOND]
    assert all(len(page) <= limit for page in pages)


@pytest.mark.parametrize("sizes", [(5, 4), (1, 0, 7), (0, 2, 2, 2), (3, 3, 0), (0,), (2, 9, 1)])
def test_every_page_is_full_but_the_last_and_none_is_empty_but_an_only_one(
    store: ResultStore, sizes: tuple[int, ...]
) -> None:
    everyone = list(range(sum(sizes)))
    ends = list(accumulate(sizes))
    shards = {shard: everyone[end - sizes[shard] : end] for shard, end in enumerate(ends)}
    keep_members(store, ACCOUNT, ONE, "lifetime-1", shards)

    for limit in range(1, len(everyone) + 2):
        full, rest = divmod(len(everyone), limit)
        expected = [everyone[n * limit : (n + 1) * limit] for n in range(full + bool(rest))]
        assert list(map(list, everybody(store, limit))) == (expected or [[]])


def test_a_shard_is_read_by_places(store: ResultStore) -> None:
    keep_members(store, ACCOUNT, ONE, "lifetime-1", {0: FIRST, 3: SECOND, 7: ()})

    def read(shard: int, start: int, limit: int | None = None) -> list[Mpid]:
        return list(store.of_shard(ACCOUNT, ONE, "lifetime-1", shard, start, limit))

    assert store.shards(ACCOUNT, ONE, "lifetime-1") == [0, 3, 7]
    assert (read(0, 0), read(0, 0, 2), read(0, 1, 1), read(0, 2, 5)) == ([*FIRST], [*FIRST[:2]], [FIRST[1]], [FIRST[2]])
    assert (read(0, 3), read(0, 3, 2), read(3, 0, 9), read(7, 0), read(7, 0, 4)) == ([], [], [*SECOND], [], [])
    with pytest.raises(NotFoundError):
        read(1, 0)
    assert list(store.shards(ACCOUNT, ONE, "lifetime-2")) == []


def test_what_is_put_again_takes_the_place_of_what_was_there(store: ResultStore) -> None:
    keep_members(store, ACCOUNT, ONE, "lifetime-1", {0: FIRST, 1: FIRST})
    keep_members(store, ACCOUNT, ONE, "lifetime-1", {0: SECOND})

    assert everybody(store, 10) == [SECOND]


def test_audiences_of_a_calculation_share_the_users_of_a_shard(store: ResultStore) -> None:
    users = range(1, 20)
    members: dict[AudienceId, list[int]] = {
        OTHER: list(users),
        ONE: [1, 8, 9, 16, 19],
        AudienceId(2): [],
        AudienceId(100): [17],
    }
    found = found_members(members, others=users)
    store.put(ACCOUNT, "lifetime-1", 4, found)
    store.commit(ACCOUNT, "lifetime-1", [FoundShard(4, len(users), found.counts)])

    assert found.counts == {each: len(mpids) for each, mpids in members.items()}
    assert {each: list(store.of_shard(ACCOUNT, each, "lifetime-1", 4, 0)) for each in members} == members
    assert list(store.of_shard(ACCOUNT, ONE, "lifetime-1", 4, 2, 2)) == [9, 16]


def test_nothing_is_read_before_all_of_it_is_there(store: ResultStore) -> None:
    store.put(ACCOUNT, "lifetime-1", 0, found_members({ONE: FIRST}))

    assert list(store.shards(ACCOUNT, ONE, "lifetime-1")) == []
    with pytest.raises(NotFoundError):
        store.page(ACCOUNT, ONE, "lifetime-1", None, 10)


def test_calculations_audiences_and_accounts_are_kept_apart(store: ResultStore) -> None:
    keep_members(store, ACCOUNT, ONE, "lifetime-1", {0: FIRST})
    keep_members(store, ACCOUNT, ONE, "lifetime-11", {0: SECOND})
    keep_members(store, ACCOUNT, OTHER, "lifetime-2", {0: SECOND})
    keep_members(store, OTHER_ACCOUNT, ONE, "lifetime-1", {0: SECOND})

    assert everybody(store, 10) == [FIRST]


def test_nobody_found_is_not_nothing_kept(store: ResultStore) -> None:
    keep_members(store, ACCOUNT, ONE, "lifetime-1", {0: ()})

    assert everybody(store, 10) == [()]
    with pytest.raises(NotFoundError):
        everybody(store, 10, "lifetime-2")


@pytest.mark.parametrize("limit", [1, 2, 3, 10])
def test_erased_members_are_on_no_page(aws: str, limit: int) -> None:
    name = f"results-{uuid4()}"
    boto3.client("s3", region_name=aws).create_bucket(Bucket=name)
    store = S3ResultStore(name, aws)
    keep_members(store, ACCOUNT, ONE, "lifetime-1", {0: [1, 2, 3], 1: [4], 2: [5, 6]})

    rewritten = S3Traces(name, aws).results(ACCOUNT, {Mpid(2), Mpid(4)})

    assert rewritten == 2
    assert [mpid for page in everybody(store, limit) for mpid in page] == [1, 3, 5, 6]


def test_a_store_that_does_not_answer_is_an_error(aws: str) -> None:
    store = S3ResultStore("no-such-bucket", aws)

    with pytest.raises(UnavailableError):
        store.put(ACCOUNT, "lifetime-1", 0, found_members({ONE: FIRST}))
    with pytest.raises(UnavailableError):
        store.commit(ACCOUNT, "lifetime-1", [FoundShard(0, 3, {ONE: 3})])
    with pytest.raises(UnavailableError):
        store.page(ACCOUNT, ONE, "lifetime-1", None, 10)
