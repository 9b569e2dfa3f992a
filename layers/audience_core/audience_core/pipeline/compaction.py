"""Compaction: what was put into an account's archive becomes part of its shards (docs/archive-layout.md).

First the new entries are spread over the shards that they belong to, then each shard that has any is written anew,
beside the old one; at last a new manifest names the new files in place of the old. Nothing is seen of it before that.
What was read before is read again for an hour's worth: entries are a set, and merging one twice changes nothing.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from audience_core.domain.account import Record
from audience_core.domain.archive import ArchiveShard, Manifest, RawArchive, RawFile, ShardStore, StagedEntries
from audience_core.domain.control_stores import AccountStore, JobStore, RunFiles
from audience_core.domain.ids import DAY_MS, AccountId
from audience_core.domain.job import UNDER_WAY, Job, JobKind, JobState
from audience_core.errors import NotFoundError
from audience_core.pipeline import leases
from audience_core.pipeline.leases import Go

# A part may take as long as a function may run.
LEASE_MS = 960_000
# Clocks differ, and a function that puts entries under one minute may end in a later one.
OVERLAP_MS = 3_600_000
# A shard is read, merged and written by one function: docs/archive-layout.md, "How many shards".
MAX_SHARD_EVENTS = 2_000_000
MAX_SHARDS = 1 << 16
# Compressed; of an event in its batch there are about so many.
_BYTES_PER_EVENT = 40
_CHUNK_BYTES, _CHUNK_FILES = 8_000_000, 400
_SLICE_BYTES, _MAX_SLICES = 4_000_000, 64
# Who began to read an older manifest may go on for so long.
KEPT_MS = 7 * DAY_MS

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Compaction:
    """What compaction needs of the outside world.

    Args:
        max_shard_events: with more than these on average, there are twice as many shards from then on.
    """

    accounts: AccountStore
    raw: RawArchive
    staged: StagedEntries
    shards: ShardStore
    jobs: JobStore
    files: RunFiles
    max_shard_events: int = MAX_SHARD_EVENTS


class CompactionPlan(Record):
    """What all parts of a compaction go by.

    Args:
        version: of the manifest that it starts from; count: how many shards there will be.
        slices: a shard's new entries are merged in so many portions, of different users each.
        read_until: UTC ms; entries of files listed then are read.
    """

    version: int
    count: int
    slices: int
    chunks: int
    read_until: int


class MergedShard(Record):
    """What came of one shard; None: nobody is left in it."""

    shard: ArchiveShard | None
    erased: Mapping[str, int]


def job_id_of(version: int) -> str:
    """Args:
    version: of the manifest that the compaction makes.
    """
    return f"compaction-{version}"


def folder_of(account_id: AccountId, job_id: str) -> str:
    return f"jobs/{account_id}/{job_id}"


# Its steps ------------------------------------------------------------------------------------------------------


def plan(stores: Compaction, account_id: AccountId, token: int, run: str, now: datetime) -> dict[str, Any]:
    """Take the job's lease and divide the new entries into parts; a plan that was made before is gone on with.

    Args:
        token: of the job's attempt that was started; 0: of a new run.

    Returns:
        `go`; and if that is on: `job_id`, `token`, and where the list of the parts is.
    """
    manifest = stores.shards.manifest(account_id)
    job_id = job_id_of(manifest.version + 1)
    folder = folder_of(account_id, job_id)
    made = stores.files.names(f"{folder}/plan.jsonl")
    raw = () if made else stores.raw.files(account_id, manifest.read_until - OVERLAP_MS)
    if not made and not raw:
        return {"go": Go.NOWHERE}
    job = _lease(stores.jobs, account_id, job_id, manifest.version + 1, token, run, now)
    if job is None:
        return {"go": Go.NOWHERE}
    if not made:
        count = shard_count(manifest, raw, stores.max_shard_events)
        _write_plan(stores.files, folder, manifest.version, count, raw, leases.ms(now))
    chunks = plan_of(stores.files, account_id, job_id).chunks
    bucket = stores.files.put_lines(f"{folder}/spread.jsonl", [{"number": number} for number in range(chunks)])
    return {"go": Go.ON, "job_id": job_id, "token": job.token, "bucket": bucket, "key": f"{folder}/spread.jsonl"}


def gather(stores: Compaction, account_id: AccountId, job_id: str, token: int, now: datetime) -> dict[str, Any]:
    """List the shards that have new entries; when there will be more shards than before, all of them.

    Returns:
        where the list is.
    """
    _require_ours(stores.jobs, account_id, job_id, token, now)
    the_plan, folder = plan_of(stores.files, account_id, job_id), folder_of(account_id, job_id)
    staged = stores.staged.staged_names(f"{account_id}/{job_id}/")
    numbers = {int(name.split("/")[2]) for name in staged}
    if the_plan.count != stores.shards.manifest(account_id, the_plan.version).count:
        numbers = set(range(the_plan.count))
    lines = [{"number": number} for number in sorted(numbers)]
    return {"bucket": stores.files.put_lines(f"{folder}/merge.jsonl", lines), "key": f"{folder}/merge.jsonl"}


def commit(stores: Compaction, account_id: AccountId, job_id: str, token: int, now: datetime) -> JobState:
    """Name the new files in place of the old ones, all at once; raise `StaleVersionError` when somebody else has."""
    if leases.has_succeeded(stores.jobs, account_id, job_id, token):
        return JobState.SUCCEEDED
    job = _require_ours(stores.jobs, account_id, job_id, token, now)
    the_plan, folder = plan_of(stores.files, account_id, job_id), folder_of(account_id, job_id)
    manifest = stores.shards.manifest(account_id, the_plan.version)
    names = stores.files.names(f"{folder}/merged/")
    results = [MergedShard.model_validate(line) for name in names for line in stores.files.lines(name)]
    rewritten = {line["number"] for line in stores.files.lines(f"{folder}/merge.jsonl")}
    shards = [shard for shard in manifest.shards if the_plan.count == manifest.count and shard.number not in rewritten]
    shards += [each.shard for each in results if each.shard is not None]
    erased = dict(manifest.erased) | {key: at for each in results for key, at in each.erased.items()}
    there = stores.shards.folders(account_id)
    unnamed = there - {shard.folder for shard in shards}
    after = Manifest(
        version=manifest.version + 1,
        count=the_plan.count,
        read_until=the_plan.read_until,
        committed_at=now,
        shards=tuple(sorted(shards, key=lambda shard: shard.number)),
        erased=erased,
        retired={name: manifest.retired.get(name, leases.ms(now)) for name in sorted(unnamed)},
    )
    _commit_once(stores.shards, account_id, after)
    _sweep(stores.shards, account_id, after, now)
    logger.info("archive compacted", extra={"account_id": account_id, "count": len(results), "events": after.events})
    return leases.end(stores.jobs, job, JobState.SUCCEEDED, "", now)


def plan_of(files: RunFiles, account_id: AccountId, job_id: str) -> CompactionPlan:
    (line,) = files.lines(f"{folder_of(account_id, job_id)}/plan.jsonl")
    return CompactionPlan.model_validate(line)


def raw_names(files: RunFiles, account_id: AccountId, job_id: str, chunk: int) -> list[str]:
    """The raw files of one part of the spreading."""
    lines = files.lines(f"{folder_of(account_id, job_id)}/chunks/{chunk:05d}.jsonl")
    return [line["name"] for line in lines]


def shard_count(manifest: Manifest, raw: Sequence[RawFile], max_shard_events: int) -> int:
    """So many that none gets more events than that, as far as can be told before anything is read."""
    events = manifest.events + sum(file.size for file in raw) // _BYTES_PER_EVENT
    count = manifest.count
    while events > count * max_shard_events and count < MAX_SHARDS:
        count *= 2
    return count


def _write_plan(files: RunFiles, folder: str, version: int, count: int, raw: Sequence[RawFile], now_ms: int) -> None:
    """The plan comes last: whoever finds it finds its chunks."""
    chunks = _chunks(raw)
    for number, names in enumerate(chunks):
        files.put_lines(f"{folder}/chunks/{number:05d}.jsonl", [{"name": name} for name in names])
    slices = min(_MAX_SLICES, 1 + sum(file.size for file in raw) // count // _SLICE_BYTES)
    made = CompactionPlan(version=version, count=count, slices=slices, chunks=len(chunks), read_until=now_ms)
    files.put_lines(f"{folder}/plan.jsonl", [made.model_dump()])


def _chunks(raw: Sequence[RawFile]) -> list[list[str]]:
    total, places = 0, []
    for place, file in enumerate(raw):
        total += file.size
        places.append((total // _CHUNK_BYTES, place // _CHUNK_FILES))
    pairs = zip(places, raw, strict=True)
    return [[file.name for _, file in group] for _, group in groupby(pairs, key=lambda pair: pair[0])]


def _lease(
    jobs: JobStore, account_id: AccountId, job_id: str, version: int, token: int, run: str, now: datetime
) -> Job | None:
    try:
        job = jobs.get(account_id, job_id)
    except NotFoundError:
        job = Job(
            account_id=account_id,
            job_id=job_id,
            kind=JobKind.ARCHIVE_COMPACTION,
            state=JobState.QUEUED,
            target=version,
            lease_until=leases.ms(now) + LEASE_MS,
            created_at=now,
        )
    if job.state not in UNDER_WAY and not token:
        changes = {"state": JobState.QUEUED, "token": job.token + 1, "run": "", "ended_at": None}
        job = job.model_copy(update=changes)
    return leases.take(jobs, job, token or job.token, run, now, LEASE_MS)


def _require_ours(jobs: JobStore, account_id: AccountId, job_id: str, token: int, now: datetime) -> Job:
    leases.require_ours(jobs, account_id, job_id, token, leases.ms(now), LEASE_MS)
    return jobs.get(account_id, job_id)


def _commit_once(shards: ShardStore, account_id: AccountId, manifest: Manifest) -> None:
    """A repeat, after a crash between this and the end of the job, finds its own work done."""
    latest = shards.manifest(account_id)
    if (latest.version, latest.shards) != (manifest.version, manifest.shards):
        shards.commit(account_id, manifest)


def _sweep(shards: ShardStore, account_id: AccountId, manifest: Manifest, now: datetime) -> None:
    for name, since in manifest.retired.items():
        if since + KEPT_MS < leases.ms(now):
            shards.remove(account_id, name)
