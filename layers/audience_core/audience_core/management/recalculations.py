"""Lifetime audiences that are calculated anew by themselves: every night, those whose days are over."""

import logging
from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import batched

from audience_core.domain.account import Account
from audience_core.domain.audience import AudienceOutline, AudienceStatus
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import Job, JobState
from audience_core.errors import (
    ConflictError,
    ForbiddenError,
    InvalidInputError,
    NotFoundError,
    StaleVersionError,
    UnavailableError,
)
from audience_core.management import calculations, jobs
from audience_core.management.calculations import MAX_AUDIENCES, CalculationStores, NewCalculation
from audience_core.management.jobs import JobStores

# Who is said to have begun a calculation.
SCHEDULE = "schedule"
# What was not settled in the first night was not there to be settled.
_SETTLED_WITHIN = timedelta(days=3)
_REFUSED = (ConflictError, ForbiddenError, InvalidInputError, NotFoundError)

logger = logging.getLogger(__name__)


def recalculate_due(stores: CalculationStores, accounts: Iterable[Account], now: datetime) -> list[Job]:
    """Begin the calculations that are due, those of one account in one scan; why one was not begun is on its audience.

    A repeat in the same night begins nothing, but starts what was begun and not started. One of the nights before that
    failed or died is given up first.
    """
    begun: list[Job] = []
    for account in accounts:
        if account.has_lifetime_audiences:
            try:
                begun += _of_account(stores, account.account_id, now)
            except UnavailableError:
                # The others need not wait for it.
                logger.exception("recalculation postponed", extra={"account_id": account.account_id})
    return begun


def _of_account(stores: CalculationStores, account_id: AccountId, now: datetime) -> list[Job]:
    _settle(stores, account_id, now)
    due = [each.audience_id for each in stores.audiences.outlines(account_id) if _is_due(each, now)]
    sound = [each for each in due if _refusal(stores, account_id, [each], now) is None]
    begun = []
    for some in batched(sound, MAX_AUDIENCES, strict=False):
        try:
            new = NewCalculation(audience_ids=some)
            begun.append(calculations.start(stores, account_id, new, SCHEDULE, now))
        except _REFUSED as error:
            _note(stores, account_id, some, str(error))
        else:
            _note(stores, account_id, some, "")
    return begun


def _is_due(audience: AudienceOutline, now: datetime) -> bool:
    """By days, not by hours: a night's calculation ends later than the next night's look."""
    every = audience.recalculation.every_days if audience.recalculation else None
    if every is None or audience.result is None or audience.status_at(now) is not AudienceStatus.READY:
        return False
    return (now.date() - audience.result.calculated_at.date()).days >= every


def _refusal(
    stores: CalculationStores, account_id: AccountId, audience_ids: Sequence[AudienceId], now: datetime
) -> str | None:
    """Why an audience cannot be calculated, which is noted on it, so that it does not stand in the way of others."""
    try:
        calculations.require_calculable(stores, account_id, audience_ids, now)
    except _REFUSED as error:
        told = "; ".join(detail for _, detail in error.problems) if isinstance(error, InvalidInputError) else ""
        _note(stores, account_id, audience_ids, told or str(error))
        return str(error)
    return None


def _settle(stores: CalculationStores, account_id: AccountId, now: datetime) -> None:
    """Start what an attempt of this night has left, and give up what came to nothing in the nights before."""
    outlines = stores.audiences.outlines(account_id)
    waited_for = {each.calculation_id for each in outlines if each.status is AudienceStatus.CALCULATING}
    done = {each.result.calculation_id for each in outlines if each.result}
    paid = {use.calculation_id for use in stores.jobs.credit_book(account_id).uses if use.at > now - _SETTLED_WITHIN}
    for job_id in sorted(waited_for | (paid - done)):
        try:
            job = stores.jobs.get(account_id, job_id)
            _settle_one(stores, job, now, is_waited_for=job_id in waited_for)
        except ConflictError:
            logger.exception("calculation not settled", extra={"account_id": account_id, "job_id": job_id})


def _settle_one(stores: CalculationStores, job: Job, now: datetime, *, is_waited_for: bool) -> None:
    """Somebody else's is left to them, unless no audience waits for it: then only its credits are to be given back."""
    state, is_ours = job.state_at(int(now.timestamp() * 1000)), job.request.get("created_by") == SCHEDULE
    if state is JobState.QUEUED and is_ours and is_waited_for:
        stores.workflows.start_lifetime_calculation(job.account_id, job.job_id, job.token)
        return
    has_stopped = state in (JobState.FAILED, JobState.DEAD)
    if is_waited_for:
        is_over = state is JobState.CANCELLED or (has_stopped and is_ours)
    else:
        is_over = has_stopped or (state is JobState.QUEUED and is_ours)
    if is_over:
        jobs.cancel(JobStores(stores.jobs, stores.audiences, stores.workflows), job.account_id, job.job_id, now)


def _note(stores: CalculationStores, account_id: AccountId, audience_ids: Iterable[AudienceId], problem: str) -> None:
    for audience_id in audience_ids:
        # Somebody who changes it just now is not disturbed: the next night says it again.
        with suppress(StaleVersionError, NotFoundError):
            audience = stores.audiences.get(account_id, audience_id)
            if audience.recalculation_problem != problem:
                stores.audiences.save(audience.model_copy(update={"recalculation_problem": problem}))
