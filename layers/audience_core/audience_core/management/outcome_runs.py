"""The steps of a run that counts the outcomes of an A/B test: one job, in parts of one bucket of profiles each."""

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from audience_core.domain import job_lease
from audience_core.domain.ab_test import Measurement
from audience_core.domain.control_stores import JobStore
from audience_core.domain.ids import AccountId
from audience_core.domain.job import Job, JobState, JobStep, Part
from audience_core.domain.job_lease import LEASE_MS
from audience_core.domain.mpid_order import share_of_bucket
from audience_core.domain.profile import BUCKETS
from audience_core.errors import NotOursError
from audience_core.management.outcomes import OutcomeStores, count_page, program_of


class RunStores(OutcomeStores, Protocol):
    """As `OutcomeStores`."""

    @property
    def jobs(self) -> JobStore: ...


def begin(jobs: JobStore, account_id: AccountId, job_id: str, run: str, now: datetime) -> int:
    """The token by which the run's workers are known; raise `NotOursError` as `job_lease.take` does."""
    return job_lease.take(jobs, jobs.get(account_id, job_id), run, now).token


def count(
    stores: RunStores,
    account_id: AccountId,
    job_id: str,
    token: int,
    bucket: int,
    clock: Callable[[], int],
    until_ms: int,
) -> bool:
    """Go on with a bucket, page by page, from where it was left; whether it is done.

    Args:
        clock: now, UTC ms.
        until_ms: no page begins after this instant, but the first one.

    Raises:
        NotOursError: the job was cancelled or restarted.
        StaleVersionError: another worker has begun with this bucket.
    """
    job = _require_ours(stores.jobs, account_id, job_id, token, clock())
    measurement = Measurement.model_validate(job.request)
    program = program_of(measurement, stores.accounts.get(account_id))
    part = stores.jobs.claim(_new_part(account_id, job_id, bucket))
    while not part.is_done:
        part = count_page(stores, measurement, program, part)
        part = part.model_copy(update={"progress": 1.0 if part.last is None else share_of_bucket(part.last)})
        stores.jobs.save_part(part)
        if clock() >= until_ms:
            break
        _require_ours(stores.jobs, account_id, job_id, token, clock())
    return part.is_done


def end(
    jobs: JobStore, account_id: AccountId, job_id: str, run: str, state: JobState, error: str, now: datetime
) -> None:
    """Note how the run ended, unless the job has ended or belongs to another one."""
    job_lease.end(jobs, jobs.get(account_id, job_id), run, state, error, now)


def _require_ours(jobs: JobStore, account_id: AccountId, job_id: str, token: int, now_ms: int) -> Job:
    """The running job of this attempt, with its lease prolonged."""
    job = jobs.get(account_id, job_id)
    if job.token != token or not jobs.prolong(job, now_ms + LEASE_MS):
        raise NotOursError(f"{job_id} is {job.state}, in attempt {job.token}")
    return job


def _new_part(account_id: AccountId, job_id: str, bucket: int) -> Part:
    return Part(
        account_id=account_id,
        job_id=job_id,
        step=JobStep.COUNT,
        name=f"{bucket:02d}",
        bucket=bucket,
        share=1 / BUCKETS,
    )
