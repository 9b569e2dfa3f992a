"""A calculation finds the members that the rules name, whoever dies on the way, and all of them or none."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain import definition as d
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.job import JobState
from audience_core.domain.lifetime import DateRange
from audience_core.domain.profile import Profile, Seen
from audience_core.errors import ConflictError, DamagedShardError, NotOursError, StaleVersionError
from audience_core.management import jobs
from audience_core.management.jobs import JobStores
from audience_core.pipeline import leases, lifetime
from audience_core.pipeline.lifetime_shard import ShardOrder, note_error
from tests.support import oracle
from tests.support.calculations import Office
from tests.support.long_run import examples
from tests.support.worlds import DAY, NOW, portfolios, profiles

ACCOUNT = AccountId(1)
TODAY = datetime.fromtimestamp(NOW / 1000, UTC).date()
slow_to_draw = settings(
    max_examples=examples(60), suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None
)
days = st.integers(-40, 0).map(lambda offset: TODAY + timedelta(days=offset))
ranges = st.one_of(
    st.just(DateRange()),
    st.builds(lambda a, b: DateRange(start=min(a, b), end=max(a, b)), days, days),
    st.builds(lambda a: DateRange(start=a), days),
    st.builds(lambda a: DateRange(end=a), days),
)


class WithLists(oracle.Oracle):
    """Reads membership in other audiences off lists."""

    lists: dict[int, set[Mpid]]

    def _audience_membership(self, node: d.AudienceMembershipCriterion) -> bool:
        return self.profile.mpid in self.lists[node.audience_id]


def by_the_rules(audience: Audience, profile: Profile, lists: dict[int, set[Mpid]]) -> bool:
    if not profile.seen.keys() & set(audience.workspaces):
        return False
    chosen = audience.date_range or DateRange()
    first = date.min if chosen.start is None else chosen.start
    last = date.max if chosen.end is None else chosen.end
    timeline = {
        key: [each for each in track if first <= datetime.fromtimestamp(each.at / 1000, UTC).date() <= last]
        for key, track in profile.timeline.items()
    }
    asked = WithLists(audience, {}, replace(profile, timeline=timeline), NOW, 10_000)
    asked.lists = lists
    return asked.holds(audience.definition.root)


@slow_to_draw
@given(portfolios, st.lists(profiles(), min_size=1, max_size=8), st.sampled_from([1, 4, 128]), st.data())
def test_members_are_those_of_the_rules_in_each_audiences_own_days(
    portfolio: dict[AudienceId, Audience], population: list[Profile], count: int, data: st.DataObject
) -> None:
    for profile in population:
        profile.mpid = Mpid(data.draw(st.integers(-300, 300).filter(bool)))
    users = list({profile.mpid: profile for profile in population}.values())
    if not any(track for profile in users for track in profile.timeline.values()):
        users[0].timeline[d.EventKind.CUSTOM, "other"] = [an_event(1, NOW - DAY, "other")]
    office, (nested, *asked) = Office(ACCOUNT, NOW), portfolio.values()
    listed = set(data.draw(st.lists(st.sampled_from([profile.mpid for profile in users]))))
    office.archive(users, count)
    office.real_time(nested, listed)
    manifest = office.shards.manifest(ACCOUNT)
    assert manifest.first_at is not None
    assert manifest.last_at is not None
    chosen = ranges.filter(lambda each: each.within(lifetime_day(manifest.first_at), lifetime_day(manifest.last_at)))
    drafts = [office.draft(each, date_range=data.draw(chosen)) for each in asked]

    office.calculate(*(each.audience_id for each in drafts))

    for audience in drafts:
        rules = {each.mpid for each in users if by_the_rules(audience, each, {nested.audience_id: listed})}
        found = office.members(audience.audience_id, limit=data.draw(st.sampled_from([1, 3, 1000])))
        assert len(found) == len(set(found))
        assert set(found) == rules
        stored = office.audiences.get(ACCOUNT, audience.audience_id)
        assert stored.result is not None
        assert (stored.status, stored.result.size) == (AudienceStatus.READY, len(rules))


def lifetime_day(at: int | None) -> date:
    assert at is not None
    return min(datetime.fromtimestamp(at / 1000, UTC).date(), TODAY)


# An account of nine users of whom one in three bought, in two shards -----------------------------------------------


def an_event(number: int, at: int, name: str) -> Event:
    return Event(d.EventKind.CUSTOM, name, at, number.to_bytes(8), WorkspaceId("w-a"), InputId("i-1"))


def an_office(**given: Any) -> Office:
    office = Office(ACCOUNT, NOW, **given)
    users = []
    for number in range(1, 10):
        user = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(number))
        user.seen[WorkspaceId("w-a")] = Seen(NOW - 500 * DAY, NOW)
        name = "view" if number % 3 else "buy"
        user.timeline[d.EventKind.CUSTOM, name] = [an_event(number, NOW - 50 * number * DAY, name)]
        users.append(user)
    office.archive(users, 2)
    for place, name in enumerate(("buy", "view"), 1):
        office.draft(did(name, AudienceId(place)))
    return office


def did(name: str, audience_id: AudienceId) -> Audience:
    long_ago = w.WithinLast(duration=w.Duration(amount=5000, unit=w.Unit.DAYS))
    root = d.EventCriterion(event=d.EventSelector(kind=d.EventKind.CUSTOM, name=name), window=long_ago)
    return Audience(
        account_id=ACCOUNT,
        audience_id=audience_id,
        name=name,
        workspaces=("w-a",),
        inputs=("i-1",),
        definition=d.Definition(root=root),
        date_range=DateRange(),
        created_by="test",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        updated_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


BUYERS, VIEWERS = AudienceId(1), AudienceId(2)


def found(office: Office) -> dict[AudienceId, list[Mpid]]:
    return {each: sorted(office.members(each)) for each in (BUYERS, VIEWERS)}


RIGHT = {BUYERS: [3, 6, 9], VIEWERS: [1, 2, 4, 5, 7, 8]}
STEPS = ["scan 0", "scan 1", "finish"]


def statuses(office: Office) -> set[AudienceStatus]:
    return {office.audiences.get(ACCOUNT, each).status for each in (BUYERS, VIEWERS)}


def watch(office: Office) -> JobStores:
    return JobStores(office.jobs, office.audiences, office.workflows)


def test_all_drafts_of_a_run_become_ready_together_for_thirty_days() -> None:
    office = an_office()
    job = office.start([BUYERS, VIEWERS])
    assert statuses(office) == {AudienceStatus.CALCULATING}

    assert list(office.run(job.job_id)) == STEPS

    assert found(office) == RIGHT
    assert statuses(office) == {AudienceStatus.READY}
    assert office.jobs.get(ACCOUNT, job.job_id).state is JobState.SUCCEEDED
    audience = office.audiences.get(ACCOUNT, BUYERS)
    assert audience.status_at(office.clock() + timedelta(days=30) - timedelta(seconds=1)) is AudienceStatus.READY
    assert audience.status_at(office.clock() + timedelta(days=30)) is AudienceStatus.ARCHIVED


def test_days_are_whole_and_include_both_ends() -> None:
    office = an_office()
    day = datetime.fromtimestamp((NOW - 300 * DAY) / 1000, UTC).date()
    office.draft(did("buy", AudienceId(3)), date_range=DateRange(start=day, end=day))
    office.draft(did("buy", AudienceId(4)), date_range=DateRange(start=day + timedelta(days=1)))
    office.draft(did("buy", AudienceId(5)), date_range=DateRange(end=day))

    office.calculate(AudienceId(3), AudienceId(4), AudienceId(5))

    assert [sorted(office.members(AudienceId(each))) for each in (3, 4, 5)] == [[6], [3], [6, 9]]


@pytest.mark.parametrize("count", [1, 2, 64, 128])
def test_membership_in_another_audience_is_read_from_its_list_in_every_shard(count: int) -> None:
    office, mpids = Office(ACCOUNT, NOW), [Mpid(each) for each in (-3, -2, 5, 6, 69, 70, 133, 2**62)]
    office.archive([a_buyer(mpid) for mpid in mpids], count)
    office.real_time(did("view", AudienceId(3)), [*mpids[::2], Mpid(197)])
    nested = d.AudienceMembershipCriterion(audience_id=3)
    office.draft(did("buy", BUYERS).model_copy(update={"definition": d.Definition(root=nested)}))
    office.draft(did("buy", VIEWERS).model_copy(update={"definition": d.Definition(root=d.Not(criterion=nested))}))

    office.calculate(BUYERS, VIEWERS)

    assert found(office) == {BUYERS: sorted(mpids[::2]), VIEWERS: sorted(mpids[1::2])}


def a_buyer(mpid: Mpid) -> Profile:
    user = Profile(ACCOUNT, Environment.PRODUCTION, mpid)
    user.seen[WorkspaceId("w-a")] = Seen(NOW - DAY, NOW)
    user.timeline[d.EventKind.CUSTOM, "buy"] = [an_event(1, NOW - DAY, "buy")]
    return user


def test_progress_is_by_the_events_that_were_read() -> None:
    office = an_office()
    job = office.start([BUYERS])
    progress = []

    for _ in office.run(job.job_id):
        report = jobs.calculation(watch(office), ACCOUNT, job.job_id, office.clock())
        progress.append((round(report.progress, 2), sum(each.looked_at for each in report.steps)))

    assert progress == [(0.0, 0), (0.44, 4), (1.0, 9)]


@pytest.mark.parametrize("at", range(len(STEPS)))
def test_after_a_crash_another_run_goes_on_with_the_shards_that_are_left(at: int) -> None:
    office = an_office()
    job = office.start([BUYERS, VIEWERS])
    crashed = office.run(job.job_id)
    for _ in range(at + 1):
        next(crashed)
    before = [part.token for part in office.jobs.parts(ACCOUNT, job.job_id)]
    office.now += lifetime.LEASE_MS + 1

    jobs.restart(watch(office), ACCOUNT, job.job_id, office.clock())
    assert list(office.run(job.job_id, "again", token=2)) == STEPS

    assert len(before) == at
    assert found(office) == RIGHT
    assert office.workflows.started == ["1-lifetime-1", "1-lifetime-1-again-2"]


@pytest.mark.parametrize("at", range(len(STEPS)))
def test_a_worker_that_slept_while_another_run_took_over_does_no_harm(at: int) -> None:
    office = an_office()
    job = office.start([BUYERS, VIEWERS])
    sleeper = office.run(job.job_id)
    for _ in range(at + 1):
        next(sleeper)
    office.now += lifetime.LEASE_MS + 1
    list(office.run(job.job_id, "another run"))

    with pytest.raises((NotOursError, StaleVersionError)):
        list(sleeper)

    assert found(office) == RIGHT


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "longer": lambda content: content + b"rust",
    "a page": lambda content: content[:40] + bytes([content[40] ^ 1]) + content[41:],
    "unreadable": lambda content: content[:-1] + b"?",
}


def damaged(office: Office, damage: str = "longer") -> str:
    """Damage the second shard of the archive; its folder."""
    folder = office.shards.manifest(ACCOUNT).shards[1].folder
    files = office.shards.files[ACCOUNT, folder]
    files["events.parquet"] = DAMAGES[damage](files["events.parquet"])
    return folder


def fail(office: Office, job_id: str) -> None:
    """Run it as the state machine does until it fails."""
    with pytest.raises(DamagedShardError) as raised:
        list(office.run(job_id))
    note_error(office.stores(), ShardOrder(ACCOUNT, job_id, 1, 1), str(raised.value))
    error = leases.explained(office.jobs, ACCOUNT, job_id, "States.ExceedToleratedFailureThreshold")
    leases.fail(office.jobs, ACCOUNT, job_id, "run", error, office.clock())


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_shard_stops_the_run_with_its_name_and_can_be_mended(damage: str) -> None:
    office = an_office()
    before = dict(office.shards.files[ACCOUNT, office.shards.manifest(ACCOUNT).shards[1].folder])
    folder = damaged(office, damage)
    job = office.start([BUYERS, VIEWERS])

    fail(office, job.job_id)

    failed = office.jobs.get(ACCOUNT, job.job_id)
    assert failed.state is JobState.FAILED
    assert f"shard 1: {folder}/events.parquet is not as it was written" in failed.error
    assert statuses(office) == {AudienceStatus.CALCULATING}
    office.shards.files[ACCOUNT, folder] = before
    jobs.restart(watch(office), ACCOUNT, job.job_id, office.clock())
    list(office.run(job.job_id, "again", token=2))
    assert found(office) == RIGHT


def test_a_failed_recalculation_leaves_the_previous_result_and_can_be_given_up() -> None:
    office = an_office(lifetime_credits=4)
    office.calculate(BUYERS, VIEWERS)
    result = office.audiences.get(ACCOUNT, BUYERS).result
    damaged(office)
    job = office.start([BUYERS])
    fail(office, job.job_id)
    assert found(office) == RIGHT
    assert office.audiences.get(ACCOUNT, BUYERS).status is AudienceStatus.CALCULATING

    for _ in range(2):
        report = jobs.cancel(watch(office), ACCOUNT, job.job_id, office.clock())

    assert report.state is JobState.CANCELLED
    assert statuses(office) == {AudienceStatus.READY}
    assert office.audiences.get(ACCOUNT, BUYERS).result == result
    assert office.jobs.credit_book(ACCOUNT).used(office.clock() - timedelta(days=1)) == 2


def test_what_is_cancelled_is_a_draft_again_and_its_workers_stop() -> None:
    office = an_office()
    job = office.start([BUYERS, VIEWERS])
    run = office.run(job.job_id)
    next(run)

    jobs.cancel(watch(office), ACCOUNT, job.job_id, office.clock())

    with pytest.raises(NotOursError):
        next(run)
    assert statuses(office) == {AudienceStatus.DRAFT}
    assert office.jobs.credit_book(ACCOUNT).uses == ()


def test_of_two_calculations_begun_at_once_one_is_refused_and_costs_nothing() -> None:
    office = an_office()
    save_all = office.audiences.save_all

    def overtaken(audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        """Somebody else begins one between the look at the audiences and the write."""
        office.audiences.save_all = save_all  # type: ignore[method-assign]  # as it was
        office.start([BUYERS])
        return save_all(audiences)

    office.audiences.save_all = overtaken  # type: ignore[method-assign]  # the change happens between two calls
    with pytest.raises(ConflictError, match="try again"):
        office.start([VIEWERS, BUYERS])

    states = {job.job_id: job.state for job in office.jobs.list(ACCOUNT)}
    assert states == {"lifetime-1": JobState.CANCELLED, "lifetime-2": JobState.QUEUED}
    assert [use.calculation_id for use in office.jobs.credit_book(ACCOUNT).uses] == ["lifetime-2"]
    assert office.workflows.started == ["1-lifetime-2"]
    assert office.audiences.get(ACCOUNT, VIEWERS).status is AudienceStatus.DRAFT
    list(office.run("lifetime-2"))
    assert sorted(office.members(BUYERS)) == RIGHT[BUYERS]


def test_a_change_of_name_while_it_is_calculated_stays() -> None:
    office = an_office()
    job = office.start([BUYERS, VIEWERS])
    for step in office.run(job.job_id):
        if step == "finish":
            audience = office.audiences.get(ACCOUNT, BUYERS)
            office.audiences.save(audience.model_copy(update={"name": "Shoppers"}))

    assert office.audiences.get(ACCOUNT, BUYERS).name == "Shoppers"
    assert found(office) == RIGHT


def test_a_run_reads_the_archive_and_the_definitions_as_they_were_when_it_began() -> None:
    office = an_office()
    job = office.start([BUYERS, VIEWERS])
    run = office.run(job.job_id)
    next(run)
    office.archive([], 1)

    list(run)

    assert found(office) == RIGHT


def test_the_same_run_started_twice_is_one() -> None:
    office = an_office()
    job = office.start([BUYERS])
    first = office.run(job.job_id)
    next(first)

    assert list(office.run(job.job_id, "another run")) == []
    list(first)
    assert list(office.run(job.job_id, "run")) == []
