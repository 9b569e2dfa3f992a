"""Who works on a job: a run takes its lease before it begins, and notes how it ended."""

from datetime import datetime

from audience_core.domain.control_stores import JobStore
from audience_core.domain.job import UNDER_WAY, Job, JobState
from audience_core.errors import NotOursError

LEASE_MS = 300_000


def take(jobs: JobStore, job: Job, run: str, now: datetime) -> Job:
    """Take the lease for a run, or prolong it; the token of what is returned is that of the run's workers.

    Raises:
        NotOursError: the job has ended, or another run holds it.
    """
    is_others = job.run not in ("", run)
    if job.state not in UNDER_WAY or (is_others and job.state_at(milliseconds(now)) is not JobState.DEAD):
        raise NotOursError(f"{job.job_id} is {job.state}")
    changes = {
        "state": JobState.RUNNING,
        "run": run,
        "token": job.token + is_others,
        "started_at": job.started_at if job.run == run else now,
        "lease_until": milliseconds(now) + LEASE_MS,
    }
    return jobs.save(job.model_copy(update=changes))


def end(jobs: JobStore, job: Job, run: str, state: JobState, error: str, now: datetime) -> None:
    """Note how the run ended, unless the job has ended or belongs to another one."""
    if job.state in UNDER_WAY and job.run in ("", run):
        jobs.save(job.model_copy(update={"state": state, "error": error, "ended_at": now}))


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)
