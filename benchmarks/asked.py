"""What the contenders of `benchmarks.columnar` are asked: the audiences, and the columns that decoding alone reads."""

import json
from collections.abc import Iterator, Sequence
from functools import reduce
from pathlib import Path

from audience_core.domain.audience import Audience
from audience_core.domain.profile import RegisterKind
from audience_core.evaluation.columnar.parquet import ParquetGroups
from audience_core.evaluation.columnar.plan import plan_of
from audience_core.evaluation.columnar.shard import SEEN, VALUE, Key, look_back
from audience_core.evaluation.columnar.tracks import Needs
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
            named.append((str(table.path), *table.columns_of(key, integers, labels, values)))
            read.append((str(table.path), *table.columns_of(key, integers, varying, values)))
    for name, reads in ((NAMED, named), (READ, read)):
        decoding_file(folder, count, name).write_text(json.dumps(reads))


def decoding_file(folder: Path, count: int, name: str) -> Path:
    return folder / f"decode-{name}-{count}.json"


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
