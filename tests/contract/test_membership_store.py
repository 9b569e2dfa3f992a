"""What every store of member lists and counts promises."""

import random
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.stores import CountStep, MembershipStore, Tally
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from benchmarks.metering import item_bytes
from tests.contract.conftest import CreateTable
from tests.support.dynamo_client import listening

ACCOUNT, OTHER_ACCOUNT = AccountId(7), AccountId(8)
PLAYERS, BUYERS = AudienceId(1), AudienceId(2)
HOUR = 3_600_000
NOW = 1_795_521_600_000
BUCKET = 5
# As DynamoDB numbers records: of different lengths, so that they do not compare as text.
FIRST = 99_999_999_999_999_999_998


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> MembershipStore:
    if request.param == "memory":
        return MemoryMembershipStore()
    store: MembershipStore = request.getfixturevalue("dynamo")
    return store


@pytest.fixture
def dynamo(create_table: CreateTable, aws: str, request: pytest.FixtureRequest) -> DynamoMembershipStore:
    name = request.node.name
    return DynamoMembershipStore(create_table(f"memberships-{name}"), create_table(f"counts-{name}"), aws)


def test_who_joined_is_listed_and_who_left_is_not(store: MembershipStore) -> None:
    ann, bo = Membership(PLAYERS, Mpid(-(2**63)), 10), Membership(PLAYERS, Mpid(2**63 - 1), 20)
    store.apply(ACCOUNT, [ann, bo, Membership(BUYERS, ann.mpid, 30)], [])

    store.apply(ACCOUNT, [], [(PLAYERS, ann.mpid), (BUYERS, bo.mpid)])

    assert _all(store, PLAYERS) == [bo]
    assert _all(store, BUYERS) == [Membership(BUYERS, ann.mpid, 30)]


def test_repeats_are_harmless(store: MembershipStore) -> None:
    ann = Membership(PLAYERS, Mpid(1), 10)

    for _ in range(2):
        store.apply(ACCOUNT, [ann], [(PLAYERS, Mpid(2))])

    assert _all(store, PLAYERS) == [ann]


def test_accounts_share_no_members(store: MembershipStore) -> None:
    store.apply(ACCOUNT, [Membership(PLAYERS, Mpid(1), 10)], [])

    assert store.members(OTHER_ACCOUNT, PLAYERS, None, 10).items == ()


def test_pages_hold_every_member_once_over_all_buckets(store: MembershipStore) -> None:
    members = {Membership(PLAYERS, Mpid(number * 7 - 400), number) for number in range(150)}
    store.apply(ACCOUNT, members, [])

    pages = list(_pages(store, PLAYERS, 40))

    assert [len(page) for page in pages if page] == [40, 40, 40, 30]
    assert sorted(each.mpid for page in pages for each in page) == sorted(each.mpid for each in members)
    assert {each for page in pages for each in page} == members


def test_many_members_of_one_bucket_are_paged_in_order(store: MembershipStore) -> None:
    store.apply(ACCOUNT, [Membership(PLAYERS, Mpid(64 * number), 1) for number in range(1, 31)], [])

    found = [each.mpid for page in _pages(store, PLAYERS, 7) for each in page]

    assert len(found) == len(set(found)) == 30


def test_one_bucket_is_read_by_the_text_of_mpids_from_any_of_them_on(store: MembershipStore) -> None:
    members = [Membership(PLAYERS, Mpid(mpid), 5) for mpid in (-128, -64, 128, 64, 640)]
    store.apply(ACCOUNT, [*members[::-1], Membership(PLAYERS, Mpid(1), 5), Membership(BUYERS, Mpid(0), 5)], [])

    assert list(store.bucket_members(ACCOUNT, PLAYERS, 0, None, 100)) == members
    assert list(store.bucket_members(ACCOUNT, PLAYERS, 0, Mpid(-64), 2)) == members[2:4]
    assert list(store.bucket_members(ACCOUNT, PLAYERS, 0, Mpid(640), 2)) == []


def test_the_listed_are_told_from_the_others(store: MembershipStore) -> None:
    store.apply(ACCOUNT, [Membership(PLAYERS, Mpid(1), 5), Membership(BUYERS, Mpid(-2), 5)], [])

    wanted = {(PLAYERS, Mpid(1)), (PLAYERS, Mpid(-2)), (BUYERS, Mpid(-2)), (BUYERS, Mpid(1))}

    assert store.listed(ACCOUNT, wanted) == {(PLAYERS, Mpid(1)), (BUYERS, Mpid(-2))}
    assert store.listed(OTHER_ACCOUNT, wanted) == frozenset()
    assert store.listed(ACCOUNT, []) == frozenset()


def test_a_tally_compares_the_listed_with_the_counted_and_is_adjusted(store: MembershipStore) -> None:
    steps = _steps("++-")
    store.apply(ACCOUNT, [Membership(PLAYERS, Mpid(64 * n + BUCKET), 5) for n in range(3)], [])
    assert store.tally(ACCOUNT, PLAYERS, BUCKET) == Tally(3, 0, "")
    store.count(ACCOUNT, {PLAYERS: steps})
    found = store.tally(ACCOUNT, PLAYERS, BUCKET)

    assert store.adjust(ACCOUNT, PLAYERS, BUCKET, 2, found.sequence)

    assert (found.listed, found.counted) == (3, 1)
    assert store.tally(ACCOUNT, PLAYERS, BUCKET).counted == 3
    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(3, 2, 1)
    store.count(ACCOUNT, {PLAYERS: steps})
    assert store.counts(ACCOUNT, PLAYERS, NOW).size == 3


def test_a_size_that_moved_is_not_adjusted(store: MembershipStore) -> None:
    store.count(ACCOUNT, {PLAYERS: _steps("+")})
    seen = store.tally(ACCOUNT, PLAYERS, BUCKET).sequence
    store.count(ACCOUNT, {PLAYERS: _steps("++")})

    assert not store.adjust(ACCOUNT, PLAYERS, BUCKET, 5, seen)
    assert not store.adjust(ACCOUNT, PLAYERS, BUCKET, 5, "")
    assert store.counts(ACCOUNT, PLAYERS, NOW).size == 2


def test_an_audience_nobody_joined_counts_nothing(store: MembershipStore) -> None:
    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(0, 0, 0)
    assert store.members(ACCOUNT, PLAYERS, None, 10).next is None


def test_joins_and_leaves_of_all_buckets_add_up(store: MembershipStore) -> None:
    store.count(ACCOUNT, {PLAYERS: _steps("++-", bucket=0)})
    store.count(ACCOUNT, {PLAYERS: _steps("+", bucket=63)})
    store.count(ACCOUNT, {BUYERS: _steps("++", bucket=0)})
    store.count(OTHER_ACCOUNT, {PLAYERS: _steps("+++", bucket=0)})

    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(2, 3, 1)
    assert store.counts(ACCOUNT, BUYERS, NOW) == _counts(2, 2, 0)


@pytest.mark.parametrize(
    "cuts",
    [
        ["0:6", "0:6"],  # the batch comes again
        ["0:6", "0:3", "3:6"],  # bisected after it was counted
        ["0:3", "0:6"],  # bisected, and whole again
        ["0:4", "2:6"],  # from a checkpoint inside
        ["0:1", "0:2", "1:4", "0:6", "5:6"],
    ],
)
def test_records_count_once_however_they_are_cut(store: MembershipStore, cuts: Sequence[str]) -> None:
    steps = _steps("++-+-+")

    for cut in cuts:
        start, end = map(int, cut.split(":"))
        store.count(ACCOUNT, {PLAYERS: steps[start:end]})

    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(2, 4, 2)


def test_records_of_several_hours_count_once_in_each(store: MembershipStore) -> None:
    steps = _steps("+-+-+-", at=[NOW - each * HOUR for each in (30, 30, 2, 1, 1, 0)])

    for start in (0, 3, 1):
        store.count(ACCOUNT, {PLAYERS: steps[start:]})

    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(0, 2, 2)


def test_changes_fade_after_twenty_four_hours_and_members_stay(store: MembershipStore) -> None:
    store.count(ACCOUNT, {PLAYERS: _steps("+")})

    assert store.counts(ACCOUNT, PLAYERS, NOW + 23 * HOUR) == _counts(1, 1, 0)
    assert store.counts(ACCOUNT, PLAYERS, NOW + 24 * HOUR) == _counts(1, 0, 0)


def test_late_records_count_in_the_hour_they_are_of(store: MembershipStore) -> None:
    store.count(ACCOUNT, {PLAYERS: _steps("+++-", at=[NOW - each * HOUR for each in (25, 3, 0, 3)])})

    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(2, 2, 1)
    assert store.counts(ACCOUNT, PLAYERS, NOW + 20 * HOUR) == _counts(2, 2, 1)
    assert store.counts(ACCOUNT, PLAYERS, NOW + 21 * HOUR) == _counts(2, 1, 0)


def test_what_was_adjusted_before_anything_was_counted_stays(store: MembershipStore) -> None:
    assert store.adjust(ACCOUNT, PLAYERS, BUCKET, 3, "")

    store.count(ACCOUNT, {PLAYERS: _steps("+-+")})

    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(4, 2, 1)


def test_what_others_write_between_reading_and_writing_is_kept(
    dynamo: DynamoMembershipStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    dynamo.count(ACCOUNT, {PLAYERS: _steps("+", at=[NOW - HOUR])})
    written = dynamo.counted._written

    def overtaken(*arguments: Any) -> bool:
        monkeypatch.setattr(dynamo.counted, "_written", written)
        assert dynamo.adjust(ACCOUNT, PLAYERS, BUCKET, 5, str(FIRST))
        dynamo.count(ACCOUNT, {PLAYERS: _steps("++-", bucket=BUCKET + 1)})
        return written(*arguments)

    monkeypatch.setattr(dynamo.counted, "_written", overtaken)
    dynamo.count(ACCOUNT, {PLAYERS: _steps("++")})

    assert dynamo.counts(ACCOUNT, PLAYERS, NOW) == _counts(8, 4, 1)
    assert dynamo.tally(ACCOUNT, PLAYERS, BUCKET).counted == 7
    assert dynamo.tally(ACCOUNT, PLAYERS, BUCKET + 1).counted == 1


@pytest.mark.parametrize(
    ("ago_ms", "is_recent"),
    [(0, True), (22 * HOUR, True), (23 * HOUR, True), (23 * HOUR + 1, False), (24 * HOUR, False)],
)
def test_the_last_day_begins_with_a_whole_hour(store: MembershipStore, ago_ms: int, is_recent: bool) -> None:
    """NOW is a full hour: the last 24 of them, the one under way included, are counted."""
    assert NOW % HOUR == 0
    store.count(ACCOUNT, {PLAYERS: _steps("+-", at=[NOW - ago_ms] * 2)})

    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(0, int(is_recent), int(is_recent))
    assert store.counts(ACCOUNT, PLAYERS, NOW + HOUR - 1) == _counts(0, int(is_recent), int(is_recent))


def test_a_batch_of_many_records_is_one_read_and_one_write_an_audience(dynamo: DynamoMembershipStore, aws: str) -> None:
    calls: list[str] = []
    dynamo.count(ACCOUNT, {PLAYERS: _steps("-")})
    steps = [each for bucket in range(64) for each in _steps("+" * 20, bucket=bucket)]

    with listening(aws, "before-call.dynamodb.*", lambda model, **_: calls.append(model.name)):
        dynamo.count(ACCOUNT, {PLAYERS: steps, BUYERS: steps[:500]})

    assert sorted(calls) == ["BatchGetItem", "PutItem", "PutItem"]


def test_an_item_of_an_audience_with_members_everywhere_takes_two_write_units(dynamo: DynamoMembershipStore) -> None:
    """Numbers as long as those of DynamoDB, of four shards, and joins and leaves in every hour of the day."""
    chosen = random.Random(1)
    shards = [4_421_584_500_000_000_017_450_439_091 + 10**26 * number for number in range(4)]
    steps = [
        CountStep(bucket, str(shards[bucket % 4] + chosen.randrange(10**12)), NOW - bucket % 24 * HOUR, 900, 300)
        for bucket in range(64)
    ]
    dynamo.count(ACCOUNT, {PLAYERS: steps})

    item = dynamo.counted._items.get(f"{ACCOUNT}#{PLAYERS}", "count").serialize()
    assert 1024 < item_bytes(item) <= 2048


def test_records_of_several_shards_are_told_apart_by_bucket(store: MembershipStore) -> None:
    """One shard's numbers say nothing about how far another was counted."""
    late, early = _steps("+++", bucket=1), _steps("++", bucket=2)
    store.count(ACCOUNT, {PLAYERS: late})

    for _ in range(2):
        store.count(ACCOUNT, {PLAYERS: early})

    assert store.counts(ACCOUNT, PLAYERS, NOW) == _counts(5, 5, 0)


def _steps(moves: str, at: Sequence[int] | None = None, bucket: int = BUCKET) -> list[CountStep]:
    """One step for each + (join) and - (leave)."""
    instants = at or [NOW] * len(moves)
    return [
        CountStep(bucket, str(FIRST + number), instant, int(move == "+"), int(move == "-"))
        for number, (move, instant) in enumerate(zip(moves, instants, strict=True))
    ]


def _counts(size: int, adds: int, drops: int) -> AudienceCounts:
    return AudienceCounts(size=size, adds_24h=adds, drops_24h=drops)


def _pages(store: MembershipStore, audience_id: AudienceId, limit: int) -> Iterator[tuple[Membership, ...]]:
    cursor = None
    while True:
        page = store.members(ACCOUNT, audience_id, cursor, limit)
        yield page.items
        cursor = page.next
        if cursor is None:
            return


def _all(store: MembershipStore, audience_id: AudienceId) -> list[Membership]:
    return [each for page in _pages(store, audience_id, 100) for each in page]


def test_rows_of_a_stretch_of_a_bucket_are_found_by_the_texts_of_mpids(store: MembershipStore) -> None:
    mpids = [Mpid(5 + 64 * number) for number in (-3, -1, 0, 1, 2, 20)]
    store.apply(ACCOUNT, [Membership(PLAYERS, mpid, 10) for mpid in [*mpids, Mpid(6)]], [])
    ordered = sorted(mpids, key=str)

    assert store.between(ACCOUNT, PLAYERS, BUCKET, None, None) == set(mpids)
    assert store.between(ACCOUNT, PLAYERS, BUCKET, ordered[1], ordered[3]) == set(ordered[2:4])
    assert store.between(ACCOUNT, PLAYERS, BUCKET, None, ordered[0]) == {ordered[0]}
    assert store.between(ACCOUNT, PLAYERS, BUCKET, ordered[4], None) == {ordered[5]}
    assert store.between(ACCOUNT, BUYERS, BUCKET, None, None) == frozenset()


def test_a_forgotten_bucket_has_no_rows(store: MembershipStore) -> None:
    here, elsewhere = Membership(PLAYERS, Mpid(5), 10), Membership(PLAYERS, Mpid(6), 10)
    store.apply(ACCOUNT, [here, elsewhere, Membership(BUYERS, Mpid(5), 10)], [])

    store.forget(ACCOUNT, PLAYERS, BUCKET)

    assert _all(store, PLAYERS) == [elsewhere]
    assert len(_all(store, BUYERS)) == 1
