"""The fill of a connection as a job: begun, kept alive and ended by the steps of its run."""

from datetime import datetime

from audience_core.domain import job_lease
from audience_core.domain.control_stores import JobStore
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.job import Job, JobKind, JobState, JobStep, Part
from audience_core.domain.job_lease import LEASE_MS, milliseconds
from audience_core.errors import NotFoundError, NotOursError


def fill_id(connection_id: ConnectionId, version: int) -> str:
    """Args:
    version: of the connection that the fill was asked for with.
    """
    return f"fill-{connection_id}-{version}"


def begin(
    jobs: JobStore, account_id: AccountId, connection_id: ConnectionId, version: int, run: str, now: datetime
) -> int:
    """The token by which the run's workers are known; raise `NotOursError` as `job_lease.take` does."""
    return job_lease.take(jobs, _find(jobs, account_id, connection_id, version, now), run, now).token


def note_bucket(
    jobs: JobStore, account_id: AccountId, job_id: str, token: int, bucket: int, buckets: int, now_ms: int
) -> Part:
    """Say that a bucket is being worked on; raise `NotOursError` when the job was cancelled or restarted."""
    job = jobs.get(account_id, job_id)
    if job.token != token or not jobs.prolong(job, now_ms + LEASE_MS):
        raise NotOursError(f"{job_id} is {job.state}, in attempt {job.token}")
    step, name = JobStep.PUBLISH, f"{bucket:02d}"
    part = Part(account_id=account_id, job_id=job_id, step=step, name=name, bucket=bucket, share=1 / buckets)
    return jobs.claim(part)


def note_done(jobs: JobStore, part: Part) -> None:
    jobs.save_part(part.model_copy(update={"progress": 1.0, "is_done": True}))


def end(
    jobs: JobStore,
    account_id: AccountId,
    connection_id: ConnectionId,
    version: int,
    run: str,
    state: JobState,
    error: str,
    now: datetime,
) -> None:
    """Note how the run ended, unless the job has ended or belongs to another one."""
    job_lease.end(jobs, _find(jobs, account_id, connection_id, version, now), run, state, error, now)


def _find(jobs: JobStore, account_id: AccountId, connection_id: ConnectionId, version: int, now: datetime) -> Job:
    try:
        return jobs.get(account_id, fill_id(connection_id, version))
    except NotFoundError:
        return Job(
            account_id=account_id,
            job_id=fill_id(connection_id, version),
            kind=JobKind.CONNECTION_FILL,
            state=JobState.QUEUED,
            target=version,
            connection_id=connection_id,
            lease_until=milliseconds(now) + LEASE_MS,
            created_at=now,
        )
