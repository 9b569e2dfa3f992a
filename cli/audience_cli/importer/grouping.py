"""Rows of one event brought together while reading, and the points at which reading could begin again."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from audience_cli.importer.rows import Head, Row

# Rows of one event may stand apart in the file by as many other events as this.
WINDOW_GROUPS = 1000
CHUNK_ROWS = 50_000
CHUNK_GROUPS = 10_000


@dataclass(slots=True)
class Group:
    """The rows of one event, from `first` to `last` in the file."""

    first: int
    last: int
    at: int
    is_negative: bool
    head: Head
    products: list[dict[str, Any]] = field(default_factory=list)
    size: int = 0

    def add(self, row: Row) -> None:
        self.last = row.number
        self.size += 1
        if row.product is not None:
            self.products.append(row.product)


@dataclass(slots=True)
class Chunk:
    """Consecutive groups, sent before the next chunk begins.

    Args:
        restart: number of a row before which all groups are in this chunk or an earlier one, and from which on all
            are in later ones; None where rows of events on both sides are mixed.
    """

    groups: list[Group]
    restart: int | None


def groups(rows: Iterable[Row], window: int = WINDOW_GROUPS) -> Iterator[tuple[Group, int | None]]:
    """Groups in the order of their first rows, each with the first row of the group after it (None: it is the last).

    A group is complete once `window` further groups have begun, so its content does not depend on where reading began.
    """
    pending: dict[tuple[Any, ...], Group] = {}
    for row in rows:
        group = pending.get(row.key)
        if group is None:
            if len(pending) >= window:
                done = pending.pop(next(iter(pending)))
                yield done, next((each.first for each in pending.values()), row.number)
            group = pending[row.key] = Group(row.number, row.number, row.at, row.is_negative, row.head())
        group.add(row)
    starts = [group.first for group in pending.values()][1:]
    yield from zip(pending.values(), [*starts, None], strict=False)


def chunks(
    grouped: Iterable[tuple[Group, int | None]], max_rows: int = CHUNK_ROWS, max_groups: int = CHUNK_GROUPS
) -> Iterator[Chunk]:
    """Chunks that end where reading can begin again, unless that would make them four times as long."""
    chunk: list[Group] = []
    rows, reach = 0, -1
    for group, following in grouped:
        chunk.append(group)
        rows += group.size
        reach = max(reach, group.last)
        fullness = max(rows / max_rows, len(chunk) / max_groups)
        is_clean = following is not None and following > reach
        if fullness >= (1 if is_clean else 4):
            yield Chunk(chunk, following if is_clean else None)
            chunk, rows = [], 0
    if chunk:
        yield Chunk(chunk, None)
