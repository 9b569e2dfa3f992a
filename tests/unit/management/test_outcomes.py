"""Outcomes against brute force: every user asked at every instant of the period, by the naive evaluator."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain import definition as d
from audience_core.domain import windows as w
from audience_core.domain.ab_test import Measurement, Outcome, variant_of
from audience_core.domain.audience import AudienceStatus, FormerSet
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.membership import Membership, MembershipChange, Reason
from audience_core.domain.profile import BUCKETS, Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.domain.profile_change import ProfileChange
from audience_core.domain.value_tests import NumberOperator, NumberTest
from audience_core.errors import NotOursError
from audience_core.management import outcome_runs, outcomes
from audience_core.management.outcomes import added
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.jobs import MemoryJobStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.pipeline.fan_out import _update_members
from audience_core.pipeline.history import changes_between, record
from tests.support.ab_tests import a_measurement, an_ab_test
from tests.support.control import ACCOUNT, AUDIENCE, INPUT, WORKSPACE, an_account, an_audience
from tests.support.long_run import examples
from tests.support.oracle import Oracle
from tests.support.population import at_least, fewer_than, tier_is

MINUTE = 60_000
# Everything happens at whole minutes; the period begins with minute 20 and ends before minute 50.
T0 = 1_795_521_600_000
FIRST, END, LAST = 20, 50, 70
TEST = an_ab_test(30, 20)


def minutes(amount: int) -> w.WithinLast:
    return w.WithinLast(duration=w.Duration(amount=amount, unit=w.Unit.MINUTES))


def bought(times: int = 1, window: w.Window = w.LAST_30_DAYS) -> d.EventCriterion:
    frequency = d.Compare(operator=NumberOperator.GREATER_OR_EQUAL, value=times)
    return d.EventCriterion(event=selector("buy"), window=window, frequency=frequency)


def selector(name: str) -> d.EventSelector:
    return d.EventSelector(kind=d.EventKind.CUSTOM, name=name)


CRITERIA: Sequence[d.Criterion] = (
    bought(),
    bought(2),
    bought(2, minutes(3)),
    bought(1, w.BetweenAgo(older=minutes(9).duration, newer=minutes(4).duration)),
    d.AllOf(criteria=(bought(), at_least(1, "view"))),
    d.AllOf(criteria=(bought(1, minutes(2)), d.Not(criterion=at_least(1, "view")))),
    d.AnyOf(criteria=(bought(3), tier_is("gold"))),
    d.SequenceCriterion(steps=(selector("view"), selector("buy")), within=minutes(5).duration),
    d.AggregateCriterion(
        event=selector("buy"),
        function=d.AggregateFunction.SUM,
        attribute="total",
        test=NumberTest(operator=NumberOperator.GREATER_OR_EQUAL, value=30),
    ),
    d.OccurrenceCriterion(event=selector("buy"), which=d.Occurrence.LAST, window=minutes(1)),
    d.AllOf(criteria=(fewer_than(2, "view"), bought())),
    tier_is("gold"),
)


@dataclass(frozen=True)
class User:
    """Args:
    turns: minutes at which the user joins, leaves, joins again and so on, ascending.
    events: (minute, name, total).
    """

    mpid: Mpid
    turns: tuple[int, ...] = ()
    events: tuple[tuple[int, str, int], ...] = ()
    tier: str = ""
    is_removed: bool = False

    def is_member(self, minute: int) -> bool:
        return sum(turn <= minute for turn in self.turns) % 2 == 1

    def profile(self) -> Profile:
        profile = Profile(ACCOUNT, Environment.PRODUCTION, self.mpid)
        profile.seen = {WORKSPACE: Seen(T0, T0)}
        for number, (minute, name, total) in enumerate(sorted(self.events)):
            event = Event(d.EventKind.CUSTOM, name, at(minute), number.to_bytes(8), WORKSPACE, INPUT, {"total": total})
            profile.timeline.setdefault((event.kind, event.name), []).append(event)
        if self.tier:
            profile.registers[RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, "tier")] = Register(self.tier, T0)
        return profile


def at(minute: int) -> int:
    return T0 + minute * MINUTE


def instant(minute: int) -> datetime:
    return datetime.fromtimestamp(at(minute) / 1000, UTC)


def measuring(root: d.Criterion = CRITERIA[0]) -> Measurement:
    """The period of these tests."""
    return a_measurement(root, start=instant(FIRST), end=instant(END))


@dataclass
class World:
    """An audience whose members' comings and goings went through the fan-out, and a job that counts outcomes."""

    accounts: MemoryAccountStore = field(default_factory=MemoryAccountStore)
    audiences: MemoryAudienceStore = field(default_factory=MemoryAudienceStore)
    memberships: MemoryMembershipStore = field(default_factory=MemoryMembershipStore)
    history: MemoryHistoryStore = field(default_factory=MemoryHistoryStore)
    profiles: MemoryProfileStore = field(default_factory=MemoryProfileStore)
    jobs: MemoryJobStore = field(default_factory=MemoryJobStore)

    def __post_init__(self) -> None:
        self.accounts.create(an_account())
        self.audiences.save(an_audience(status=AudienceStatus.ACTIVE, ab_test=TEST))

    def add(self, users: Sequence[User]) -> None:
        numbers = count(1)
        for user in users:
            old = None
            for turn in user.turns:
                new = Profile(ACCOUNT, Environment.PRODUCTION, user.mpid, next(numbers) * 2)
                new.memberships = set() if old and old.memberships else {AUDIENCE}
                new.changes = (MembershipChange(AUDIENCE, bool(new.memberships), at(turn), Reason.EVENT),)
                self._fan_out(ProfileChange(old, new, str(next(numbers)), at(turn)))
                old = new
            if user.is_removed and old:
                self._fan_out(ProfileChange(old, None, str(next(numbers)), at(LAST)))
            elif not user.is_removed:
                self.profiles.save(user.profile(), T0)

    def _fan_out(self, change: ProfileChange) -> None:
        record(self.history, self.accounts, ACCOUNT, changes_between(change.old, change.new, change.at))
        _update_members(self.memberships, ACCOUNT, [change])

    def begin(self, measurement: Measurement, run: str = "run-1") -> Job:
        job = Job(
            account_id=ACCOUNT,
            job_id="outcomes-1",
            kind=JobKind.AB_TEST_OUTCOMES,
            state=JobState.QUEUED,
            target=AUDIENCE,
            lease_until=at(LAST) + 1,
            created_at=instant(LAST),
            request=measurement.model_dump(mode="json"),
        )
        self.jobs.save(job)
        outcome_runs.begin(self.jobs, ACCOUNT, "outcomes-1", run, instant(LAST))
        return self.jobs.get(ACCOUNT, "outcomes-1")

    def count(self, bucket: int, token: int = 1) -> bool:
        """One page."""
        return outcome_runs.count(self, ACCOUNT, "outcomes-1", token, bucket, lambda: at(LAST), at(LAST))

    def outcomes(self) -> dict[AudienceId, tuple[int, int]]:
        found: tuple[Outcome, ...] = ()
        for part in self.jobs.parts(ACCOUNT, "outcomes-1"):
            found = added(found, part.outcomes)
        return {each.variant: (each.users, each.converted) for each in found}

    def measured(self, measurement: Measurement) -> dict[AudienceId, tuple[int, int]]:
        self.begin(measurement)
        for bucket in range(BUCKETS):
            while not self.count(bucket):
                pass
        return self.outcomes()


def brute_force(users: Sequence[User], measurement: Measurement) -> dict[AudienceId, tuple[int, int]]:
    found: dict[AudienceId, tuple[int, int]] = {}
    for user in users:
        inside = [minute for minute in range(FIRST, END) if user.is_member(minute)]
        if not inside or user.is_removed:
            continue
        variant = variant_of(TEST.variants, user.mpid).audience_id
        users_so_far, converted = found.get(variant, (0, 0))
        found[variant] = (users_so_far + 1, converted + holds_ever(user, measurement, inside[0]))
    return found


def holds_ever(user: User, measurement: Measurement, since: int) -> bool:
    """Windows are whole minutes, both ends included: so answers turn at a whole minute, or a millisecond after it."""
    whole = user.profile()
    tracks = {key: [event for event in track if event.at >= at(since)] for key, track in whole.timeline.items()}
    audience = an_audience(definition=measurement.criterion)
    instants = [at(minute) + late for minute in range(since, END) for late in (0, 1)]
    return any(
        Oracle(audience, {}, replace(whole, timeline=tracks), now, 30).holds(measurement.criterion.root)
        for now in instants
    )


users = st.builds(
    User,
    mpid=st.integers(-200, 200).map(Mpid),
    turns=st.lists(st.integers(0, LAST - 1), max_size=4, unique=True).map(lambda found: tuple(sorted(found))),
    events=st.lists(
        st.tuples(st.integers(0, LAST), st.sampled_from(["buy", "view"]), st.integers(5, 20)), max_size=6
    ).map(tuple),
    tier=st.sampled_from(["", "", "gold", "silver"]),
    is_removed=st.sampled_from([False, False, False, True]),
)


@given(st.lists(users, max_size=12, unique_by=lambda user: user.mpid), st.sampled_from(CRITERIA))
@settings(max_examples=examples(400), deadline=None)
def test_outcomes_are_those_of_brute_force(people: list[User], root: d.Criterion) -> None:
    world, measurement = World(), measuring(root)
    world.add(people)

    assert world.measured(measurement) == brute_force(people, measurement)


@pytest.fixture
def pages_of_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outcomes, "PAGE", 2)


def a_crowd() -> list[User]:
    """Some of them in one bucket, members from minute 10 or 30 on, every other one a buyer at minute 40."""
    mpids = [Mpid(64 * number) for number in range(-20, 20)] + [Mpid(number) for number in range(1, 60)]
    return [
        User(m, turns=(10 if m % 3 else 30,), events=((40, "buy", 9),) if n % 2 else ()) for n, m in enumerate(mpids)
    ]


@pytest.mark.usefixtures("pages_of_two")
def test_pages_add_up_to_the_whole() -> None:
    world, people = World(), a_crowd()
    world.add(people)

    assert world.measured(measuring()) == brute_force(people, measuring())
    (busy,) = [part for part in world.jobs.parts(ACCOUNT, "outcomes-1") if part.bucket == 0]
    assert (busy.looked_at, busy.progress, busy.is_done) == (40, 1.0, True)


@pytest.mark.usefixtures("pages_of_two")
def test_a_bucket_that_was_left_is_gone_on_with_and_counted_once() -> None:
    """The second worker claims the part; what the first one still has in hand is refused."""
    world, people = World(), a_crowd()
    world.add(people)
    world.begin(measuring())

    for bucket in range(BUCKETS):
        for _ in range(3):
            world.count(bucket)
    halfway = sum(users for users, _ in world.outcomes().values())
    for bucket in [*range(BUCKETS), *range(BUCKETS)]:
        while not world.count(bucket):
            pass

    assert 0 < halfway < len(people)
    assert world.outcomes() == brute_force(people, measuring())


def test_an_edit_that_takes_over_between_two_looks_at_the_list_loses_nobody() -> None:
    """The list of the former definition is deleted once the new one is live."""
    world, people = World(), [User(Mpid(64 * number), turns=(10,)) for number in range(1, 6)]
    world.add(people)
    world.begin(measuring())
    fresh, reads = AudienceId(900), count()

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            if name == "bucket_members" and next(reads) == 0:
                lists.apply(ACCOUNT, [Membership(fresh, user.mpid, at(60)) for user in people], [])
                stored = world.audiences.get(ACCOUNT, AUDIENCE)
                former = FormerSet(member_set=AUDIENCE, live_from=0, live_until=2)
                changes = {"member_set": fresh, "live_from": 2, "former_sets": (former,)}
                world.audiences.save(stored.model_copy(update=changes))
                lists.forget(ACCOUNT, AUDIENCE, 0)
            return getattr(lists, name)

    overtaken: Any = Overtaken()
    lists, world.memberships = world.memberships, overtaken
    world.count(0)

    assert sum(users for users, _ in world.outcomes().values()) == len(people)


def test_a_cancelled_job_stops_at_the_next_page() -> None:
    world = World()
    world.add(a_crowd())
    job = world.begin(measuring())
    world.jobs.save(job.model_copy(update={"state": JobState.CANCELLED}))

    with pytest.raises(NotOursError):
        world.count(0)

    assert world.outcomes() == {}


def test_a_job_is_one_runs_at_a_time_and_its_workers_are_known_by_their_token() -> None:
    world = World()
    job = world.begin(measuring())

    assert outcome_runs.begin(world.jobs, ACCOUNT, job.job_id, "run-1", instant(LAST)) == 1
    with pytest.raises(NotOursError):
        outcome_runs.begin(world.jobs, ACCOUNT, job.job_id, "run-2", instant(LAST))
    with pytest.raises(NotOursError):
        world.count(0, token=2)
    # Nobody has heard of the first run for an hour: another takes over, and it is fenced off.
    assert outcome_runs.begin(world.jobs, ACCOUNT, job.job_id, "run-2", instant(LAST + 60)) == 2
    with pytest.raises(NotOursError):
        world.count(0, token=1)


@pytest.mark.parametrize(("run", "state"), [("run-1", JobState.FAILED), ("run-2", JobState.RUNNING)])
def test_only_its_own_run_ends_a_job(run: str, state: JobState) -> None:
    world = World()
    job = world.begin(measuring())

    outcome_runs.end(world.jobs, ACCOUNT, job.job_id, run, JobState.FAILED, "Sandbox.Timedout", instant(LAST))

    ended = world.jobs.get(ACCOUNT, job.job_id)
    assert (ended.state, ended.error) == (state, "Sandbox.Timedout" if state is JobState.FAILED else "")
