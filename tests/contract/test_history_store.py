"""What every store of joins and leaves promises."""

import boto3
import pytest

from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import HistoryStore, Page
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from tests.support.control_stack import create_history_table

ACCOUNT, OTHER_ACCOUNT = AccountId(7), AccountId(8)
PLAYERS, BUYERS = AudienceId(1), AudienceId(12)
ANN, BO, CY = Mpid(64), Mpid(-(2**63)), Mpid(640)  # of one bucket, and 64 begins 640
NOW = 1_795_521_600_000
KEPT_DAYS = 90


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest, aws: str) -> HistoryStore:
    return MemoryHistoryStore() if request.param == "memory" else DynamoHistoryStore(create_history_table(), aws)


def an_entry(mpid: Mpid = ANN, at: int = NOW, version: int = 1, **given: object) -> HistoryEntry:
    fields: dict[str, object] = {"audience_id": PLAYERS, "is_member": True, "reason": Reason.EVENT}
    return HistoryEntry(mpid=mpid, at=at, version=version, **(fields | given))  # type: ignore[arg-type]  # of any field


def a_stay(mpid: Mpid, start: int, version: int = 1) -> list[HistoryEntry]:
    left = an_entry(mpid, start + 1000, version + 1, is_member=False, reason=Reason.TIME)
    return [an_entry(mpid, start, version), left]


def test_what_is_recorded_is_found_whole(store: HistoryStore) -> None:
    entries = [
        an_entry(at=NOW + number, version=number + 1, is_member=bool(number % 2), reason=reason)
        for number, reason in enumerate(Reason)
    ]
    store.record(ACCOUNT, entries, KEPT_DAYS)

    assert store.newest(ACCOUNT, PLAYERS, None, 100) == Page(tuple(reversed(entries)))
    assert store.of_profile(ACCOUNT, PLAYERS, ANN, None, 100) == Page(tuple(reversed(entries)))
    assert list(store.by_profile(ACCOUNT, PLAYERS, bucket_of(ANN), None)) == entries


def test_repeats_are_harmless_even_in_one_call(store: HistoryStore) -> None:
    entries = a_stay(ANN, NOW)

    store.record(ACCOUNT, [*entries, *entries], KEPT_DAYS)
    store.record(ACCOUNT, entries[:1], KEPT_DAYS)

    assert len(store.newest(ACCOUNT, PLAYERS, None, 100).items) == 2


def test_changes_of_one_instant_are_told_apart_by_version(store: HistoryStore) -> None:
    joined, left = an_entry(version=9), an_entry(version=10, is_member=False)
    store.record(ACCOUNT, [left, joined], KEPT_DAYS)

    assert list(store.by_profile(ACCOUNT, PLAYERS, bucket_of(ANN), None)) == [joined, left]
    assert store.of_profile(ACCOUNT, PLAYERS, ANN, None, 1).items == (left,)


def test_accounts_and_audiences_share_no_history(store: HistoryStore) -> None:
    store.record(ACCOUNT, [an_entry(audience_id=BUYERS)], KEPT_DAYS)

    assert store.newest(ACCOUNT, PLAYERS, None, 10).items == ()
    assert store.newest(OTHER_ACCOUNT, BUYERS, None, 10).items == ()
    assert store.of_profile(ACCOUNT, PLAYERS, ANN, None, 10).items == ()
    assert list(store.by_profile(ACCOUNT, PLAYERS, bucket_of(ANN), None)) == []


def test_pages_run_through_all_buckets_newest_first(store: HistoryStore) -> None:
    # Many of one bucket at once, so that its entries fill pages alone, and two of the same instant.
    entries = [e for n in range(40) for e in a_stay(Mpid(n * 7 - 90), NOW + n % 39 * 10)]
    entries += [e for n in range(40) for e in a_stay(Mpid(n * 64), NOW + 5000 + n)]
    store.record(ACCOUNT, entries, KEPT_DAYS)

    found: list[HistoryEntry] = []
    lengths: list[int] = []
    cursor = None
    while cursor is not None or not lengths:
        page = store.newest(ACCOUNT, PLAYERS, cursor, 30)
        found += page.items
        lengths.append(len(page.items))
        cursor = page.next

    assert lengths == [30, 30, 30, 30, 30, 10]
    assert sorted(found, key=lambda e: (e.at, str(e.mpid), e.version), reverse=True) == found
    assert set(found) == set(entries)


def test_one_profile_is_paged_without_its_neighbours(store: HistoryStore) -> None:
    stays = {mpid: [e for n in range(5) for e in a_stay(mpid, NOW + n * 5000, n * 2)] for mpid in (ANN, BO, CY)}
    store.record(ACCOUNT, [e for stay in stays.values() for e in stay], KEPT_DAYS)

    first = store.of_profile(ACCOUNT, PLAYERS, ANN, None, 7)
    second = store.of_profile(ACCOUNT, PLAYERS, ANN, first.next, 7)

    assert (len(first.items), second.next) == (7, None)
    assert [*first.items, *second.items] == stays[ANN][::-1]


def test_a_bucket_is_read_by_profile_from_any_of_them_on(store: HistoryStore) -> None:
    stays = {mpid: a_stay(mpid, NOW) for mpid in (CY, ANN, BO)}
    store.record(ACCOUNT, [e for stay in stays.values() for e in stay], KEPT_DAYS)
    store.record(ACCOUNT, [an_entry(Mpid(65))], KEPT_DAYS)

    assert list(store.by_profile(ACCOUNT, PLAYERS, 0, None)) == [*stays[BO], *stays[ANN], *stays[CY]]
    assert list(store.by_profile(ACCOUNT, PLAYERS, 0, BO)) == [*stays[ANN], *stays[CY]]
    assert list(store.by_profile(ACCOUNT, PLAYERS, 0, ANN)) == stays[CY]
    assert list(store.by_profile(ACCOUNT, PLAYERS, 0, CY)) == []


def test_items_expire_when_their_time_is_over(aws: str) -> None:
    table = create_history_table()
    DynamoHistoryStore(table, aws).record(ACCOUNT, [an_entry()], KEPT_DAYS)

    (item,) = boto3.resource("dynamodb", region_name=aws).Table(table).scan()["Items"]
    assert item["ttl"] == (NOW + KEPT_DAYS * DAY_MS) // 1000
