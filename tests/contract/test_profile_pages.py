"""Every profile store pages through a bucket in the order of the mpids' texts, which sampling relies on."""

import random
from collections.abc import Iterator

import pytest

from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.stores import ProfileStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.profiles import DynamoProfileStore
from tests.support.control_stack import REGION, create_table

ACCOUNT = AccountId(7)


@pytest.fixture(params=["memory", "dynamo"])
def store(request: pytest.FixtureRequest, aws: str) -> ProfileStore:
    if request.param == "memory":
        return MemoryProfileStore()
    return DynamoProfileStore(create_table("profiles"), create_table("chunks"), REGION)


def mpids_of(store: ProfileStore, limit: int) -> Iterator[str]:
    cursor = None
    while True:
        page = store.page(ACCOUNT, Environment.PRODUCTION, 5, cursor, limit)
        yield from (str(profile.mpid) for profile in page.items)
        cursor = page.next
        if cursor is None:
            return


def test_pages_of_a_bucket_ascend_by_the_text_of_the_mpid(store: ProfileStore) -> None:
    generator = random.Random(8)
    mpids = [Mpid(5 + BUCKETS * generator.randint(-(10**exponent), 10**exponent)) for exponent in range(2, 14)]
    for mpid in mpids:
        store.save(Profile(ACCOUNT, Environment.PRODUCTION, mpid), 0)

    for limit in (1, 5, 100):
        assert list(mpids_of(store, limit)) == sorted(map(str, set(mpids)))
