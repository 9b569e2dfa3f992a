"""A/B tests and their outcomes as the API shows them."""

from datetime import datetime
from typing import Literal

from pydantic import ConfigDict, Field

from audience_core.api.edge import instant
from audience_core.api.views import Versioned, View
from audience_core.domain.ab_test import Variant
from audience_core.domain.audience import Audience
from audience_core.domain.definition import Definition
from audience_core.domain.job import JobState
from audience_core.management.ab_tests import ab_test_of
from audience_core.management.intervals import Interval
from audience_core.management.measurements import Comparison, Measured, VariantOutcome, Verdict
from audience_core.management.variant_sizes import Sizes


class VariantView(View):
    """Args:
    id: its own audience id, by which partners know it.
    size: how many members of the audience are in it; null while the audience is a draft or the count is under way.
    """

    id: int
    name: str
    percentage: int
    is_control: bool
    size: int | None


class AbTestView(Versioned):
    """Args:
    status: ending: a deletion stopped half-way; delete it again.
    variants: the variations in the order of their creation, then Control.
    counted_at: the sizes are at least as new as this; null when there are none.
    version: of the audience.
    """

    id: str
    audience_id: int
    status: Literal["running", "ending"]
    variants: tuple[VariantView, ...]
    counted_at: datetime | None
    created_at: datetime


class IntervalView(View):
    """Holds the truth 95 times in 100; `high` is null when there is no upper limit."""

    low: float
    high: float | None


class ComparisonView(View):
    """A variant beside the baseline.

    Args:
        difference: its rate less that of the baseline, a fraction.
        lift: the difference as a fraction of the baseline's rate; null when that is 0.
        verdict: better or worse when the interval of the difference is clear of 0.
    """

    difference: float
    difference_interval: IntervalView
    lift: float | None
    lift_interval: IntervalView
    verdict: Verdict


class VariantOutcomeView(View):
    """Args:
    users: how many of the variant were in the audience in the period; `converted`: how many of these converted.
    rate, rate_interval: null when there were no users.
    comparison: null for the baseline, and when one of the two has no users.
    """

    id: int
    name: str
    percentage: int
    users: int
    converted: int
    rate: float | None
    rate_interval: IntervalView | None
    comparison: ComparisonView | None


class OutcomesView(View):
    """Args:
    id: also that of the job which counts them.
    progress: from 0 to 1.
    error: why the job failed or was cancelled; null otherwise.
    baseline: name of the variant that the others are compared with.
    variants: null until all is counted.
    """

    model_config = ConfigDict(populate_by_name=True)

    id: str
    audience_id: int
    state: JobState
    progress: float
    error: str | None
    criterion: Definition
    workspaces: tuple[str, ...]
    inputs: tuple[str, ...]
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    baseline: str
    variants: tuple[VariantOutcomeView, ...] | None
    created_at: datetime


def ab_test_view(audience: Audience, sizes: Sizes | None) -> AbTestView:
    test = ab_test_of(audience)
    return AbTestView(
        id=test.test_id,
        audience_id=audience.audience_id,
        status="ending" if test.is_ending else "running",
        variants=tuple(_variant_view(each, sizes, is_control=each == test.control) for each in test.variants),
        counted_at=None if sizes is None else instant(sizes.at),
        created_at=test.created_at,
        version=audience.version,
    )


def outcomes_view(measured: Measured) -> OutcomesView:
    job, asked = measured.report.job, measured.measurement
    return OutcomesView(
        id=job.job_id,
        audience_id=asked.audience_id,
        state=measured.report.state,
        progress=measured.report.progress,
        error=job.error or None,
        criterion=asked.criterion,
        workspaces=asked.workspaces,
        inputs=asked.inputs,
        start=asked.start,
        end=asked.end,
        baseline=next(each.name for each in asked.variants if each.audience_id == asked.baseline),
        variants=None if measured.variants is None else tuple(map(_outcome_view, measured.variants)),
        created_at=job.created_at,
    )


def _variant_view(variant: Variant, sizes: Sizes | None, *, is_control: bool) -> VariantView:
    return VariantView(
        id=variant.audience_id,
        name=variant.name,
        percentage=variant.percentage,
        is_control=is_control,
        size=None if sizes is None else sizes.members[variant.audience_id],
    )


def _outcome_view(outcome: VariantOutcome) -> VariantOutcomeView:
    return VariantOutcomeView(
        id=outcome.variant.audience_id,
        name=outcome.variant.name,
        percentage=outcome.variant.percentage,
        users=outcome.users,
        converted=outcome.converted,
        rate=outcome.rate,
        rate_interval=None if outcome.rate_interval is None else _interval_view(outcome.rate_interval),
        comparison=None if outcome.comparison is None else _comparison_view(outcome.comparison),
    )


def _comparison_view(comparison: Comparison) -> ComparisonView:
    return ComparisonView(
        difference=comparison.difference,
        difference_interval=_interval_view(comparison.difference_interval),
        lift=comparison.lift,
        lift_interval=_interval_view(comparison.lift_interval),
        verdict=comparison.verdict,
    )


def _interval_view(interval: Interval) -> IntervalView:
    return IntervalView(low=interval.low, high=interval.high)
