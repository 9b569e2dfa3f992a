"""How a run holds a job: it takes a lease, prolongs it, and is refused once the job is not its any more."""

from datetime import datetime
from enum import StrEnum

from audience_core.domain.control_stores import JobStore
from audience_core.domain.ids import AccountId
from audience_core.domain.job import UNDER_WAY, Job, JobState
from audience_core.errors import NotFoundError, NotOursError

LEASE_MS = 180_000


class Go(StrEnum):
    """What a run does next."""

    ON = "on"
    NOWHERE = "nowhere"


def take(jobs: JobStore, job: Job, token: int, run: str, now: datetime, lease_ms: int = LEASE_MS) -> Job | None:
    """The job as this run's, or None when it is another's or has ended.

    Args:
        token: of the attempt that the run was started for.
    """
    if job.state not in UNDER_WAY:
        return None
    is_free = job.token == token and job.run in ("", run)
    if not is_free and job.state_at(ms(now)) is not JobState.DEAD:
        return None
    # A run that takes over from a dead one must not be disturbed by it, should it only have slept.
    fence = job.token if job.run in ("", run) else job.token + 1
    changes = {
        "state": JobState.RUNNING,
        "run": run,
        "token": fence,
        "lease_until": ms(now) + lease_ms,
        "started_at": now,
        "error": "",
    }
    return jobs.save(job.model_copy(update=changes))


def require_ours(
    jobs: JobStore, account_id: AccountId, job_id: str, token: int, now_ms: int, lease_ms: int = LEASE_MS
) -> Job:
    """The running job of this attempt, with its lease prolonged; raise `NotOursError` when it is not that any more."""
    job = jobs.get(account_id, job_id)
    if job.token != token or not jobs.prolong(job, now_ms + lease_ms):
        raise NotOursError(f"{job.job_id} is {job.state}, in attempt {job.token}")
    return job


def has_succeeded(jobs: JobStore, account_id: AccountId, job_id: str, token: int) -> bool:
    """Whether this attempt has come to its end before: whoever told it was not heard, and is asked to do it again."""
    job = jobs.get(account_id, job_id)
    return (job.state, job.token) == (JobState.SUCCEEDED, token)


def end(jobs: JobStore, job: Job, state: JobState, error: str, now: datetime) -> JobState:
    return jobs.save(job.model_copy(update={"state": state, "error": error, "ended_at": now})).state


def explained(jobs: JobStore, account_id: AccountId, job_id: str, error: str) -> str:
    """An error together with what the latest attempts at the job's parts failed of: a map tells that only some did."""
    told = {part.error for part in jobs.parts(account_id, job_id) if part.error and part.error not in error}
    return "; ".join([error, *sorted(told)][:6])


def fail(jobs: JobStore, account_id: AccountId, job_id: str, run: str, error: str, now: datetime) -> None:
    """Note why, unless the job has ended or belongs to another run."""
    try:
        job = jobs.get(account_id, job_id)
    except NotFoundError:
        return
    if job.run in ("", run) and job.state in UNDER_WAY:
        end(jobs, job, JobState.FAILED, error or "the reason is in the log", now)


def ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
