"""Who was in an audience at an instant: what happened, read back from the member list and the history."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership, MembershipChange, PastMembership, Reason
from audience_core.domain.profile import Profile
from audience_core.domain.profile_change import ProfileChange
from audience_core.domain.stores import Page
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError
from audience_core.management.members import MemberStores, history, members_at, page
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.jobs import MemoryJobStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.results import MemoryResultStore
from audience_core.pipeline.fan_out import _update_members
from audience_core.pipeline.history import changes_between, record
from tests.support.control import ACCOUNT, AUDIENCE, OTHER_ACCOUNT, an_account, an_audience
from tests.support.long_run import examples

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
START = 1_795_000_000_000
NEXT_SET = AudienceId(900)
# Of three buckets; the text of the first begins that of the second.
MPIDS = (Mpid(64), Mpid(640), Mpid(-64), Mpid(128), Mpid(1), Mpid(-(2**63) + 1), Mpid(2))


class World:
    """An account with one audience and the profiles that join and leave it."""

    def __init__(self) -> None:
        self.accounts, self.audiences = MemoryAccountStore(), MemoryAudienceStore()
        self.memberships, self.history = MemoryMembershipStore(), MemoryHistoryStore()
        self.accounts.create(an_account(history_retention_days=45))
        self.audiences.save(an_audience(status=AudienceStatus.ACTIVE))
        self.jobs = MemoryJobStore()
        self.profiles: dict[Mpid, Profile] = {}
        self.versions = count(1)
        self.written: list[ProfileChange] = []

    def stores(self) -> MemberStores:
        results = MemoryResultStore()
        return MemberStores(self.accounts, self.audiences, self.memberships, self.history, results, self.jobs)

    def take_over(self, members: Sequence[Mpid]) -> None:
        """Another member set becomes that of the audience, and the former one is emptied."""
        audience = self.audiences.get(ACCOUNT, AUDIENCE)
        self.memberships.apply(ACCOUNT, [Membership(NEXT_SET, mpid, START) for mpid in members], [])
        self.audiences.save(audience.model_copy(update={"member_set": NEXT_SET}))
        former = self.memberships.members(ACCOUNT, audience.live_set, None, 100).items
        self.memberships.apply(ACCOUNT, [], [(each.audience_id, each.mpid) for each in former])

    def turn(self, mpid: Mpid, at: int, reason: Reason = Reason.EVENT) -> None:
        """A member leaves, anybody else joins."""
        old = self.profiles.get(mpid)
        is_member = not (old and old.memberships)
        # Two apart: the removal of a profile counts as its next version.
        new = Profile(ACCOUNT, Environment.PRODUCTION, mpid, 2 * next(self.versions))
        new.memberships = {AUDIENCE} if is_member else set()
        new.changes = (MembershipChange(AUDIENCE, is_member, at, reason),)
        self.profiles[mpid] = new
        self.fan_out(ProfileChange(old, new, str(len(self.written)), at))

    def remove(self, mpid: Mpid, at: int) -> None:
        self.fan_out(ProfileChange(self.profiles.pop(mpid), None, str(len(self.written)), at))

    def fan_out(self, change: ProfileChange) -> None:
        self.written.append(change)
        record(self.history, self.accounts, ACCOUNT, changes_between(change.old, change.new, change.at))
        _update_members(self.memberships, ACCOUNT, [change])

    def repeat(self, start: int) -> None:
        """The stream is read again from some record on."""
        for change in self.written[start:]:
            record(self.history, self.accounts, ACCOUNT, changes_between(change.old, change.new, change.at))
            _update_members(self.memberships, ACCOUNT, [change])

    def members_at(self, at: int, limit: int = 100) -> Iterator[PastMembership]:
        cursor = None
        while True:
            found = members_at(self.memberships, self.history, ACCOUNT, AUDIENCE, AUDIENCE, at, cursor, limit)
            assert len(found.items) <= limit
            yield from found.items
            cursor = found.next
            if cursor is None:
                return


@pytest.fixture
def world() -> World:
    return World()


def test_a_stay_is_seen_from_its_first_instant_up_to_its_last(world: World) -> None:
    world.turn(MPIDS[0], START)
    world.turn(MPIDS[0], START + 1000, Reason.TIME)

    assert list(world.members_at(START - 1)) == []
    assert list(world.members_at(START)) == [PastMembership(AUDIENCE, MPIDS[0], START)]
    assert list(world.members_at(START + 999)) == [PastMembership(AUDIENCE, MPIDS[0], START)]
    assert list(world.members_at(START + 1000)) == []


def test_a_removed_profile_was_a_member_until_it_was_removed(world: World) -> None:
    world.turn(MPIDS[0], START)
    world.remove(MPIDS[0], START + 5)

    assert [each.mpid for each in world.members_at(START + 4)] == [MPIDS[0]]
    assert list(world.members_at(START + 5)) == []
    (left, _) = world.history.of_profile(ACCOUNT, AUDIENCE, MPIDS[0], None, 10).items
    assert (left.is_member, left.reason) == (False, Reason.DELETION)


def test_who_joined_before_the_history_is_a_member_of_unknown_date_once_it_left(world: World) -> None:
    world.memberships.apply(ACCOUNT, [Membership(AUDIENCE, MPIDS[0], START - 5)], [])
    assert list(world.members_at(START)) == [PastMembership(AUDIENCE, MPIDS[0], START - 5)]

    world.profiles[MPIDS[0]] = Profile(ACCOUNT, Environment.PRODUCTION, MPIDS[0], 3, memberships={AUDIENCE})
    world.turn(MPIDS[0], START + 10)

    assert list(world.members_at(START)) == [PastMembership(AUDIENCE, MPIDS[0], None)]


@given(
    st.lists(st.tuples(st.sampled_from(MPIDS), st.integers(0, 2), st.integers(0, 9)), max_size=40),
    st.integers(1, 4),
    st.data(),
)
@settings(max_examples=examples(150), deadline=None)
def test_every_instant_is_read_back_exactly(
    moves: list[tuple[Mpid, int, int]], limit: int, data: st.DataObject
) -> None:
    world, at = World(), START
    truth: dict[int, dict[Mpid, int]] = {START - 1: {}}
    now: dict[Mpid, int] = {}
    for mpid, pause, kind in moves:
        at += pause
        if kind == 0 and mpid in world.profiles:
            world.remove(mpid, at)
            now.pop(mpid, None)
        else:
            world.turn(mpid, at)
            now = {m: since for m, since in now.items() if m != mpid} | ({} if mpid in now else {mpid: at})
        truth[at] = dict(now)
    world.repeat(data.draw(st.integers(0, len(moves))))

    for instant, members in truth.items():
        found = list(world.members_at(instant, limit))
        assert {each.mpid: each.since for each in found} == members
        assert len(found) == len(members)


def test_an_instant_ahead_or_before_what_is_kept_is_refused(world: World) -> None:
    for at in (NOW + timedelta(seconds=1), NOW - timedelta(days=45, seconds=1)):
        with pytest.raises(InvalidInputError) as caught:
            the_page(world, at)
        assert [pointer for pointer, _ in caught.value.problems] == ["/query/at"]
    assert the_page(world, NOW - timedelta(days=45)) == ()


def test_an_instant_without_a_zone_is_utc(world: World) -> None:
    world.turn(MPIDS[0], int((NOW - timedelta(hours=2)).timestamp() * 1000))

    assert len(the_page(world, (NOW - timedelta(hours=1)).replace(tzinfo=None))) == 1
    assert len(the_page(world, (NOW - timedelta(hours=3)).replace(tzinfo=None))) == 0


def test_other_accounts_have_no_such_audience(world: World) -> None:
    world.accounts.create(an_account(account_id=OTHER_ACCOUNT))
    for at in (None, NOW):
        with pytest.raises(NotFoundError):
            the_page(world, at, OTHER_ACCOUNT)
    with pytest.raises(NotFoundError):
        history(world.audiences, world.history, OTHER_ACCOUNT, AUDIENCE, None, None, 10)


def test_an_edit_that_takes_over_in_the_middle_of_a_page_is_seen_whole(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for mpid in MPIDS[:4]:
        world.turn(mpid, START)
    read = world.memberships.members

    def overtaken(*asked: Any) -> Page[Membership]:
        monkeypatch.undo()
        world.take_over(MPIDS[3:6])
        return read(*asked)

    monkeypatch.setattr(world.memberships, "members", overtaken)

    assert {each.mpid for each in the_page(world, None)} == set(MPIDS[3:6])


def test_pages_of_two_definitions_are_not_mixed(world: World) -> None:
    for mpid in MPIDS[:4]:
        world.turn(mpid, START)
    first = page(world.stores(), ACCOUNT, AUDIENCE, None, NOW, None, 2)
    assert first.next is not None
    whole = page(world.stores(), ACCOUNT, AUDIENCE, None, NOW, first.next, 9).items
    assert {each.mpid for each in (*first.items, *whole)} == set(MPIDS[:4])

    world.take_over(MPIDS[3:6])

    with pytest.raises(ConflictError, match="first page"):
        page(world.stores(), ACCOUNT, AUDIENCE, None, NOW, first.next, 2)


def test_the_past_is_not_told_while_members_are_being_found(world: World) -> None:
    audience = world.audiences.get(ACCOUNT, AUDIENCE)
    world.audiences.save(audience.model_copy(update={"program_version": 7}))

    with pytest.raises(ConflictError, match="being found"):
        the_page(world, NOW)
    assert the_page(world, None) == ()
    world.jobs.set_backfilled(ACCOUNT, 7)
    assert the_page(world, NOW) == ()


def the_page(
    world: World, at: datetime | None, account_id: AccountId = ACCOUNT
) -> tuple[Membership, ...] | tuple[PastMembership, ...]:
    return page(world.stores(), account_id, AUDIENCE, at, NOW, None, 100).items
