"""What every store of profiles promises: whole profiles, versions that guard writes, and an index of who is due."""

import random

import boto3
import pytest

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event, Identity
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.messages import Due
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen, due_shard_of
from audience_core.domain.stores import ProfileStore
from audience_core.errors import StaleVersionError
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.profiles import DynamoProfileStore
from tests.contract.conftest import CreateTable

ACCOUNT, OTHER = AccountId(7), AccountId(8)
PRODUCTION, DEVELOPMENT = Environment.PRODUCTION, Environment.DEVELOPMENT
NELL = Mpid(-(2**63))
NOW = 1_795_525_200_000
APP, WEB = WorkspaceId("w-app"), WorkspaceId("w-web")
DUE = {"due": ("due_shard", "due_at", "N", "KEYS_ONLY")}


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> ProfileStore:
    if request.param == "memory":
        return MemoryProfileStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    tables = create_table(f"profiles-{request.node.name}", DUE), create_table(f"chunks-{request.node.name}")
    return DynamoProfileStore(*tables, request.getfixturevalue("aws"))


def a_profile(mpid: Mpid = NELL, account: AccountId = ACCOUNT, environment: Environment = PRODUCTION) -> Profile:
    profile = Profile(account, environment, mpid)
    profile.identities = {Identity("email", "nell@trail.example"): NOW - 5, Identity("customer_id", "7"): NOW}
    profile.registers = {
        RegisterKey(APP, RegisterKind.ATTRIBUTE, "tier"): Register("gold", NOW),
        RegisterKey(WEB, RegisterKind.ATTRIBUTE, "parks"): Register(["Zion", 3, None, True, 0.5], NOW - 1),
        RegisterKey(WEB, RegisterKind.ATTRIBUTE, "gone"): Register(None, NOW, is_deleted=True),
        RegisterKey(APP, RegisterKind.LOCATION, ""): Register({"city": "Bonn", "latitude": 50.7}, NOW),
    }
    profile.seen = {APP: Seen(NOW - 1000, NOW), WEB: Seen(NOW - 10, NOW - 10)}
    profile.memberships = {AudienceId(3), AudienceId(2**31 - 1)}
    profile.agenda = ((NOW + 5, AudienceId(3)), (NOW + 9, AudienceId(4)))
    profile.agenda_until = NOW + 10
    profile.program_version = 12
    profile.changes = (MembershipChange(AudienceId(3), True, NOW, Reason.EVENT),)
    return profile


def events(count: int) -> list[Event]:
    chance = random.Random(5)
    return [
        Event(
            EventKind.COMMERCE,
            "purchase",
            NOW - count * 1000 + n * 1000,
            chance.randbytes(8),
            APP if n % 2 else WEB,
            InputId(f"i-{n % 3}"),
            {"$total_amount": chance.random(), "note": chance.randbytes(20).hex()},
            ({"id": "boot", "price": 84.5, "quantity": n},) if n % 4 == 0 else (),
        )
        for n in range(count)
    ]


def test_a_profile_comes_back_whole(store: ProfileStore) -> None:
    profile = a_profile()
    profile.timeline = {(EventKind.COMMERCE, "purchase"): events(20)}

    store.save(profile, NOW)

    assert store.load(ACCOUNT, PRODUCTION, [NELL, Mpid(5)]) == {NELL: profile}


def test_outlines_come_back_without_timelines(store: ProfileStore) -> None:
    profile = a_profile()
    profile.timeline = {(EventKind.COMMERCE, "purchase"): events(5)}
    store.save(profile, NOW)

    found = store.load_outlines(ACCOUNT, PRODUCTION, [NELL, Mpid(5)])

    assert found.keys() == {NELL}
    profile.timeline = {}
    assert found[NELL] == profile


def test_a_heavy_timeline_comes_back_whole_and_grows_on(store: ProfileStore) -> None:
    profile, history = a_profile(), events(6000)
    profile.timeline = {(EventKind.COMMERCE, "purchase"): history[:5000]}
    store.save(profile, NOW)

    again = store.load(ACCOUNT, PRODUCTION, [NELL])[NELL]
    again.timeline[EventKind.COMMERCE, "purchase"] += history[5000:]
    store.save(again, NOW)

    found = store.load(ACCOUNT, PRODUCTION, [NELL])[NELL]
    assert found.timeline == {(EventKind.COMMERCE, "purchase"): history}


def test_sealed_parts_stay_as_they_are_and_the_item_stays_small(create_table: CreateTable, aws: str) -> None:
    store = DynamoProfileStore(create_table("profiles-sealed", DUE), create_table("chunks-sealed"), aws)
    profile, history = a_profile(), events(5100)
    profile.timeline = {(EventKind.COMMERCE, "purchase"): history[:5000]}
    sealed = store.save(profile, NOW).sealed
    assert sum(ref.count for ref in sealed) > 4000

    again = store.load(ACCOUNT, PRODUCTION, [NELL])[NELL]
    again.timeline[EventKind.COMMERCE, "purchase"] += history[5000:]

    assert store.save(again, NOW).sealed[: len(sealed)] == sealed


def test_a_stale_save_changes_nothing(store: ProfileStore) -> None:
    store.save(a_profile(), NOW)
    first, second = (store.load(ACCOUNT, PRODUCTION, [NELL])[NELL] for _ in range(2))
    first.memberships = set()
    store.save(first, NOW)

    with pytest.raises(StaleVersionError):
        store.save(second, NOW)
    with pytest.raises(StaleVersionError):
        store.save(a_profile(), NOW)

    found = store.load(ACCOUNT, PRODUCTION, [NELL])[NELL]
    assert (found.version, found.memberships) == (NOW // 1000 + 1, set())


def test_accounts_and_environments_share_nothing(store: ProfileStore) -> None:
    store.save(a_profile(), NOW)

    assert store.load(OTHER, PRODUCTION, [NELL]) == {}
    assert store.load(ACCOUNT, DEVELOPMENT, [NELL]) == {}


def test_those_who_are_due_are_found_and_nobody_else(store: ProfileStore) -> None:
    later = a_profile(Mpid(NELL + 64 * 16))
    later.agenda = ((NOW + 6, AudienceId(3)),)
    never = a_profile(Mpid(NELL + 2 * 64 * 16))
    never.agenda, never.agenda_until = (), 1 << 62
    for each in (a_profile(), later, never):
        store.save(each, NOW)
    shard = due_shard_of(NELL)

    first, second = Due(ACCOUNT, NELL, NOW + 5), Due(ACCOUNT, later.mpid, NOW + 6)
    assert due(store, shard, 0, NOW + 4) == []
    assert due(store, shard, 0, NOW + 5) == [first]
    assert due(store, shard, 0, NOW + 100) == [first, second]
    assert due(store, shard, NOW + 5, NOW + 100) == [second]
    assert due(store, (shard + 1) % 16, 0, NOW + 100) == []


def test_many_of_one_instant_are_found_once_each_in_pages(store: ProfileStore) -> None:
    everybody = [Mpid(5 + number * 64 * 16) for number in range(25)]
    for mpid in everybody:
        store.save(a_profile(mpid), NOW)

    pages: list[tuple[Due, ...]] = []
    cursor = None
    while cursor is not None or not pages:
        page = store.due(due_shard_of(5), NOW, NOW + 5, cursor, 10)
        pages.append(page.items)
        cursor = page.next

    assert [len(items) for items in pages if items] == [10, 10, 5]
    assert {each.mpid for items in pages for each in items} == set(everybody)


def test_a_profile_is_deleted_unless_it_was_written_meanwhile(store: ProfileStore) -> None:
    store.save(a_profile(), NOW)
    first, second = (store.load(ACCOUNT, PRODUCTION, [NELL])[NELL] for _ in range(2))
    store.save(first, NOW)

    with pytest.raises(StaleVersionError):
        store.delete(second)
    assert store.load(ACCOUNT, PRODUCTION, [NELL]) != {}
    store.delete(first)

    assert store.load(ACCOUNT, PRODUCTION, [NELL]) == {}
    for stale in (first, second):
        with pytest.raises(StaleVersionError):
            store.delete(stale)
        with pytest.raises(StaleVersionError):
            store.save(stale, NOW)


def test_a_later_profile_of_the_mpid_has_greater_versions(store: ProfileStore) -> None:
    former = store.save(a_profile(), NOW)
    former = store.save(former, NOW + 1000)
    store.delete(former)

    later = store.save(a_profile(), NOW + 5000)

    assert later.version > former.version + 1
    assert store.load(ACCOUNT, PRODUCTION, [NELL])[NELL].version == later.version


def test_the_timeline_of_a_removed_profile_is_discarded(create_table: CreateTable, aws: str) -> None:
    chunks = create_table("chunks-discarded")
    store = DynamoProfileStore(create_table("profiles-discarded", DUE), chunks, aws)
    profile = a_profile()
    profile.timeline = {(EventKind.COMMERCE, "purchase"): events(5000)}
    saved = store.save(profile, NOW)
    table = boto3.resource("dynamodb", region_name=aws).Table(chunks)
    assert table.scan()["Count"] == len(saved.sealed) > 0

    for _ in range(2):
        store.discard_timeline(saved)

    assert table.scan()["Count"] == 0


def test_a_stretch_begins_after_any_mpid(store: ProfileStore) -> None:
    for mpid in (128, -64, 64, 640, 1):
        store.save(a_profile(Mpid(mpid)), NOW)

    assert [p.mpid for p in store.stretch(ACCOUNT, PRODUCTION, 0, None, 10)] == [-64, 128, 64, 640]
    assert [p.mpid for p in store.stretch(ACCOUNT, PRODUCTION, 0, Mpid(12), 2)] == [128, 64]
    assert list(store.stretch(ACCOUNT, DEVELOPMENT, 0, None, 10)) == []


def test_a_profile_that_nothing_awaits_leaves_the_index(store: ProfileStore) -> None:
    profile = store.save(a_profile(), NOW)
    profile.agenda, profile.agenda_until = (), 1 << 62

    store.save(profile, NOW)

    assert due(store, due_shard_of(NELL), 0, NOW + 1000) == []


def due(store: ProfileStore, shard: int, after_ms: int, until_ms: int) -> list[Due]:
    return list(store.due(shard, after_ms, until_ms, None, 100).items)
