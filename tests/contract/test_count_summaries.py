"""What every store of summaries of counts promises."""

from typing import Any

import pytest

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.stores import CountChange, CountStep, CountSummaries, MembershipStore
from audience_core.errors import StaleVersionError
from audience_core.persistence.counts import CountItem
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.summaries import MemoryCountSummaries
from audience_core.persistence.summaries import DynamoCountSummaries
from tests.contract.conftest import CreateTable

ACCOUNT, OTHER_ACCOUNT = AccountId(7), AccountId(8)
PLAYERS, BUYERS = AudienceId(1), AudienceId(2)
HOUR = 3_600_000
NOW = 1_795_521_600_000
NOTHING = AudienceCounts(size=0, adds_24h=0, drops_24h=0)

type Stores = tuple[MembershipStore, CountSummaries]


@pytest.fixture(params=["dynamo", "memory"])
def stores(request: pytest.FixtureRequest) -> Stores:
    if request.param == "memory":
        memberships = MemoryMembershipStore()
        return memberships, MemoryCountSummaries(memberships)
    stores: Stores = request.getfixturevalue("dynamo")
    return stores


@pytest.fixture
def dynamo(
    create_table: CreateTable, aws: str, request: pytest.FixtureRequest
) -> tuple[DynamoMembershipStore, DynamoCountSummaries]:
    counts = create_table(f"summaries-{request.node.name}")
    return DynamoMembershipStore("no member lists", counts, aws), DynamoCountSummaries(counts, aws)


def test_figures_are_the_counts_at_the_last_refresh(stores: Stores) -> None:
    counts, summaries = stores
    _count(counts, PLAYERS, 0, (1, 3, 1), (2, 5, 0))
    _count(counts, PLAYERS, 63, (1, 2, 0))

    before = summaries.figures(ACCOUNT, [PLAYERS], NOW)
    summaries.refresh(_changed(PLAYERS), NOW)
    _count(counts, PLAYERS, 0, (3, 100, 0))

    assert before == {PLAYERS: NOTHING}
    assert summaries.figures(ACCOUNT, [PLAYERS], NOW) == {PLAYERS: AudienceCounts(size=9, adds_24h=10, drops_24h=1)}


def test_figures_are_of_the_audiences_asked_for_in_the_account(stores: Stores) -> None:
    counts, summaries = stores
    for audience_id in (PLAYERS, BUYERS):
        _count(counts, audience_id, 0, (1, int(audience_id), 0))
        summaries.refresh(_changed(audience_id), NOW)

    assert list(summaries.figures(ACCOUNT, [BUYERS, AudienceId(3)], NOW)) == [BUYERS, AudienceId(3)]
    assert summaries.figures(ACCOUNT, [BUYERS], NOW)[BUYERS].size == 2
    assert summaries.figures(OTHER_ACCOUNT, [BUYERS], NOW) == {BUYERS: NOTHING}
    assert summaries.figures(ACCOUNT, [], NOW) == {}


@pytest.mark.parametrize("asked", [3, 100, 500])
def test_many_are_asked_for_at_once(stores: Stores, asked: int) -> None:
    counts, summaries = stores
    for audience_id in (PLAYERS, BUYERS):
        _count(counts, audience_id, 0, (1, 4, 0))
        summaries.refresh(_changed(audience_id), NOW)

    found = summaries.figures(ACCOUNT, [AudienceId(number) for number in range(2, 2 + asked)], NOW)

    assert len(found) == asked
    assert [audience_id for audience_id, figures in found.items() if figures.size] == [BUYERS]


def test_changes_fade_from_the_figures_without_a_refresh(stores: Stores) -> None:
    counts, summaries = stores
    _count(counts, PLAYERS, 0, (1, 4, 1), at=NOW - 20 * HOUR)
    _count(counts, PLAYERS, 0, (2, 2, 1), at=NOW)
    summaries.refresh(_changed(PLAYERS), NOW)

    def figures(hours: int) -> tuple[int, int, int]:
        found = summaries.figures(ACCOUNT, [PLAYERS], NOW + hours * HOUR)[PLAYERS]
        return found.size, found.adds_24h, found.drops_24h

    assert [figures(hours) for hours in (0, 3, 4, 23, 24)] == [(4, 6, 2), (4, 6, 2), (4, 2, 1), (4, 2, 1), (4, 0, 0)]


@pytest.mark.parametrize("later", [0, 1, 30])
def test_a_refresh_tells_of_all_hours_of_the_last_day(stores: Stores, later: int) -> None:
    counts, summaries = stores
    now = NOW + later * HOUR
    _count(counts, PLAYERS, 0, (1, 4, 0), at=NOW - 3 * HOUR)
    _count(counts, PLAYERS, 1, (1, 2, 1), at=NOW)
    summaries.refresh(_changed(PLAYERS), NOW)
    _count(counts, PLAYERS, 0, (2, 1, 0), at=NOW - HOUR)
    _count(counts, PLAYERS, 0, (3, 7, 0), at=now)

    summaries.refresh(_changed(PLAYERS), now)

    assert summaries.figures(ACCOUNT, [PLAYERS], now)[PLAYERS] == counts.counts(ACCOUNT, PLAYERS, now)


def test_a_change_of_the_size_alone_is_seen(stores: Stores) -> None:
    counts, summaries = stores
    _count(counts, PLAYERS, 0, (1, 4, 0))
    summaries.refresh(_changed(PLAYERS), NOW)
    _count(counts, PLAYERS, 0, (2, 4, 0), at=NOW - 48 * HOUR)

    summaries.refresh(_changed(PLAYERS), NOW)

    assert summaries.figures(ACCOUNT, [PLAYERS], NOW)[PLAYERS] == AudienceCounts(size=8, adds_24h=4, drops_24h=0)


def test_a_refresh_overtaken_by_another_writes_nothing(
    dynamo: tuple[DynamoMembershipStore, DynamoCountSummaries], monkeypatch: pytest.MonkeyPatch
) -> None:
    counts, summaries = dynamo
    read = summaries._counts.read

    def overtaken(account_id: AccountId, audience_id: AudienceId) -> CountItem:
        item = read(account_id, audience_id)
        monkeypatch.setattr(summaries._counts, "read", read)
        _count(counts, PLAYERS, 0, (1, 4, 0))
        summaries.refresh(_changed(PLAYERS), NOW)
        return item

    monkeypatch.setattr(summaries._counts, "read", overtaken)
    with pytest.raises(StaleVersionError):
        summaries.refresh(_changed(PLAYERS), NOW)

    assert summaries.figures(ACCOUNT, [PLAYERS], NOW)[PLAYERS].size == 4


def _count(store: MembershipStore, audience_id: AudienceId, bucket: int, *steps: Any, at: int = NOW) -> None:
    """Steps are (sequence, adds, drops)."""
    made = [CountStep(bucket, str(sequence), at, adds, drops) for sequence, adds, drops in steps]
    store.count(ACCOUNT, {audience_id: made})


def _changed(audience_id: AudienceId) -> CountChange:
    return CountChange(ACCOUNT, audience_id)
