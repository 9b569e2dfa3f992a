"""What every store of joins and leaves promises."""

from collections.abc import Sequence
from dataclasses import replace

import boto3
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import HistoryStore, Page
from audience_core.persistence.history import SLOT_MS, DynamoHistoryStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from tests.support.control_stack import create_table
from tests.support.long_run import examples

ACCOUNT, OTHER_ACCOUNT = AccountId(7), AccountId(8)
PLAYERS, BUYERS = AudienceId(1), AudienceId(12)
ANN, BO, CY = Mpid(64), Mpid(-(2**63)), Mpid(640)  # of one bucket, and 64 begins 640
NOW = 1_795_521_600_000
KEPT_DAYS = 90


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest, aws: str) -> HistoryStore:
    return MemoryHistoryStore() if request.param == "memory" else DynamoHistoryStore(create_table("history"), aws)


def an_entry(mpid: Mpid = ANN, at: int = NOW, version: int = 1, **given: object) -> HistoryEntry:
    fields: dict[str, object] = {"audience_id": PLAYERS, "is_member": True, "reason": Reason.EVENT}
    return HistoryEntry(mpid=mpid, at=at, version=version, **(fields | given))  # type: ignore[arg-type]  # of any field


def a_stay(mpid: Mpid, start: int, version: int = 1) -> list[HistoryEntry]:
    left = an_entry(mpid, start + 1000, version + 1, is_member=False, reason=Reason.TIME)
    return [an_entry(mpid, start, version), left]


def keep(store: HistoryStore, entries: Sequence[HistoryEntry], account_id: AccountId = ACCOUNT, first: int = 1) -> None:
    """In rows and logs, as the two readers of the stream do; each entry is a record of its own."""
    store.record(account_id, entries, KEPT_DAYS)
    store.log(account_id, [(str(first + number), each) for number, each in enumerate(entries)], KEPT_DAYS)


def read(store: HistoryStore, limit: int = 100) -> list[HistoryEntry]:
    """All of a log, page by page."""
    found: list[HistoryEntry] = []
    cursor = None
    while True:
        page = store.newest(ACCOUNT, PLAYERS, cursor, limit)
        found += page.items
        cursor = page.next
        if cursor is None:
            return found


def test_what_is_recorded_is_found_whole(store: HistoryStore) -> None:
    entries = [
        an_entry(at=NOW + number, version=number + 1, is_member=bool(number % 2), reason=reason)
        for number, reason in enumerate(Reason)
    ]
    keep(store, entries)

    assert store.newest(ACCOUNT, PLAYERS, None, 100) == Page(tuple(reversed(entries)))
    assert store.of_profile(ACCOUNT, PLAYERS, ANN, None, 100) == Page(tuple(reversed(entries)))
    assert list(store.by_profile(ACCOUNT, PLAYERS, bucket_of(ANN), None)) == entries


def test_repeats_are_harmless_even_in_one_call(store: HistoryStore) -> None:
    entries = a_stay(ANN, NOW)

    store.record(ACCOUNT, [*entries, *entries], KEPT_DAYS)
    store.record(ACCOUNT, entries[:1], KEPT_DAYS)

    assert len(store.of_profile(ACCOUNT, PLAYERS, ANN, None, 100).items) == 2


@given(
    st.lists(st.tuples(st.sampled_from([ANN, BO, CY]), st.integers(0, 3), st.integers(0, 2)), max_size=12),
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 4)), max_size=8),
    st.integers(1, 5),
)
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_log_holds_each_entry_once_however_records_are_cut_and_repeated(
    aws: str, moves: list[tuple[Mpid, int, int]], cuts: list[tuple[int, int]], limit: int
) -> None:
    """Records of up to two changes; a batch goes on where the one before ended, or some records before that."""
    store = DynamoHistoryStore(create_table("history"), aws)
    records = [
        (str(10**20 + number), an_entry(mpid, NOW + slot * SLOT_MS // 2 + number, number))
        for number, (mpid, slot, twice) in enumerate(moves)
        for _ in range(1 + (twice == 2))
    ]
    records = [(sequence, replace(e, is_member=bool(n % 2), version=n)) for n, (sequence, e) in enumerate(records)]
    position = 0
    for size, back in cuts:
        store.log(ACCOUNT, records[position : position + size], KEPT_DAYS)
        position = max(0, min(position + size, len(records)) - back)
        while 0 < position < len(records) and records[position][0] == records[position - 1][0]:
            position -= 1  # no batch begins inside a record
    store.log(ACCOUNT, records[position:], KEPT_DAYS)

    kept = [entry for _, entry in records]
    assert read(store, limit) == sorted(kept, key=lambda e: f"{e.at:014d}#{e.mpid}#{e.version:010d}", reverse=True)


def test_changes_of_one_instant_are_told_apart_by_version(store: HistoryStore) -> None:
    joined, left = an_entry(version=9), an_entry(version=10, is_member=False)
    store.record(ACCOUNT, [left, joined], KEPT_DAYS)

    assert list(store.by_profile(ACCOUNT, PLAYERS, bucket_of(ANN), None)) == [joined, left]
    assert store.of_profile(ACCOUNT, PLAYERS, ANN, None, 1).items == (left,)


def test_accounts_and_audiences_share_no_history(store: HistoryStore) -> None:
    keep(store, [an_entry(audience_id=BUYERS)])

    assert store.newest(ACCOUNT, PLAYERS, None, 10).items == ()
    assert store.newest(OTHER_ACCOUNT, BUYERS, None, 10).items == ()
    assert store.of_profile(ACCOUNT, PLAYERS, ANN, None, 10).items == ()
    assert list(store.by_profile(ACCOUNT, PLAYERS, bucket_of(ANN), None)) == []


def test_pages_run_through_all_buckets_newest_first(store: HistoryStore) -> None:
    # Many of one bucket at once, so that its entries fill pages alone, and two of the same instant.
    entries = [e for n in range(40) for e in a_stay(Mpid(n * 7 - 90), NOW + n % 39 * 10)]
    entries += [e for n in range(40) for e in a_stay(Mpid(n * 64), NOW + 5000 + n * 40_000)]
    for first in range(0, len(entries), 33):
        keep(store, entries[first : first + 33], first=first)

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
    table = create_table("history")
    late = an_entry(at=NOW + SLOT_MS - 1)
    keep(DynamoHistoryStore(table, aws), [late])

    items = boto3.resource("dynamodb", region_name=aws).Table(table).scan()["Items"]
    row, log = sorted(item["ttl"] for item in items)
    assert row == (late.at + KEPT_DAYS * DAY_MS) // 1000
    assert log == (NOW + SLOT_MS + KEPT_DAYS * DAY_MS) // 1000


def test_a_long_log_of_one_slot_is_several_items(aws: str) -> None:
    store = DynamoHistoryStore(create_table("history"), aws)
    entries = [("7", an_entry(Mpid(number), version=1)) for number in range(1, 18_001)]
    store.log(ACCOUNT, entries, KEPT_DAYS)

    assert len(store.newest(ACCOUNT, PLAYERS, None, 20_000).items) == 18_000


def test_a_profile_is_forgotten_in_rows_and_log_and_others_are_not(aws: str) -> None:
    table = create_table("history")
    store = DynamoHistoryStore(table, aws)
    keep(store, [*a_stay(ANN, NOW), *a_stay(CY, NOW), an_entry(ANN, NOW + SLOT_MS, 9)])
    store.log(ACCOUNT, [("8", an_entry(ANN)), ("9", an_entry(BO, version=5))], KEPT_DAYS)

    assert store.forget(ACCOUNT, PLAYERS, ANN) == 3

    assert [each.mpid for each in read(store)] == [CY, CY, BO]
    assert store.of_profile(ACCOUNT, PLAYERS, ANN, None, 9).items == ()
    assert len(store.of_profile(ACCOUNT, PLAYERS, CY, None, 9).items) == 2
    assert store.forget(ACCOUNT, PLAYERS, ANN) == 0


def test_what_is_not_in_the_log_is_told(store: HistoryStore) -> None:
    logged, later, older = an_entry(ANN), an_entry(BO, NOW + SLOT_MS), an_entry(ANN, NOW - 1, version=2)
    others = an_entry(ANN, audience_id=BUYERS)
    store.record(ACCOUNT, [logged, later, older, others], KEPT_DAYS)
    store.log(ACCOUNT, [("1", logged)], KEPT_DAYS)
    store.log(OTHER_ACCOUNT, [("2", later)], KEPT_DAYS)

    assert store.unlogged(ACCOUNT, [logged, later, older, others]) == [later, older, others]
    assert store.unlogged(ACCOUNT, []) == []
