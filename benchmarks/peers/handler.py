"""The function `calculate_shard`, whole: `python -m benchmarks.peers.handler <folder> <audiences>`.

The shard lies in a folder in place of S3, and is checked and copied as from there; jobs and results are in memory.
"""

import sys
from collections.abc import Collection
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from audience_core import wiring
from audience_core.domain.archive import SCANNED, ArchivedFile, ArchiveShard, Manifest
from audience_core.domain.ids import AccountId
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.lifetime import DateRange, day_of
from audience_core.errors import DamagedShardError
from audience_core.evaluation.columnar.parquet import ParquetGroups
from audience_core.evaluation.columnar.shard import MPIDS
from audience_core.persistence.memory.control import MemoryAudienceStore
from audience_core.persistence.memory.jobs import MemoryJobStore, MemoryRunFiles
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.shards import MemoryShardStore
from audience_core.persistence.results import S3ResultStore
from audience_core.pipeline.lifetime import Calculation, Snapshot, folder_of
from benchmarks.peers.questions import NOW, Stopwatch, packed, read_audiences, report
from functions.calculate_shard.handler import lambda_handler
from tests.support.http_api import a_context

ACCOUNT, JOB = AccountId(1), "lifetime-1"
# As the workload makes them: the mpids of a shard are so far apart.
_MPID_STEP = 7919


class FolderShards(MemoryShardStore):
    """One shard, whose files lie in a folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        paths = [folder / name for name in SCANNED]
        files = {each.name: ArchivedFile(size=each.stat().st_size, sha256=_digest(each)) for each in paths}
        events = sum(ParquetGroups.open(folder / "events.parquet").sizes.values())
        users = ParquetGroups.open(folder / "users.parquet").sizes[MPIDS]
        shard = ArchiveShard(number=0, folder="0", users=users, events=events, files=files)
        self.commit(ACCOUNT, Manifest(version=1, shards=(shard,)))

    def download(self, account_id: AccountId, shard: ArchiveShard, names: Collection[str], target: Path) -> None:
        for name in names:
            content = (self._folder / name).read_bytes()
            if sha256(content).hexdigest() != shard.files[name].sha256:
                raise DamagedShardError(name)
            (target / name).write_bytes(content)


class Objects:
    """What is put into S3, kept in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put_object(self, **given: Any) -> None:
        self.content[given["Key"]] = given["Body"]


def calculation(folder: Path, count: int, objects: Objects) -> Calculation:
    """A run of so many audiences that has begun, over the 180 days that other contenders are asked about."""
    jobs, files = MemoryJobStore(), MemoryRunFiles()
    days = DateRange(start=day_of(NOW) - timedelta(days=180))
    audiences = tuple(each.model_copy(update={"date_range": days}) for each in read_audiences(folder, count))
    files.put_lines(
        f"{folder_of(ACCOUNT, JOB)}/audiences.jsonl",
        [Snapshot(audiences=audiences, parts={}).model_dump(mode="json")],
    )
    request = {"audience_ids": [each.audience_id for each in audiences], "at": NOW, "credits": 1, "created_by": "b"}
    job = Job(
        account_id=ACCOUNT,
        job_id=JOB,
        kind=JobKind.LIFETIME_CALCULATION,
        state=JobState.RUNNING,
        target=1,
        request=request,
        lease_until=2**60,
        created_at=audiences[0].created_at,
    )
    jobs.save(job)
    results = S3ResultStore("results")
    vars(results)["_client"] = objects
    return Calculation(MemoryAudienceStore(), MemoryMembershipStore(), FolderShards(folder), results, jobs, files)


def _digest(path: Path) -> str:
    return sha256(path.read_bytes()).hexdigest()


def _rows(content: bytes) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    return np.frombuffer(content, ">i8").astype(np.int64) // _MPID_STEP - 1


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    objects = Objects()
    stores = calculation(folder, count, objects)
    wiring.calculation.cache_clear()
    wiring.calculation = lambda: stores  # type: ignore[assignment]
    stopwatch = Stopwatch()
    lambda_handler({"account_id": ACCOUNT, "job_id": JOB, "token": 1, "number": 0}, a_context())
    seconds = stopwatch.seconds()
    (users,) = [shard.users for shard in stores.shards.manifest(ACCOUNT).shards]
    ids = [each.audience_id for each in read_audiences(folder, count)]
    found = {each: objects.content[f"lifetime/{ACCOUNT}/{each}/{JOB}/00000.mpids"] for each in ids}
    report(seconds, {each: packed(_rows(content), users) for each, content in found.items()})


if __name__ == "__main__":
    main()
