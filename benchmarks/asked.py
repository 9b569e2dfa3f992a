"""What the contenders of `benchmarks.columnar` are asked: audiences, columns to decode, and a worker's run."""

import json
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import reduce
from hashlib import sha256
from pathlib import Path
from typing import Any

from audience_core.domain.archive import SCANNED, ArchivedFile, ArchiveShard, Manifest
from audience_core.domain.audience import Audience
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.lifetime import DateRange, day_of
from audience_core.domain.profile import RegisterKind
from audience_core.evaluation.columnar.parquet import ParquetGroups
from audience_core.evaluation.columnar.plan import plan_of
from audience_core.evaluation.columnar.shard import MPIDS, SEEN, VALUE, Key, look_back
from audience_core.evaluation.columnar.tracks import Needs
from audience_core.pipeline.lifetime import CalculationRequest, Snapshot
from benchmarks import workload

# All columns that the definitions speak of; and without those that the evaluator knows from the file's statistics.
NAMED, READ = "named", "read"
_DAYS = 180

type _Reads = list[tuple[str, int, list[str]]]
type _Wanted = Iterator[tuple[Key, tuple[str, ...], frozenset[str], frozenset[str]]]


def write(folder: Path, count: int) -> None:
    """Write so many audiences, one JSON object per line, and for decoding alone (file, row group, columns)."""
    audiences = workload.portfolio(count, longest_days=_DAYS)
    workload.audiences_file(folder, count).write_text("".join(f"{each.model_dump_json()}\n" for each in audiences))
    events, users = (ParquetGroups.open(folder / f"{name}.parquet") for name in ("events", "users"))
    named: _Reads = []
    read: _Reads = []
    for table, wanted in ((events, _of_events(audiences)), (users, _of_users())):
        for key, integers, labels, values in wanted:
            varying = labels - table.constants(key, labels).keys()
            named.append((str(table.source), *table.columns_of(key, integers, labels, values)))
            read.append((str(table.source), *table.columns_of(key, integers, varying, values)))
    for name, reads in ((NAMED, named), (READ, read)):
        decoding_file(folder, count, name).write_text(json.dumps(reads))
    run_file(folder, count).write_text(json.dumps(_run(folder, audiences)))


def decoding_file(folder: Path, count: int, name: str) -> Path:
    return folder / f"decode-{name}-{count}.json"


def run_file(folder: Path, count: int) -> Path:
    return folder / f"run-{count}.json"


def _run(folder: Path, audiences: Sequence[Audience]) -> dict[str, Any]:
    """A calculation that has begun, over the days that other contenders are asked about: its job, shard, snapshot."""
    days = DateRange(start=day_of(workload.END) - timedelta(days=_DAYS))
    asked = tuple(each.model_copy(update={"date_range": days}) for each in audiences)
    job = Job(
        account_id=asked[0].account_id,
        job_id="lifetime-1",
        kind=JobKind.LIFETIME_CALCULATION,
        state=JobState.RUNNING,
        target=1,
        request=CalculationRequest(
            audience_ids=tuple(each.audience_id for each in asked), at=workload.END, credits=1, created_by="b"
        ).model_dump(mode="json"),
        lease_until=2**60,
        created_at=asked[0].created_at,
    )
    contents = {name: (folder / name).read_bytes() for name in SCANNED}
    shard = ArchiveShard(
        number=0,
        folder="0",
        users=ParquetGroups.open(folder / "users.parquet").sizes[MPIDS],
        events=sum(ParquetGroups.open(folder / "events.parquet").sizes.values()),
        files={n: ArchivedFile(size=len(each), sha256=sha256(each).hexdigest()) for n, each in contents.items()},
    )
    made = {
        "job": job,
        "manifest": Manifest(version=1, shards=(shard,)),
        "snapshot": Snapshot(audiences=asked, parts={}),
    }
    return {name: each.model_dump(mode="json") for name, each in made.items()}


def _of_events(audiences: Sequence[Audience]) -> _Wanted:
    plan = plan_of(audiences, (), workload.END, look_back(workload.END, _DAYS))
    for (kind, name), questions in plan.by_source().items():
        needs = reduce(Needs.__or__, (question.needs for question in questions))
        yield (kind, name or ""), ("user", "at"), needs.labels, needs.attributes


def _of_users() -> _Wanted:
    for name in ("tier", "country"):
        key = (RegisterKind.ATTRIBUTE.value, name)
        yield key, ("user",), frozenset({"workspace"}), frozenset({VALUE})
    yield (SEEN, workload.WORKSPACE), ("user",), frozenset(), frozenset()
