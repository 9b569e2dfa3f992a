"""The fill of a connection as a job: begun, kept alive and ended by the steps of its run."""

from datetime import datetime

from audience_core.domain.control_stores import JobStore
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.job import UNDER_WAY, Job, JobKind, JobState, JobStep, Part
from audience_core.errors import NotFoundError, NotOursError

LEASE_MS = 300_000


def fill_id(connection_id: ConnectionId, version: int) -> str:
    """Args:
    version: of the connection that the fill was asked for with.
    """
    return f"fill-{connection_id}-{version}"


def begin(
    jobs: JobStore, account_id: AccountId, connection_id: ConnectionId, version: int, run: str, now: datetime
) -> int:
    """Take the lease for a run; the token by which its workers are known. A repeat by the same run is harmless.

    Raises:
        NotOursError: the job has ended, or another run holds it.
    """
    job = _find(jobs, account_id, connection_id, version, now)
    is_others = job.run not in ("", run)
    if job.state not in UNDER_WAY or (is_others and job.state_at(_ms(now)) is not JobState.DEAD):
        raise NotOursError(f"{job.job_id} is {job.state}")
    changes = {
        "state": JobState.RUNNING,
        "run": run,
        "token": job.token + is_others,
        "started_at": now,
        "lease_until": _ms(now) + LEASE_MS,
    }
    return jobs.save(job.model_copy(update=changes)).token


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
    job = _find(jobs, account_id, connection_id, version, now)
    if job.state in UNDER_WAY and job.run in ("", run):
        jobs.save(job.model_copy(update={"state": state, "error": error, "ended_at": now}))


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
            lease_until=_ms(now) + LEASE_MS,
            created_at=now,
        )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
