"""What may be measured, and how variants are put side by side."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from audience_core.domain.ab_test import AbTest, Measurement, Outcome
from audience_core.domain.ids import AccountId
from audience_core.domain.job import Job, JobKind, JobState, JobStep, Part
from audience_core.errors import InvalidInputError, NotFoundError
from audience_core.management import jobs, measurements
from audience_core.management.intervals import Rate, of_difference, of_rate, of_ratio
from audience_core.management.measurements import NewMeasurement, Verdict, compare
from audience_core.persistence.memory.control import (
    MemoryAccountStore,
    MemoryAudienceStore,
    MemoryWorkflows,
    MemoryWorkspaceStore,
)
from audience_core.persistence.memory.jobs import MemoryJobStore
from tests.support.ab_tests import a_measurement, an_ab_test
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    INPUT,
    NOW,
    OTHER_ACCOUNT,
    WORKSPACE,
    a_workspace,
    an_account,
    an_audience,
    an_input,
)

BOUGHT = {"root": {"type": "event", "event": {"kind": "commerce_event", "name": "purchase"}}}
BEGUN = NOW - timedelta(days=10)
HOUR = timedelta(hours=1)


class World:
    """An account whose audience was split ten days ago."""

    def __init__(self, begun: datetime = BEGUN, **of_account: Any) -> None:
        self.accounts, self.audiences = MemoryAccountStore(), MemoryAudienceStore()
        self.workspaces, self.jobs, self.workflows = MemoryWorkspaceStore(), MemoryJobStore(), MemoryWorkflows()
        self.accounts.create(an_account(**of_account))
        self.workspaces.save(a_workspace())
        self.workspaces.save_input(an_input())
        self.test: AbTest = an_ab_test(30, 20).model_copy(update={"created_at": begun})
        self.audiences.save(an_audience(ab_test=self.test))

    def start(self, **given: Any) -> Job:
        new = NewMeasurement.model_validate({"criterion": BOUGHT} | given)
        stores = self.accounts, self.audiences, self.workspaces, self.jobs, self.workflows
        return measurements.start(*stores, ACCOUNT, AUDIENCE, new, NOW)

    def refused(self, **given: Any) -> list[str]:
        with pytest.raises(InvalidInputError) as refused:
            self.start(**given)
        assert self.jobs.list(ACCOUNT) == ()
        return [where for where, _ in refused.value.problems]

    def job_stores(self) -> jobs.JobStores:
        return jobs.JobStores(self.jobs, self.audiences, self.workflows)


def asked(job: Job) -> Measurement:
    return Measurement.model_validate(job.request)


def test_by_default_all_that_is_known_since_the_test_began_is_compared_with_control() -> None:
    world = World()

    job = world.start()

    found = asked(job)
    assert (found.start, found.end) == (BEGUN, NOW)
    assert (found.workspaces, found.inputs) == ((WORKSPACE,), (INPUT,))
    assert (found.variants, found.baseline) == (world.test.variants, world.test.control.audience_id)
    assert (job.kind, job.state) == (JobKind.AB_TEST_OUTCOMES, JobState.QUEUED)
    assert world.jobs.get(ACCOUNT, job.job_id) == job
    assert world.workflows.started == [f"{ACCOUNT}-{job.job_id}-1"]


@pytest.mark.parametrize("limits", [{"look_back_days": 30}, {"look_back_days": 60, "history_retention_days": 30}])
def test_an_old_test_is_measured_as_far_back_as_events_and_history_go(limits: dict[str, int]) -> None:
    job = World(NOW - timedelta(days=50), **limits).start()

    assert asked(job).start == NOW - timedelta(days=30) + HOUR


def test_a_period_without_a_zone_is_utc() -> None:
    job = World().start(**{"from": "2026-11-20T00:00:00", "to": "2026-11-21T02:00:00+02:00"})

    assert asked(job).start == datetime(2026, 11, 20, tzinfo=UTC)
    assert asked(job).end == datetime(2026, 11, 21, tzinfo=UTC)


@pytest.mark.parametrize(
    ("start", "end", "pointers"),
    [
        (BEGUN - timedelta(milliseconds=1), NOW, ["/from"]),
        (BEGUN, NOW + timedelta(milliseconds=1), ["/to"]),
        (NOW, NOW, ["/to"]),
        (NOW - HOUR, NOW - 2 * HOUR, ["/to"]),
    ],
)
def test_a_period_that_cannot_be_measured_is_named(start: datetime, end: datetime, pointers: list[str]) -> None:
    assert World().refused(**{"from": start.isoformat(), "to": end.isoformat()}) == pointers


def test_the_membership_of_an_audience_is_no_conversion() -> None:
    nested = {
        "root": {"type": "all_of", "criteria": [BOUGHT["root"], {"type": "audience_membership", "audience_id": 1}]}
    }

    assert World().refused(criterion=nested) == ["/criterion/root/criteria/1"]


def test_a_criterion_is_checked_as_a_definition_is() -> None:
    ago = {"type": "between_ago", "older": {"amount": 1, "unit": "days"}, "newer": {"amount": 2, "unit": "days"}}
    upside_down = {"root": {**BOUGHT["root"], "window": ago}}

    assert World().refused(criterion=upside_down) == ["/criterion/root/window/older"]


def test_what_the_criterion_reads_must_be_there() -> None:
    assert World().refused(inputs=[INPUT, "i-2"], workspaces=[WORKSPACE, "w-2"]) == ["/workspaces/1", "/inputs/1"]


@pytest.mark.parametrize("wrong", [{"criterion": None}, {"from": "yesterday"}, {"since": "2026-11-20T00:00:00Z"}])
def test_what_is_no_measurement_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NewMeasurement.model_validate({"criterion": BOUGHT} | wrong)


def test_another_variant_may_be_what_the_others_are_compared_with() -> None:
    world = World()
    assert world.refused(baseline="Variation Z") == ["/baseline"]

    job = world.start(baseline="variation a")

    assert asked(job).baseline == world.test.variants[0].audience_id


def test_there_is_nothing_to_measure_without_a_test() -> None:
    world = World()
    world.audiences.save(world.audiences.get(ACCOUNT, AUDIENCE).model_copy(update={"ab_test": None}))

    with pytest.raises(NotFoundError):
        world.start()


def test_outcomes_are_found_by_their_audience_alone_and_outlive_the_test() -> None:
    world = World()
    other = world.audiences.next_id(ACCOUNT)
    job = world.start()
    world.audiences.save(world.audiences.get(ACCOUNT, AUDIENCE).model_copy(update={"ab_test": None}))

    found = measurements.get(world.job_stores(), ACCOUNT, AUDIENCE, job.job_id, NOW)

    assert (found.report.state, found.variants) == (JobState.QUEUED, None)
    assert measurements.list_all(world.job_stores(), ACCOUNT, AUDIENCE, NOW) == (found,)
    strangers: list[tuple[AccountId, Any]] = [(ACCOUNT, other + 1), (OTHER_ACCOUNT, AUDIENCE)]
    for account_id, audience_id in strangers:
        with pytest.raises(NotFoundError):
            measurements.get(world.job_stores(), account_id, audience_id, job.job_id, NOW)


def test_results_are_the_sum_of_the_parts_once_the_job_has_succeeded() -> None:
    world = World()
    job = world.start()
    variant = world.test.variants[1].audience_id
    for bucket in (3, 9):
        part = Part(account_id=ACCOUNT, job_id=job.job_id, step=JobStep.COUNT, name=f"{bucket:02d}", bucket=bucket)
        outcomes = (Outcome(variant=variant, users=bucket, converted=2),)
        world.jobs.save_part(world.jobs.claim(part).model_copy(update={"outcomes": outcomes}))

    running = measurements.get(world.job_stores(), ACCOUNT, AUDIENCE, job.job_id, NOW)
    world.jobs.save(job.model_copy(update={"state": JobState.SUCCEEDED}))
    ended = measurements.get(world.job_stores(), ACCOUNT, AUDIENCE, job.job_id, NOW)

    assert running.variants is None
    assert ended.variants is not None
    assert [(each.users, each.converted) for each in ended.variants] == [(0, 0), (12, 4), (0, 0)]


def test_a_restarted_measurement_is_another_run() -> None:
    world = World()
    job = world.start()
    later = NOW + HOUR

    jobs.restart(world.job_stores(), ACCOUNT, job.job_id, later)

    assert world.workflows.started[1:] == [f"{ACCOUNT}-{job.job_id}-2"]
    report = jobs.get(world.job_stores(), ACCOUNT, job.job_id, later)
    assert [each.step for each in report.steps] == [JobStep.COUNT]


def outcomes(*figures: tuple[int, int]) -> tuple[Outcome, ...]:
    """(users, converted) of variations A and B, and of Control."""
    variants = an_ab_test(30, 20).variants
    return tuple(
        Outcome(variant=v.audience_id, users=users, converted=converted)
        for v, (users, converted) in zip(variants, figures, strict=True)
    )


def test_every_variant_is_compared_with_the_baseline() -> None:
    better, undecided, control = compare(a_measurement(), outcomes((3000, 300), (2000, 104), (5000, 250)))

    assert better.comparison is not None
    assert undecided.comparison is not None
    assert (better.rate, better.rate_interval) == (0.1, of_rate(Rate(300, 3000)))
    assert (control.rate, control.comparison) == (0.05, None)
    found = better.comparison
    assert (found.difference, found.lift, found.verdict) == (0.05, 1.0, Verdict.BETTER)
    assert found.difference_interval == of_difference(Rate(300, 3000), Rate(250, 5000))
    ratio = of_ratio(Rate(300, 3000), Rate(250, 5000))
    assert (found.lift_interval.low, found.lift_interval.high) == (ratio.low - 1, (ratio.high or 0) - 1)
    assert undecided.comparison.verdict is Verdict.UNDECIDED
    assert undecided.comparison.lift == pytest.approx(0.04)


def test_a_variant_may_do_worse() -> None:
    worse, _, _ = compare(a_measurement(), outcomes((3000, 30), (0, 0), (5000, 250)))

    assert worse.comparison is not None
    assert worse.comparison.verdict is Verdict.WORSE


def test_a_variant_without_users_has_neither_rate_nor_comparison() -> None:
    some, nobody, control = compare(a_measurement(), outcomes((10, 1), (0, 0), (10, 0)))

    assert (nobody.users, nobody.rate, nobody.rate_interval, nobody.comparison) == (0, None, None, None)
    assert some.comparison is not None
    # Nobody of the baseline converted: nothing is a multiple of that.
    assert (some.comparison.lift, some.comparison.lift_interval.high) == (None, None)
    assert control.rate == 0


def test_without_a_baseline_there_are_rates_all_the_same() -> None:
    found = compare(a_measurement(), outcomes((10, 1), (20, 4), (0, 0)))

    assert [(each.rate, each.comparison) for each in found] == [(0.1, None), (0.2, None), (None, None)]


def test_the_baseline_is_the_one_asked_for() -> None:
    measurement = a_measurement(baseline=an_ab_test(30, 20).variants[0].audience_id)

    first, second, control = compare(measurement, outcomes((10, 1), (20, 4), (10, 3)))

    assert first.comparison is None
    assert second.comparison is not None
    assert control.comparison is not None
    assert second.comparison.lift == pytest.approx(1.0)
    assert control.comparison.lift == pytest.approx(2.0)
