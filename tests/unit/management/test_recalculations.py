"""Lifetime audiences that are calculated anew by themselves: when, at what price, and what stands in the way."""

from datetime import timedelta

import pytest

from audience_core.domain import definition as d
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.job import JobState
from audience_core.domain.lifetime import DateRange, Recalculation
from audience_core.domain.profile import Profile, Seen
from audience_core.errors import ConflictError
from audience_core.management import jobs
from audience_core.management.calculations import CalculationStores
from audience_core.management.jobs import JobStores
from audience_core.management.recalculations import recalculate_due
from audience_core.pipeline import leases, lifetime
from tests.support.calculations import Office
from tests.support.control import NOW, PLAYED, an_audience

ACCOUNT = AccountId(7)
WEEKLY = Recalculation(every_days=7)
ONE, TWO, THREE = (AudienceId(each) for each in (1, 2, 3))
DAY = timedelta(days=1)


def an_office(*audiences: AudienceId, lifetime_credits: int = 1000, **given: object) -> Office:
    """With weekly audiences, calculated just now."""
    office = Office(ACCOUNT, int(NOW.timestamp() * 1000), lifetime_credits)
    user = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(5))
    user.seen[WorkspaceId("w-000000000001")] = Seen(0, office.now)
    event = Event(
        d.EventKind.CUSTOM, "Play Video", office.now - 1000, b"12345678", WorkspaceId("w-000000000001"), INPUT
    )
    user.timeline[d.EventKind.CUSTOM, "Play Video"] = [event]
    office.archive([user])
    for each in audiences:
        office.draft(an_audience(audience_id=each, date_range=DateRange(), recalculation=WEEKLY), **given)
    office.calculate(*audiences)
    return office


INPUT = InputId("i-000000000001")


def night(office: Office, after: timedelta) -> list[str]:
    """The jobs that a look so long from now begins."""
    office.now += int(after.total_seconds() * 1000)
    stores = CalculationStores(office.accounts, office.audiences, office.shards, office.jobs, office.workflows)
    return [job.job_id for job in recalculate_due(stores, office.accounts.all(), office.clock())]


def audience(office: Office, audience_id: AudienceId = ONE) -> Audience:
    return office.audiences.get(ACCOUNT, audience_id)


def test_it_begins_in_the_night_after_so_many_days_and_once() -> None:
    office = an_office(ONE)

    assert night(office, 6 * DAY) == []
    assert night(office, DAY - timedelta(hours=11)) == ["lifetime-2"]  # 23 hours before the week is over
    assert night(office, timedelta(minutes=1)) == []
    assert audience(office).status is AudienceStatus.CALCULATING
    list(office.run("lifetime-2"))
    assert night(office, 6 * DAY) == []
    assert night(office, DAY) == ["lifetime-3"]


def test_all_that_is_due_is_one_scan_for_the_credits_of_one() -> None:
    office = an_office(ONE, TWO)
    before = office.jobs.credit_book(ACCOUNT).used(office.clock() - DAY)

    assert night(office, 7 * DAY) == ["lifetime-2"]

    job = office.jobs.get(ACCOUNT, "lifetime-2")
    assert job.request["audience_ids"] == [ONE, TWO]
    assert job.request["created_by"] == "schedule"
    assert office.jobs.credit_book(ACCOUNT).used(office.clock() - 30 * DAY) == before + 1


@pytest.mark.parametrize("recalculation", [None, Recalculation(every_days=None)])
def test_nothing_begins_without_a_schedule(recalculation: Recalculation | None) -> None:
    office = an_office(ONE)
    office.audiences.save(audience(office).model_copy(update={"recalculation": recalculation}))

    assert night(office, 7 * DAY) == []


def test_drafts_and_archived_audiences_are_left_alone() -> None:
    office = an_office(ONE, TWO)
    office.draft(an_audience(audience_id=THREE, date_range=DateRange(), recalculation=WEEKLY))
    office.audiences.save(audience(office, TWO).model_copy(update={"status": AudienceStatus.ARCHIVED}))

    assert night(office, 31 * DAY) == []


def test_exhausted_credits_are_told_on_the_audience_and_the_result_stays() -> None:
    office = an_office(ONE, lifetime_credits=1)
    result = audience(office).result

    assert night(office, 7 * DAY) == []

    assert audience(office).recalculation_problem == "this takes 1 credits, and 0 of 1 are left for 365 days"
    assert (audience(office).status, audience(office).result) == (AudienceStatus.READY, result)


def test_one_that_cannot_be_calculated_does_not_stand_in_the_way_of_others() -> None:
    office = an_office(ONE, TWO)
    nested = d.Definition(root=d.AudienceMembershipCriterion(audience_id=THREE))
    office.audiences.save(an_audience(audience_id=THREE, definition=PLAYED))
    office.audiences.save(audience(office).model_copy(update={"definition": nested}))

    assert night(office, 7 * DAY) == ["lifetime-2"]

    assert office.jobs.get(ACCOUNT, "lifetime-2").request["audience_ids"] == [TWO]
    assert "activate that first" in audience(office).recalculation_problem
    assert audience(office, TWO).recalculation_problem == ""


def test_a_problem_is_over_when_it_is_begun() -> None:
    office = an_office(ONE)
    office.audiences.save(audience(office).model_copy(update={"recalculation_problem": "no credits"}))

    night(office, 7 * DAY)

    assert audience(office).recalculation_problem == ""


def test_a_night_that_failed_is_given_up_and_begun_anew_but_not_what_somebody_began() -> None:
    office = an_office(ONE, TWO)
    assert night(office, 7 * DAY) == ["lifetime-2"]
    leases.fail(office.jobs, ACCOUNT, "lifetime-2", "", "a damaged shard", office.clock())

    assert night(office, DAY) == ["lifetime-3"]
    assert office.jobs.get(ACCOUNT, "lifetime-2").state is JobState.CANCELLED
    list(office.run("lifetime-3"))

    mine = office.start([ONE])
    office.now += lifetime.LEASE_MS + 1
    assert night(office, 8 * DAY) == ["lifetime-5"]
    assert office.jobs.get(ACCOUNT, mine.job_id).state is JobState.QUEUED
    assert office.jobs.get(ACCOUNT, "lifetime-5").request["audience_ids"] == [TWO]


class DiedError(Exception):
    """The function is no more."""


@pytest.mark.parametrize("call", ["save_all", "start_lifetime_calculation"])
def test_what_an_attempt_left_is_started_or_given_up(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    office = an_office(ONE, lifetime_credits=2)
    before = office.jobs.credit_book(ACCOUNT).used(office.clock() - DAY)

    def die(*arguments: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(office.audiences if call == "save_all" else office.workflows, call, die)
        with pytest.raises(DiedError):
            night(office, 7 * DAY)

    begun = night(office, timedelta(minutes=1))

    last = "lifetime-3" if call == "save_all" else "lifetime-2"
    assert begun == (["lifetime-3"] if call == "save_all" else [])
    assert audience(office).calculation_id == last
    assert f"{ACCOUNT}-{last}" in office.workflows.started
    list(office.run(last))
    assert night(office, DAY) == []
    assert office.jobs.credit_book(ACCOUNT).used(office.clock() - 30 * DAY) == before + 1


@pytest.mark.parametrize(("store", "call"), [("jobs", "save_credit_book"), ("audiences", "save")])
def test_giving_up_that_broke_off_is_brought_to_its_end(store: str, call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    office = an_office(ONE)
    before = office.jobs.credit_book(ACCOUNT).used(office.clock() - DAY)
    night(office, 7 * DAY)
    leases.fail(office.jobs, ACCOUNT, "lifetime-2", "", "a damaged shard", office.clock())

    def die(*arguments: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(getattr(office, store), call, die)
        with pytest.raises(DiedError):
            night(office, DAY)

    assert night(office, timedelta(minutes=1)) == ["lifetime-3"]
    assert office.jobs.credit_book(ACCOUNT).used(office.clock() - 30 * DAY) == before + 1


def test_credits_of_a_calculation_that_never_was_come_back_whoever_began_it(monkeypatch: pytest.MonkeyPatch) -> None:
    office = an_office(ONE)
    before = office.jobs.credit_book(ACCOUNT).uses

    def die(*arguments: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(office.audiences, "save_all", die)
        with pytest.raises(DiedError):
            office.start([ONE])
    assert night(office, timedelta(minutes=1)) == []
    assert len(office.jobs.credit_book(ACCOUNT).uses) == 2

    night(office, timedelta(hours=20))

    assert office.jobs.credit_book(ACCOUNT).uses == before
    assert office.jobs.get(ACCOUNT, "lifetime-2").state is JobState.CANCELLED


def test_what_failed_after_its_result_was_there_is_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    office = an_office(ONE)
    (begun,) = night(office, 7 * DAY)

    def die(*arguments: object) -> None:
        raise DiedError

    with monkeypatch.context() as patch:
        patch.setattr(leases, "end", die)
        with pytest.raises(DiedError):
            list(office.run(begun))
    leases.fail(office.jobs, ACCOUNT, begun, "run", "it died", office.clock())
    uses = office.jobs.credit_book(ACCOUNT).uses

    assert night(office, DAY) == []

    assert (audience(office).status, office.jobs.get(ACCOUNT, begun).error) == (AudienceStatus.READY, "it died")
    assert office.jobs.credit_book(ACCOUNT).uses == uses


def test_a_calculation_that_cannot_be_settled_keeps_nobody_else_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    office = an_office(ONE, TWO)
    night(office, 7 * DAY)
    leases.fail(office.jobs, ACCOUNT, "lifetime-2", "", "a damaged shard", office.clock())
    office.draft(an_audience(audience_id=THREE, date_range=DateRange(), recalculation=WEEKLY))
    office.calculate(THREE)

    def refuse(*arguments: object) -> None:
        raise ConflictError("the account's credits are being changed: try again")

    with monkeypatch.context() as patch:
        patch.setattr(jobs, "cancel", refuse)
        assert night(office, 7 * DAY) == ["lifetime-4"]

    assert office.jobs.get(ACCOUNT, "lifetime-4").request["audience_ids"] == [THREE]


def test_a_calculation_that_nobody_waits_for_is_not_started_again() -> None:
    office = an_office(ONE)
    job, of = office.start([ONE]), JobStores(office.jobs, office.audiences, office.workflows)
    leases.fail(office.jobs, ACCOUNT, job.job_id, "", "a damaged shard", office.clock())
    assert jobs.get(of, ACCOUNT, job.job_id, office.clock()).can_restart

    office.audiences.save(audience(office).model_copy(update={"status": AudienceStatus.DRAFT}))

    listed, _ = jobs.list_all(of, ACCOUNT, office.clock())
    assert (listed.job.job_id, listed.can_restart) == (job.job_id, False)
    with pytest.raises(ConflictError, match="no audience waits"):
        jobs.restart(of, ACCOUNT, job.job_id, office.clock())


def test_accounts_without_lifetime_audiences_are_not_looked_at() -> None:
    office = an_office(ONE)
    account = office.accounts.get(ACCOUNT).model_copy(update={"has_lifetime_audiences": False})
    stores = CalculationStores(office.accounts, office.audiences, office.shards, office.jobs, office.workflows)
    office.now += 7 * 86_400_000

    assert recalculate_due(stores, [account], office.clock()) == []
