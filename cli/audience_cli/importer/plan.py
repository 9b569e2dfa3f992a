"""The requests of an import: the same ones, in the same order, whenever they are asked for."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from audience_cli.errors import UsageError
from audience_cli.importer.batching import Request, batches, requests, users
from audience_cli.importer.grouping import CHUNK_GROUPS, Chunk, chunks, groups
from audience_cli.importer.mapping import Mapping
from audience_cli.importer.resume import START, Position
from audience_cli.importer.rows import Row, RowReader, columns_of
from audience_cli.importer.sources import Source, open_source

# Distinct profiles are counted exactly up to here, to keep memory bounded.
MAX_COUNTED_PROFILES = 2_000_000


@dataclass(frozen=True, slots=True)
class Step:
    """A request, and where the import stands once it and all before it are acknowledged.

    Args:
        is_barrier: the next one may speak of the same users; it must wait until this one is acknowledged.
    """

    request: Request
    after: Position
    is_barrier: bool

    @property
    def body(self) -> bytes:
        return self.request.body


@dataclass
class Seen:
    """What was read: rows, the rows left out by reason, and profiles (as hashes of their identities)."""

    rows: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    profiles: set[int] = field(default_factory=set)


@dataclass(frozen=True)
class Plan:
    """An import of some files.

    Args:
        shift_ms: added to every time.
        latest: UTC ms; later rows are left out.
        chunk_groups: events gathered by user before they are sent; a resumed import needs the same number.
        progress: called with the number of rows of each block that was read.
    """

    files: Sequence[Path]
    mapping: Mapping
    shift_ms: int = 0
    latest: int | None = None
    chunk_groups: int = CHUNK_GROUPS
    progress: Callable[[int], None] = lambda _: None
    seen: Seen = field(default_factory=Seen)

    def steps(self, start: Position = START) -> Iterator[Step]:
        """What is still to be sent after `start`.

        Raises:
            UsageError: a file cannot be read or does not fit the mapping.
        """
        for number in range(start.file, len(self.files)):
            yield from self._steps_of_file(number, start if number == start.file else Position(number, 0, 0))

    def _steps_of_file(self, number: int, start: Position) -> Iterator[Step]:
        sent = 0
        base = start.row
        for chunk in chunks(groups(self.rows(self.files[number], base)), max_groups=self.chunk_groups):
            found = list(self._requests(chunk))
            for index, request in enumerate(found, 1):
                sent += 1
                is_last = index == len(found)
                if is_last and chunk.restart is not None:
                    after = Position(number, chunk.restart, 0)
                else:
                    after = Position(number, base, sent)
                if base > start.row or sent > start.requests:
                    yield Step(request, after, is_last)
            if chunk.restart is not None:
                base, sent = chunk.restart, 0

    def _requests(self, chunk: Chunk) -> Iterator[Request]:
        found = users(self.mapping, chunk, self.shift_ms)
        if len(self.seen.profiles) < MAX_COUNTED_PROFILES:
            self.seen.profiles.update(hash(tuple(each.identities.items())) for each in found)
        return requests(batch for user in found for batch in batches(self.mapping, user, self.seen.skipped))

    def rows(self, file: Path, start: int) -> Iterator[Row]:
        """The usable rows of one file, from number `start` on."""
        source = self._open(file)
        reader = RowReader(self.mapping, source.instants, self.shift_ms, self.latest, self.seen.skipped)
        for block in source.blocks(start):
            self.seen.rows += block.size
            self.progress(block.size)
            yield from reader.rows(block)

    def _open(self, file: Path) -> Source:
        return open_source(file, self.mapping.source, columns_of(self.mapping))


def latest_instant(files: Sequence[Path], mapping: Mapping, progress: Callable[[int], None]) -> int:
    """UTC ms of the latest usable row.

    Raises:
        UsageError: there is none.
    """
    if mapping.event is None:
        raise UsageError("--shift-to needs events: the mapping has no [event]")
    plan = Plan(files, mapping, progress=progress)
    newest = max((row.at for file in files for row in plan.rows(file, 0)), default=None)
    if newest is None:
        raise UsageError("no row can be imported: " + ", ".join(f"{n} {why}" for why, n in plan.seen.skipped.items()))
    return newest


def total_rows(files: Sequence[Path], mapping: Mapping) -> int | None:
    """How many rows there are, None where a file does not tell. Every file is checked against the mapping."""
    counts = [open_source(file, mapping.source, columns_of(mapping)).total_rows for file in files]
    return None if None in counts else sum(each for each in counts if each is not None)
