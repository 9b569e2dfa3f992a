"""Outcomes of A/B tests: asked for, counted by a job, and put side by side so that the better message can be picked."""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.ab_test import AbTest, Measurement, Outcome, Variant, VariantName
from audience_core.domain.account import Account, Record
from audience_core.domain.audience import Audience
from audience_core.domain.control_stores import AccountStore, AudienceStore, JobStore, Workflows, WorkspaceStore
from audience_core.domain.definition import AudienceMembershipCriterion, Definition
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.errors import InvalidInputError, NotFoundError
from audience_core.evaluation.paths import criteria
from audience_core.evaluation.text import fold
from audience_core.management import definitions, jobs
from audience_core.management.ab_tests import ab_test_of
from audience_core.management.audiences import Inputs, Workspaces, source_problems
from audience_core.management.intervals import Interval, Rate, of_difference, of_rate, of_ratio
from audience_core.management.outcomes import added
from audience_core.management.problems import Problem

_QUEUED_FOR = timedelta(minutes=3)
# What is about to be forgotten may be gone before it is counted.
_MARGIN = timedelta(hours=1)


class NewMeasurement(Record):
    """Which outcomes to count.

    Args:
        criterion: what a conversion is; it may read no membership of audiences.
        start: the period's first instant (no zone: UTC); the beginning of the test, or of what is known, by default.
        end: the first instant after it; now by default.
        workspaces, inputs: what the criterion reads; the audience's own by default.
        baseline: the variant that the others are compared with; Control by default.
    """

    model_config = ConfigDict(extra="forbid")

    criterion: Definition
    start: Annotated[datetime | None, Field(alias="from")] = None
    end: Annotated[datetime | None, Field(alias="to")] = None
    workspaces: Workspaces | None = None
    inputs: Inputs | None = None
    baseline: VariantName | None = None


class Verdict(StrEnum):
    """Whether a variant does better than the baseline: by the interval of the difference, which is clear of 0."""

    BETTER = "better"
    WORSE = "worse"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Comparison:
    """A variant beside the baseline.

    Args:
        difference: its rate less that of the baseline, a fraction.
        lift: the difference as a fraction of the baseline's rate; None when that is 0.
        lift_interval: that of the lift.
    """

    difference: float
    difference_interval: Interval
    lift: float | None
    lift_interval: Interval
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class VariantOutcome:
    """Args:
    rate, rate_interval: None when nobody of it was in the audience.
    comparison: None for the baseline, and when one of the two has no rate.
    """

    variant: Variant
    users: int
    converted: int
    rate: float | None
    rate_interval: Interval | None
    comparison: Comparison | None


@dataclass(frozen=True, slots=True)
class Measured:
    """Args:
    variants: None until all is counted.
    """

    report: jobs.Report
    measurement: Measurement
    variants: tuple[VariantOutcome, ...] | None


def start(
    accounts: AccountStore,
    audiences: AudienceStore,
    workspaces: WorkspaceStore,
    store: JobStore,
    workflows: Workflows,
    account_id: AccountId,
    audience_id: AudienceId,
    new: NewMeasurement,
    now: datetime,
) -> Job:
    """Have outcomes counted.

    Raises:
        NotFoundError: there is no audience or test.
        InvalidInputError: the period, the criterion or what it reads cannot be used.
    """
    audience = audiences.get(account_id, audience_id)
    test = ab_test_of(audience)
    earliest = _earliest(accounts.get(account_id), test, now)
    measurement = _measurement(audience, test, new, earliest, now)
    problems = (
        *_period_problems(measurement, earliest, now),
        *_criterion_problems(new.criterion),
        *source_problems(workspaces, account_id, measurement),
    )
    if problems:
        raise InvalidInputError("these outcomes cannot be counted", problems)
    definitions.require_sound(new.criterion, {}, None, "/criterion")
    job = Job(
        account_id=account_id,
        job_id=f"outcomes-{secrets.token_hex(6)}",
        kind=JobKind.AB_TEST_OUTCOMES,
        state=JobState.QUEUED,
        target=audience_id,
        lease_until=int((now + _QUEUED_FOR).timestamp() * 1000),
        created_at=now,
        request=measurement.model_dump(mode="json"),
    )
    saved = store.save(job)
    workflows.start_measurement(account_id, saved.job_id, saved.token)
    return saved


def get(stores: jobs.JobStores, account_id: AccountId, audience_id: AudienceId, job_id: str, now: datetime) -> Measured:
    """Raise `NotFoundError` when there is nothing of that id, or of another audience; a test may be gone by now."""
    report = jobs.get(stores, account_id, job_id, now)
    if not _is_of(report.job, audience_id):
        raise NotFoundError(f"audience {audience_id} has no outcomes {job_id}")
    return _measured(stores.jobs, report)


def list_all(
    stores: jobs.JobStores, account_id: AccountId, audience_id: AudienceId, now: datetime
) -> tuple[Measured, ...]:
    """Those of an audience, the latest first."""
    stores.audiences.get(account_id, audience_id)
    found = [job for job in stores.jobs.list(account_id) if _is_of(job, audience_id)]
    return tuple(get(stores, account_id, audience_id, job.job_id, now) for job in found)


def compare(measurement: Measurement, outcomes: tuple[Outcome, ...]) -> tuple[VariantOutcome, ...]:
    """Every variant of the test, with or without users."""
    found = {each.variant: each for each in outcomes}
    known = {v.audience_id: found.get(v.audience_id, Outcome(variant=v.audience_id)) for v in measurement.variants}
    baseline = _rate(known[measurement.baseline])
    return tuple(_variant_outcome(measurement, v, known[v.audience_id], baseline) for v in measurement.variants)


def _measurement(
    audience: Audience, test: AbTest, new: NewMeasurement, earliest: datetime, now: datetime
) -> Measurement:
    return Measurement(
        audience_id=audience.audience_id,
        variants=test.variants,
        baseline=_baseline(test, new.baseline).audience_id,
        criterion=new.criterion,
        workspaces=new.workspaces or audience.workspaces,
        inputs=new.inputs or audience.inputs,
        start=_utc(new.start) if new.start else earliest,
        end=_utc(new.end) if new.end else now,
    )


def _earliest(account: Account, test: AbTest, now: datetime) -> datetime:
    """From when on members, their events and the test are known."""
    kept = timedelta(days=min(account.look_back_days, account.history_retention_days))
    return max(test.created_at, now - kept + _MARGIN)


def _baseline(test: AbTest, name: str | None) -> Variant:
    if name is None:
        return test.control
    found = [each for each in test.variants if fold(each.name) == fold(name)]
    if not found:
        names = ", ".join(each.name for each in test.variants)
        raise InvalidInputError("there is nothing to compare with", (("/baseline", f"the variants are {names}"),))
    return found[0]


def _period_problems(measurement: Measurement, earliest: datetime, now: datetime) -> Iterator[Problem]:
    if measurement.start < earliest:
        yield "/from", f"members, events and test are known together from {earliest:%Y-%m-%dT%H:%M:%SZ} on"
    if measurement.end > now:
        yield "/to", "is ahead"
    if measurement.end <= measurement.start:
        yield "/to", "must be after from"


def _criterion_problems(criterion: Definition) -> Iterator[Problem]:
    for path, each in criteria(criterion.root, "/criterion/root"):
        if isinstance(each, AudienceMembershipCriterion):
            yield path, "a conversion is something a user does, not the membership of an audience"


def _variant_outcome(
    measurement: Measurement, variant: Variant, outcome: Outcome, baseline: Rate | None
) -> VariantOutcome:
    rate = _rate(outcome)
    is_compared = variant.audience_id != measurement.baseline
    return VariantOutcome(
        variant=variant,
        users=outcome.users,
        converted=outcome.converted,
        rate=rate.value if rate else None,
        rate_interval=of_rate(rate) if rate else None,
        comparison=_comparison(rate, baseline) if is_compared and rate and baseline else None,
    )


def _comparison(rate: Rate, baseline: Rate) -> Comparison:
    apart, ratio = of_difference(rate, baseline), of_ratio(rate, baseline)
    return Comparison(
        difference=rate.value - baseline.value,
        difference_interval=apart,
        lift=rate.value / baseline.value - 1 if baseline.successes else None,
        lift_interval=Interval(ratio.low - 1, None if ratio.high is None else ratio.high - 1),
        verdict=_verdict(apart),
    )


def _verdict(difference: Interval) -> Verdict:
    if difference.low > 0:
        return Verdict.BETTER
    return Verdict.WORSE if difference.high is not None and difference.high < 0 else Verdict.UNDECIDED


def _rate(outcome: Outcome) -> Rate | None:
    return Rate(outcome.converted, outcome.users) if outcome.users else None


def _is_of(job: Job, audience_id: AudienceId) -> bool:
    return job.kind is JobKind.AB_TEST_OUTCOMES and job.target == audience_id


def _measured(store: JobStore, report: jobs.Report) -> Measured:
    measurement = Measurement.model_validate(report.job.request)
    if report.state is not JobState.SUCCEEDED:
        return Measured(report, measurement, None)
    outcomes = tuple[Outcome, ...]()
    for part in store.parts(report.job.account_id, report.job.job_id):
        outcomes = added(outcomes, part.outcomes)
    return Measured(report, measurement, compare(measurement, outcomes))


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
