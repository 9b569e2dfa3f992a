"""The nightly audit: finds what is wrong, mends it, tells it, and leaves everything else alone."""

import random
from collections.abc import Callable
from dataclasses import replace

import pytest

from audience_core.domain.event import Environment
from audience_core.domain.ids import NEVER, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Membership, Reason
from audience_core.domain.messages import Reevaluation
from audience_core.domain.profile import Profile, bucket_of
from audience_core.domain.stores import CountStep
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.ingest import MemoryMarkStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.pipeline.programs import Programs
from audience_core.pipeline.reconcile import Findings, Reconciliation, reconcile
from tests.support.population import ACCOUNT, DAY, HOUR, NOW, Population, a_batch, at_least, custom_event, fewer_than

VIEWERS, QUIET = AudienceId(1), AudienceId(2)
MEMBERS = {VIEWERS: 40, QUIET: 40}


class World:
    """Forty users who viewed something, all members of both audiences, with everything derived as it should be."""

    def __init__(self) -> None:
        self.population = Population(at_least(1, "view", days=3), fewer_than(1, "buy"))
        views = [a_batch(n, f"c-{n}", events=[custom_event("view", NOW - HOUR, f"m-{n}")]) for n in range(40)]
        self.population.take(views)
        self.memberships, self.history, self.marks = MemoryMembershipStore(), MemoryHistoryStore(), MemoryMarkStore()
        self.now, self.pauses = NOW + HOUR, 0
        self.meanwhile: Callable[[], None] = lambda: None
        for number, profile in enumerate(self.everybody()):
            for audience_id in profile.memberships:
                self.memberships.apply(ACCOUNT, [Membership(audience_id, profile.mpid, NOW)], [])
                self.count(audience_id, profile.mpid, number, 1)

    def everybody(self) -> list[Profile]:
        return self.population.everybody()

    def count(self, audience_id: AudienceId, mpid: Mpid, sequence: int, adds: int) -> None:
        step = CountStep(bucket_of(mpid), str(sequence), NOW, adds, 0)
        self.memberships.count(ACCOUNT, {audience_id: [step]})

    def spoil(self, profile: Profile, **fields: object) -> None:
        self.population.profiles.save(replace(profile, **fields), NOW)  # type: ignore[arg-type]  # of any field

    def run(self, audiences: int = 10, stretches: int = 2000, night: int = 1) -> Findings:
        of = self.population
        programs = Programs(of.accounts, of.audiences)
        stores = (of.accounts, of.audiences, programs, of.profiles, self.history, self.memberships, self.marks)
        return reconcile(
            Reconciliation(*stores, self.pause, self.pause, lambda: self.now),
            stretches,
            audiences,
            random.Random(night),
        )

    def pause(self) -> None:
        self.pauses += 1
        self.meanwhile()

    def sizes(self) -> dict[AudienceId, int]:
        return {each: self.memberships.counts(ACCOUNT, each, NOW).size for each in (VIEWERS, QUIET)}

    def listed(self, audience_id: AudienceId) -> set[Mpid]:
        return {row.mpid for row in self.memberships.members(ACCOUNT, audience_id, None, 1000).items}


@pytest.fixture
def world() -> World:
    return World()


def test_what_is_right_is_left_alone(world: World) -> None:
    saves = world.population.profiles.saves

    findings = world.run()

    assert findings.profiles > 40
    assert (findings.audiences, findings.repairs, world.pauses) == (2, 0, 0)
    assert (world.population.profiles.saves, world.sizes()) == (saves, MEMBERS)


def test_a_change_that_time_is_about_to_bring_is_no_fault(world: World) -> None:
    world.now = NOW + 5 * DAY

    assert world.run().repairs == 0


def test_a_wrong_membership_is_mended_and_recorded(world: World) -> None:
    ann, bo = world.everybody()[:2]
    world.spoil(ann, memberships={QUIET}, agenda=(), agenda_until=NEVER)
    world.spoil(bo, memberships={VIEWERS, QUIET, AudienceId(9)})

    findings = world.run()

    assert findings.memberships_repaired == 2
    mended = world.population.profiles.load(ACCOUNT, Environment.PRODUCTION, [ann.mpid, bo.mpid])
    assert [profile.memberships for profile in mended.values()] == [{VIEWERS, QUIET}] * 2
    assert [(c.audience_id, c.is_member, c.at, c.reason) for c in mended[ann.mpid].changes] == [
        (VIEWERS, True, NOW + HOUR, Reason.BACKFILL)
    ]
    # The agenda is mended, too: time goes on to be exact.
    world.population.take([Reevaluation(ACCOUNT, ann.mpid)], now=NOW + 4 * DAY)
    assert world.population.profiles.load(ACCOUNT, Environment.PRODUCTION, [ann.mpid])[ann.mpid].memberships == {QUIET}


def test_profiles_of_outdated_definitions_are_left_to_the_backfill(world: World) -> None:
    world.population.activate(at_least(1, "view"))

    assert world.run(audiences=0).memberships_repaired == 0


def test_missing_rows_are_written_with_the_date_that_history_tells(world: World) -> None:
    ann, bo = (profile.mpid for profile in world.everybody()[:2])
    world.history.record(ACCOUNT, [HistoryEntry(VIEWERS, ann, True, NOW - 7, Reason.EVENT, 1)], 90)
    world.memberships.apply(ACCOUNT, [], [(VIEWERS, ann), (VIEWERS, bo)])

    findings = world.run(audiences=0)

    assert (findings.rows_repaired, len(world.listed(VIEWERS))) == (2, 40)
    since = {row.mpid: row.since for row in world.memberships.members(ACCOUNT, VIEWERS, None, 100).items}
    assert (since[ann], since[bo]) == (NOW - 7, NOW + HOUR)


def test_rows_of_those_who_are_no_members_are_deleted(world: World) -> None:
    """Where it looks is drawn by lot: enough nights find them."""
    world.memberships.apply(ACCOUNT, [Membership(VIEWERS, Mpid(n), NOW) for n in range(64)], [])

    deleted = sum(world.run(audiences=2, stretches=0, night=night).rows_repaired for night in range(30))

    assert deleted > 10
    assert len(world.listed(VIEWERS)) == 104 - deleted
    assert world.listed(VIEWERS) > {profile.mpid for profile in world.everybody()}


def test_a_row_that_arrives_during_the_pause_is_no_fault(world: World) -> None:
    ann = world.everybody()[0].mpid
    world.memberships.apply(ACCOUNT, [], [(VIEWERS, ann)])
    world.meanwhile = lambda: world.memberships.apply(ACCOUNT, [Membership(VIEWERS, ann, 5)], [])

    assert world.run(audiences=0).rows_repaired == 0
    assert world.pauses == 1


def test_wrong_sizes_are_corrected(world: World) -> None:
    ann = world.everybody()[0].mpid
    world.count(VIEWERS, ann, 1000, 3)

    findings = world.run(stretches=0)

    assert findings.counts_repaired == 1
    assert world.sizes() == MEMBERS


def test_a_size_that_moves_during_the_pause_is_left_to_another_night(world: World) -> None:
    ann = world.everybody()[0].mpid
    world.count(VIEWERS, ann, 1000, 3)
    world.meanwhile = lambda: world.count(VIEWERS, ann, 1001, 1)

    assert world.run(stretches=0).counts_repaired == 0
    assert world.sizes()[VIEWERS] == 44


def test_a_size_that_is_not_counted_yet_is_left_alone(world: World) -> None:
    mpid = world.everybody()[0].mpid
    entry = HistoryEntry(VIEWERS, mpid, is_member=True, at=NOW, reason=Reason.EVENT, version=9)
    world.history.record(ACCOUNT, [entry], 90)
    world.count(VIEWERS, mpid, 1000, -1)

    assert world.run().counts_repaired == 0
    assert world.sizes()[VIEWERS] == 39

    world.history.log(ACCOUNT, [("1001", entry)], 90)
    world.count(VIEWERS, mpid, 1001, 1)
    assert world.run(night=2).counts_repaired == 0
    assert world.sizes() == MEMBERS


def test_a_size_that_will_never_be_counted_is_corrected(world: World) -> None:
    """The stream has forgotten the record, and its history has not."""
    mpid = world.everybody()[0].mpid
    entry = HistoryEntry(VIEWERS, mpid, is_member=True, at=world.now - 26 * HOUR, reason=Reason.EVENT, version=9)
    world.history.record(ACCOUNT, [entry], 90)
    world.count(VIEWERS, mpid, 1000, -1)

    assert world.run().counts_repaired == 1
    assert world.sizes() == MEMBERS


def test_audiences_take_turns(world: World) -> None:
    ann = world.everybody()[0].mpid
    for audience_id in (VIEWERS, QUIET):
        world.count(audience_id, ann, 1000, 1)

    sizes = []
    for _ in range(2):
        world.run(audiences=1, stretches=0)
        sizes.append(world.sizes())

    assert sizes == [{VIEWERS: 40, QUIET: 41}, MEMBERS]
