"""Every profile store pages through a bucket in the order of the mpids' texts, which sampling relies on."""

import random
from collections.abc import Iterator

import pytest

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.stores import ProfileStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.profiles import DynamoProfileStore
from tests.support.control import INPUT, WORKSPACE
from tests.support.control_stack import REGION, create_table

ACCOUNT = AccountId(7)
NOW = 1_795_521_600_000


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


def test_outlines_are_pages_without_timelines(store: ProfileStore) -> None:
    event = Event(EventKind.CUSTOM, "Play", NOW, b"12345678", WORKSPACE, INPUT, {}, ())
    profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(5), memberships={AudienceId(3)})
    profile.timeline[EventKind.CUSTOM, "Play"] = [event]
    store.save(profile, NOW)

    (outline,) = store.outlines(ACCOUNT, Environment.PRODUCTION, 5, None, 10).items

    assert (outline.mpid, set(outline.memberships)) == (5, {3})
    assert not outline.timeline
    assert store.page(ACCOUNT, Environment.PRODUCTION, 5, None, 10).items[0].timeline


def test_many_are_saved_but_for_those_that_somebody_else_wrote(store: ProfileStore) -> None:
    mpids = [Mpid(5 + BUCKETS * number) for number in range(130)]
    for mpid in mpids:
        store.save(Profile(ACCOUNT, Environment.PRODUCTION, mpid), NOW)
    read = store.load(ACCOUNT, Environment.PRODUCTION, mpids)
    for mpid in mpids[3], mpids[101]:
        store.save(store.load(ACCOUNT, Environment.PRODUCTION, [mpid])[mpid], NOW)
    for profile in read.values():
        profile.memberships = {AudienceId(9)}

    stale = store.save_all([read[mpid] for mpid in mpids], NOW)

    assert sorted(stale) == sorted([mpids[3], mpids[101]])
    stored = store.load(ACCOUNT, Environment.PRODUCTION, mpids)
    assert {mpid for mpid, profile in stored.items() if not profile.memberships} == set(stale)
    assert all(stored[mpid].version == read[mpid].version for mpid in mpids if mpid not in stale)
    assert store.save_all([], NOW) == []
