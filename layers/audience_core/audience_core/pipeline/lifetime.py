"""A calculation of lifetime audiences: one scan of each shard of the archive finds the members of all of them."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from audience_core.domain.account import Record
from audience_core.domain.archive import ArchiveShard, Manifest, ShardStore
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.control_stores import AudienceStore, JobStore, RunFiles
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import JobState
from audience_core.domain.lifetime import READY_FOR, LifetimeResult
from audience_core.domain.results import FoundShard, ResultStore
from audience_core.domain.stores import MembershipStore
from audience_core.errors import StaleVersionError
from audience_core.pipeline import leases
from audience_core.pipeline.leases import Go

LEASE_MS = 960_000
_ATTEMPTS = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Calculation:
    """What a calculation needs of the outside world."""

    audiences: AudienceStore
    memberships: MembershipStore
    shards: ShardStore
    results: ResultStore
    jobs: JobStore
    files: RunFiles


class CalculationRequest(Record):
    """What a job of this kind was asked.

    Args:
        at: the instant as of which windows are read (UTC ms).
        credits: that it costs.
    """

    audience_ids: tuple[AudienceId, ...]
    at: int
    credits: int
    created_by: str


class Snapshot(Record):
    """What is calculated, as it stood when the run began.

    Args:
        parts: real-time audiences that they refer to -> the member sets that are theirs.
    """

    audiences: tuple[Audience, ...]
    parts: Mapping[AudienceId, AudienceId]


def folder_of(account_id: AccountId, job_id: str) -> str:
    return f"jobs/{account_id}/{job_id}"


# Its steps ------------------------------------------------------------------------------------------------------


def plan(
    stores: Calculation, account_id: AccountId, job_id: str, token: int, run: str, now: datetime
) -> dict[str, Any]:
    """Take the job's lease, and list the shards of the archive that it reads.

    Returns:
        `go`; and if that is on: the `token`, and where the list is.
    """
    job = leases.take(stores.jobs, stores.jobs.get(account_id, job_id), token, run, now, LEASE_MS)
    if job is None:
        return {"go": Go.NOWHERE}
    folder = folder_of(account_id, job_id)
    if not stores.files.names(f"{folder}/audiences.jsonl"):
        _write_snapshot(stores, account_id, folder, CalculationRequest.model_validate(job.request))
    shards = stores.shards.manifest(account_id, job.target).shards
    bucket = stores.files.put_lines(f"{folder}/shards.jsonl", [{"number": shard.number} for shard in shards])
    return {"go": Go.ON, "token": job.token, "bucket": bucket, "key": f"{folder}/shards.jsonl"}


def finish(stores: Calculation, account_id: AccountId, job_id: str, token: int, now: datetime) -> JobState:
    """All audiences get their new members and are ready, all at once."""
    if leases.has_succeeded(stores.jobs, account_id, job_id, token):
        return JobState.SUCCEEDED
    job = leases.require_ours(stores.jobs, account_id, job_id, token, leases.ms(now), LEASE_MS)
    job = stores.jobs.get(account_id, job.job_id)
    shards, manifest = _shards(stores, account_id, job_id), stores.shards.manifest(account_id, job.target)
    stores.results.commit(account_id, job_id, shards)
    request = CalculationRequest.model_validate(job.request)
    for attempt in range(_ATTEMPTS):
        ready = _ready(stores.audiences, account_id, job_id, request.audience_ids, shards, manifest, now)
        try:
            stores.audiences.save_all(ready)
        except StaleVersionError:
            if attempt == _ATTEMPTS - 1:
                raise
        else:
            break
    logger.info("lifetime audiences are ready", extra={"account_id": account_id, "count": len(ready)})
    return leases.end(stores.jobs, job, JobState.SUCCEEDED, "", now)


def snapshot(files: RunFiles, account_id: AccountId, job_id: str) -> Snapshot:
    (text,) = files.texts(f"{folder_of(account_id, job_id)}/audiences.jsonl")
    return Snapshot.model_validate_json(text)


def shard_numbered(shards: Sequence[ArchiveShard], number: int) -> ArchiveShard:
    return next(shard for shard in shards if shard.number == number)


def _write_snapshot(stores: Calculation, account_id: AccountId, folder: str, request: CalculationRequest) -> None:
    audiences = tuple(stores.audiences.get(account_id, each) for each in request.audience_ids)
    active = [each for each in stores.audiences.outlines(account_id) if each.status is AudienceStatus.ACTIVE]
    made = Snapshot(audiences=audiences, parts={each.audience_id: each.live_set for each in active})
    stores.files.put_lines(f"{folder}/audiences.jsonl", [made.model_dump(mode="json")])


def _shards(stores: Calculation, account_id: AccountId, job_id: str) -> list[FoundShard]:
    """All that were looked at, ascending."""
    parts = sorted(stores.jobs.parts(account_id, job_id), key=lambda part: part.bucket)
    counts = [{AudienceId(int(each)): size for each, size in part.result.items()} for part in parts]
    return [FoundShard(part.bucket, part.looked_at, sizes) for part, sizes in zip(parts, counts, strict=True)]


def _ready(
    store: AudienceStore,
    account_id: AccountId,
    job_id: str,
    audience_ids: Sequence[AudienceId],
    shards: Sequence[FoundShard],
    manifest: Manifest,
    now: datetime,
) -> list[Audience]:
    """Those of the audiences that still wait for this calculation, with what it found."""
    found = []
    for audience in (store.get(account_id, each) for each in audience_ids):
        if (audience.status, audience.calculation_id) == (AudienceStatus.CALCULATING, job_id):
            result = LifetimeResult(
                calculation_id=job_id,
                size=sum(shard.counts.get(audience.audience_id, 0) for shard in shards),
                calculated_at=now,
                expires_at=now + READY_FOR,
                archive_version=manifest.version,
                shard_count=manifest.count,
            )
            found.append(audience.model_copy(update={"status": AudienceStatus.READY, "result": result}))
    return found
