"""Files as blocks of columns: CSV, Parquet and JSON lines, read in bounded memory."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import batched
from pathlib import Path
from typing import Any, Protocol

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

from audience_cli.errors import UsageError
from audience_cli.importer import mapping

BLOCK_ROWS = 16_384
CSV_BLOCK_BYTES = 1 << 20
FORMATS = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet", ".pq": "parquet", ".jsonl": "jsonl", ".ndjson": "jsonl"}


@dataclass(slots=True)
class Block:
    """Consecutive rows of a file, column by column.

    Args:
        first: number of the first row in the file, from 0.
        unreadable: row within the block -> why it cannot be read.
    """

    first: int
    size: int
    columns: dict[str, list[Any]]
    unreadable: dict[int, str] = field(default_factory=dict)


class Source(Protocol):
    """A file to import.

    Attributes:
        instants: columns whose values already are UTC milliseconds.
        total_rows: None where only reading it would tell.
    """

    instants: frozenset[str]
    total_rows: int | None

    def blocks(self, start: int) -> Iterator[Block]:
        """The rows from number `start` on."""


def open_source(path: Path, options: mapping.Source, wanted: frozenset[str]) -> Source:
    """The file, of which only the wanted columns are read.

    Raises:
        UsageError: it is absent, of an unknown format, or lacks a column.
    """
    kind = options.format or FORMATS.get(path.suffix.lower())
    try:
        match kind:
            case "csv":
                return CsvSource(path, options, wanted)
            case "parquet":
                return ParquetSource(path, options, wanted)
            case "jsonl":
                return JsonLinesSource(path, wanted)
            case _:
                raise UsageError(f'{path}: which format is it? [source] format = "csv", "parquet" or "jsonl"')
    except UnicodeDecodeError as error:
        raise UsageError(f"cannot read {path}: the names of its columns are not UTF-8") from error
    except (OSError, pa.ArrowInvalid) as error:
        raise UsageError(f"cannot read {path}: {error}") from error


class ParquetSource:
    """Row groups before the start are not read at all."""

    def __init__(self, path: Path, options: mapping.Source, wanted: frozenset[str]) -> None:
        self._path = path
        self._zone = options.time_zone
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            groups = [file.metadata.row_group(each).num_rows for each in range(file.metadata.num_row_groups)]
        require_columns(path, schema.names, wanted)
        self._names = [name for name in schema.names if name in wanted]
        self._group_rows: Sequence[int] = groups
        self.instants = frozenset(name for name in self._names if is_instant(schema.field(name).type))
        self.total_rows: int | None = sum(groups)

    def blocks(self, start: int) -> Iterator[Block]:
        first, skipped_groups = 0, 0
        while skipped_groups < len(self._group_rows) and first + self._group_rows[skipped_groups] <= start:
            first += self._group_rows[skipped_groups]
            skipped_groups += 1
        remaining = list(range(skipped_groups, len(self._group_rows)))
        with pq.ParquetFile(self._path) as file:
            batches = file.iter_batches(BLOCK_ROWS, row_groups=remaining, columns=self._names)
            yield from _from_arrow(batches, first, start, self._zone)


class CsvSource:
    """Every column is read as text; an empty cell is null. Lines with another number of cells are left out."""

    instants: frozenset[str] = frozenset()
    total_rows: int | None = None

    def __init__(self, path: Path, options: mapping.Source, wanted: frozenset[str]) -> None:
        self._path = path
        self._delimiter = "\t" if path.suffix.lower() == ".tsv" and options.delimiter == "," else options.delimiter
        self._read = pa.csv.ReadOptions(block_size=CSV_BLOCK_BYTES, encoding=options.encoding)
        with self._open(pa.csv.ConvertOptions()) as reader:
            names = reader.schema.names
        require_columns(path, names, wanted)
        self._names = [name for name in names if name in wanted]

    def _open(self, convert: Any) -> Any:
        parse = pa.csv.ParseOptions(
            delimiter=self._delimiter, newlines_in_values=True, invalid_row_handler=lambda _: "skip"
        )
        return pa.csv.open_csv(self._path, self._read, parse, convert)

    def blocks(self, start: int) -> Iterator[Block]:
        convert = pa.csv.ConvertOptions(
            include_columns=self._names,
            column_types=dict.fromkeys(self._names, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
        )
        with self._open(convert) as reader:
            yield from _from_arrow(reader, 0, start, "UTC")


class JsonLinesSource:
    """One JSON object per line; `a.b` names the member `b` of the object in `a`; what is absent is null."""

    instants: frozenset[str] = frozenset()
    total_rows: int | None = None

    def __init__(self, path: Path, wanted: frozenset[str]) -> None:
        self._path = path
        self._paths = {name: name.split(".") for name in wanted}
        with path.open("rb"):
            pass

    def blocks(self, start: int) -> Iterator[Block]:
        first = 0
        with self._path.open("rb") as lines:
            for some in batched(lines, BLOCK_ROWS, strict=False):
                if first + len(some) > start:
                    yield self._block(some[max(start - first, 0) :], max(first, start))
                first += len(some)

    def _block(self, lines: Sequence[bytes], first: int) -> Block:
        block = Block(first, len(lines), {})
        records = [_object(line, number, block) for number, line in enumerate(lines)]
        for name, path in self._paths.items():
            block.columns[name] = [_member(each, name, path) for each in records]
        return block


def require_columns(path: Path, names: Sequence[str], wanted: frozenset[str]) -> None:
    missing = sorted(wanted - set(names))
    if missing:
        raise UsageError(
            f"{path} has no column {', '.join(map(repr, missing))}; it has {', '.join(names)}. "
            'A fixed text is written { constant = "..." } in the mapping.'
        )


def is_instant(kind: Any) -> bool:
    return bool(pa.types.is_timestamp(kind) or pa.types.is_date(kind))


def _from_arrow(batches: Iterator[Any], first: int, start: int, zone: str) -> Iterator[Block]:
    for whole in batches:
        rows = whole.slice(min(max(start - first, 0), whole.num_rows))
        number = first + whole.num_rows - rows.num_rows
        first += whole.num_rows
        if rows.num_rows:
            columns = {name: _values(rows.column(name), zone) for name in rows.schema.names}
            yield Block(number, rows.num_rows, columns)


def _values(array: Any, zone: str) -> list[Any]:
    kind = array.type
    if is_instant(kind):
        array = _milliseconds(array, zone)
    elif pa.types.is_floating(kind):
        array = pc.if_else(pc.is_finite(array), array, None)
    elif pa.types.is_decimal(kind):
        array = array.cast(pa.float64())
    values: list[Any] = array.to_pylist()
    return values


def _milliseconds(array: Any, zone: str) -> Any:
    array = array.cast(pa.timestamp("us", getattr(array.type, "tz", None)), safe=False)
    if array.type.tz is None:
        array = pc.assume_timezone(array, zone, ambiguous="earliest", nonexistent="latest")
    return array.cast(pa.timestamp("ms", "UTC"), safe=False).cast(pa.int64())


def _object(line: bytes, number: int, block: Block) -> dict[str, Any]:
    try:
        found = json.loads(line, parse_constant=lambda _: None)
    except ValueError:
        found = None
    if isinstance(found, dict):
        return found
    block.unreadable[number] = "not a JSON object"
    return {}


def _member(record: dict[str, Any], name: str, path: list[str]) -> Any:
    if name in record:
        return record[name]
    found: Any = record
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found
