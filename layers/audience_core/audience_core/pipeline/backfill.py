"""Evaluates every profile of an account with its definitions, in parts that go on where they stopped.

A backfill has three passes. The first evaluates; the second waits until member lists show it; then staged definitions
take over in one transaction; the third writes the profiles for which that makes a difference, so that the profiles
table's stream tells of exactly those. Live events meet the same definitions meanwhile: whoever evaluates a profile
first, the other finds nothing to do.
"""

import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audience_core.domain.audience import Audience, FormerSet, ProgramMark
from audience_core.domain.control_stores import AudienceStore, JobStore, OutputStore, RunFiles, Workflows
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.profile import BUCKETS
from audience_core.domain.stores import MembershipStore
from audience_core.errors import NotFoundError, StaleVersionError
from audience_core.pipeline import leases
from audience_core.pipeline.leases import Go
from audience_core.pipeline.process import Pipeline
from audience_core.pipeline.refill import refill_shared_attributes

# Below this many profiles in a bucket its neighbours go into the same part.
_SMALL_BUCKET, _NEIGHBOURS = 50, 16
_FORMER_SETS = 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backfill:
    """What a backfill needs of the outside world."""

    pipeline: Pipeline
    audiences: AudienceStore
    memberships: MembershipStore
    jobs: JobStore
    files: RunFiles
    outputs: OutputStore
    workflows: Workflows


def job_id_of(program_version: int) -> str:
    return f"backfill-{program_version}"


def require_ours(jobs: JobStore, account_id: AccountId, program_version: int, token: int, now_ms: int) -> Job:
    """As `leases.require_ours`."""
    return leases.require_ours(jobs, account_id, job_id_of(program_version), token, now_ms)


# Its steps ------------------------------------------------------------------------------------------------------


def plan(
    stores: Backfill, account_id: AccountId, program_version: int, token: int, run: str, now: datetime
) -> dict[str, Any]:
    """Take the job's lease and write the list of its parts.

    Returns:
        `go`; and if that is on: where the list is, and the `token` by which this run's workers are known.
    """
    job = _lease(stores.jobs, account_id, program_version, token, run, now)
    if job is None:
        return {"go": Go.NOWHERE}
    name = f"jobs/{account_id}/{job.job_id}/{job.token}.jsonl"
    bucket = stores.files.put_lines(name, _parts(stores.pipeline, account_id))
    return {"go": Go.ON, "bucket": bucket, "key": name, "token": job.token}


def take_over(stores: Backfill, account_id: AccountId, program_version: int, token: int, now: datetime) -> Go:
    """Make staged definitions live, all at once; whether there is anything to publish.

    Between two attempts at it anything may happen: what it does depends only on what is stored.
    """
    job = require_ours(stores.jobs, account_id, program_version, token, leases.ms(now))
    while True:
        mark = stores.audiences.program(account_id)
        staged = [each for each in stores.audiences.list(account_id) if each.staged]
        if mark.published != job.target:
            return Go.NOWHERE
        if not staged:
            if mark.version <= mark.published:
                return Go.NOWHERE
            # An attempt before this one may have got no further than the transaction.
            _refill(stores, account_id, {each.audience_id for each in stores.audiences.list(account_id)})
            return Go.ON
        changed = [_live(stores.audiences, each, mark) for each in staged]
        try:
            stores.audiences.take_over(mark, changed)
        except StaleVersionError:
            continue
        former = {each.audience_id: each.workspaces for each in staged}
        _refill(stores, account_id, {e.audience_id for e in changed if e.workspaces != former[e.audience_id]})
        logger.info("staged definitions took over", extra={"account_id": account_id, "count": len(changed)})
        return Go.ON


def _refill(stores: Backfill, account_id: AccountId, audience_ids: set[AudienceId]) -> None:
    refill_shared_attributes(stores.outputs, stores.workflows, account_id, audience_ids)


def finish(stores: Backfill, account_id: AccountId, program_version: int, token: int, now: datetime) -> JobState:
    """Succeeded; or cancelled, because a later change of the definitions has a backfill that does this one's work."""
    if leases.has_succeeded(stores.jobs, account_id, job_id_of(program_version), token):
        return JobState.SUCCEEDED
    require_ours(stores.jobs, account_id, program_version, token, leases.ms(now))
    job = stores.jobs.get(account_id, job_id_of(program_version))
    published = stores.audiences.program(account_id).published
    if published != job.target:
        error = f"definitions changed meanwhile: {job_id_of(published)} does its work, too"
        return leases.end(stores.jobs, job, JobState.CANCELLED, error, now)
    stores.jobs.set_backfilled(account_id, job.target)
    return leases.end(stores.jobs, job, JobState.SUCCEEDED, "", now)


def _lease(
    jobs: JobStore, account_id: AccountId, program_version: int, token: int, run: str, now: datetime
) -> Job | None:
    """The job as this run's, or None when it is another's or has ended."""
    try:
        job = jobs.get(account_id, job_id_of(program_version))
    except NotFoundError:
        job = _new_job(jobs, account_id, program_version, now)
    return leases.take(jobs, job, token, run, now)


def _new_job(jobs: JobStore, account_id: AccountId, program_version: int, now: datetime) -> Job:
    return Job(
        account_id=account_id,
        job_id=job_id_of(program_version),
        kind=JobKind.BACKFILL,
        state=JobState.QUEUED,
        target=program_version,
        after=jobs.backfilled(account_id),
        lease_until=leases.ms(now) + leases.LEASE_MS,
        created_at=now,
    )


def _parts(pipeline: Pipeline, account_id: AccountId) -> list[dict[str, int]]:
    """Ranges of buckets; mpids are random, so one bucket tells how full all are."""
    few = pipeline.profiles.outlines(account_id, Environment.PRODUCTION, 0, None, _SMALL_BUCKET)
    width = _NEIGHBOURS if len(few.items) < _SMALL_BUCKET else 1
    return [{"first": first, "last": first + width - 1} for first in range(0, BUCKETS, width)]


def _live(store: AudienceStore, audience: Audience, mark: ProgramMark) -> Audience:
    staged = audience.staged
    if staged is None:
        raise ValueError("nothing is staged")
    version = store.get_version(audience.account_id, audience.audience_id, staged.number)
    takes_over = mark.version + 1
    former = FormerSet(member_set=audience.live_set, live_from=audience.live_from, live_until=takes_over)
    changes = {
        "workspaces": version.workspaces,
        "inputs": version.inputs,
        "definition": version.definition,
        "definition_version": staged.number,
        "member_set": staged.member_set,
        "program_version": staged.program_version,
        "live_from": takes_over,
        "former_sets": (*audience.former_sets, former)[-_FORMER_SETS:],
        "staged": None,
    }
    return audience.model_copy(update=changes)
