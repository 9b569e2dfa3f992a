"""The function `calculate_shard`, whole: `python -m benchmarks.peers.handler <folder> <audiences>`.

It imports all that the function imports, clients of AWS included. The shard lies in a folder in place of S3, and is
checked as from there; the job, and what is put into S3, are in memory.
"""

import json
import struct
import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from audience_core import wiring_archive
from audience_core.domain.archive import ArchiveShard, Manifest
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import Job
from audience_core.persistence.memory.jobs import MemoryJobStore, MemoryRunFiles
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.shards import MemoryShardStore
from audience_core.persistence.results import S3ResultStore
from audience_core.persistence.shards import Stream, whole
from audience_core.pipeline.lifetime import Calculation, folder_of
from benchmarks.peers.questions import Stopwatch, report
from functions.calculate_shard.handler import lambda_handler
from tests.support.http_api import a_context

ACCOUNT, JOB = AccountId(1), "lifetime-1"


class FolderShards(MemoryShardStore):
    """One shard, whose files lie in a folder."""

    def __init__(self, folder: Path, manifest: Manifest) -> None:
        super().__init__()
        self._folder = folder
        self.commit(ACCOUNT, manifest)

    def fetch(self, account_id: AccountId, shard: ArchiveShard, name: str) -> memoryview:
        with ExitStack() as opened:

            def part(first: int, _: int) -> Stream:
                source = opened.enter_context((self._folder / name).open("rb", buffering=0))
                source.seek(first)
                return source

            content = whole(part, shard.files[name].size)
        assert content is not None, name
        return content


class Objects:
    """What is put into S3, kept in memory."""

    def __init__(self) -> None:
        self.content: dict[str, bytes] = {}

    def put_object(self, **given: Any) -> None:
        self.content[given["Key"]] = given["Body"]


def calculation(folder: Path, run: dict[str, Any], objects: Objects) -> Calculation:
    """A run that has begun, as `benchmarks.asked` has noted it."""
    jobs, files, results = MemoryJobStore(), MemoryRunFiles(), S3ResultStore("results")
    jobs.save(Job.model_validate(run["job"]))
    files.put_lines(f"{folder_of(ACCOUNT, JOB)}/audiences.jsonl", [run["snapshot"]])
    vars(results)["_client"] = objects
    shards, real = FolderShards(folder, Manifest.model_validate(run["manifest"])), wiring_archive.calculation()
    return Calculation(real.audiences, MemoryMembershipStore(), shards, results, jobs, files)


def bits_in(content: bytes, audience_ids: list[int]) -> dict[AudienceId, np.ndarray[tuple[int], np.dtype[np.uint8]]]:
    (users,) = struct.unpack_from(">q", content)
    rows = np.frombuffer(content, np.uint8, offset=8 * (1 + users)).reshape(len(audience_ids), -1)
    return {AudienceId(each): row for each, row in zip(sorted(audience_ids), rows, strict=True)}


def main() -> None:
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    run, objects = json.loads((folder / f"run-{count}.json").read_bytes()), Objects()
    stores = calculation(folder, run, objects)
    wiring_archive.calculation.cache_clear()
    wiring_archive.calculation = lambda: stores  # type: ignore[assignment]
    stopwatch = Stopwatch()
    lambda_handler({"account_id": ACCOUNT, "job_id": JOB, "token": 1, "number": 0}, a_context())
    seconds = stopwatch.seconds()
    (content,) = objects.content.values()
    report(seconds, bits_in(content, run["job"]["request"]["audience_ids"]))


if __name__ == "__main__":
    main()
