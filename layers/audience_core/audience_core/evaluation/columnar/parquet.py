"""A shard as three Parquet files, one row group per group, of which only the columns asked for are read.

The files are `events`, `products` and `users`, and hold the tables of `Shard`. Every column is flat:

- `kind`, `name`: the group's key, for other readers; this one finds groups by the file's metadata.
- plain integers under their names (delta-encoded), labels under theirs (dictionary-encoded).
- an attribute in as many of three columns as its groups need: `number:<attribute>` holds int64 millionths,
  `text:<attribute>` text, `json:<attribute>` the JSON of whatever else. In one group one of them at most has values.
- `rest`: a JSON object of the attributes without columns of their own.
- metadata `groups`: for each row group its key, size, attributes with their encodings, and whether it has a rest.

docs/archive-layout.md tells the same to those who read the files with other tools.
"""

import json
import threading
from collections import Counter
from collections.abc import Buffer, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audience_core.evaluation.columnar.arrays import Integers
from audience_core.evaluation.columnar.columns import Codes, Column, is_present
from audience_core.evaluation.columnar.encoding import (
    encoding_of,
    from_rest,
    is_utf8,
    names_in_rest,
    packed,
    packed_labels,
    packed_rest,
    unpacked,
    unpacked_labels,
)
from audience_core.evaluation.columnar.shard import MPIDS, Group, Key, Shard

# More columns make a file slower to open; attributes beyond these are rare.
PROMOTED = 64
_REST, _KEY, _SPECS = "rest", ("kind", "name"), b"groups"
_FILES = ("events", "products", "users")
_TEXTS = pa.dictionary(pa.int32(), pa.string())

type Table = Mapping[Key, Group]


def write_shard(folder: Path, events: Table, products: Table, users: Table, promoted: int = PROMOTED) -> None:
    """Write the three tables of a `Shard`.

    Args:
        promoted: so many attributes of each table, the most frequent ones, get columns of their own.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in zip(_FILES, (events, products, users), strict=True):
        write_table(folder / f"{name}.parquet", table, promoted)


def read_shard(folder: Path) -> Shard:
    """A shard whose columns are read when they are asked for."""
    return _shard_of(*(ParquetGroups.open(folder / f"{name}.parquet") for name in _FILES))


def shard_in(files: Mapping[str, Buffer]) -> Shard:
    """As `read_shard`, of files that are in memory, by name; they are not copied."""
    return _shard_of(*(ParquetGroups.open(pa.py_buffer(files[f"{name}.parquet"])) for name in _FILES))


def _shard_of(events: "ParquetGroups", products: "ParquetGroups", users: "ParquetGroups") -> Shard:
    return Shard(users.sizes.get(MPIDS, 0), events, products, users)


@dataclass(frozen=True, slots=True)
class _Spec:
    """What the metadata say of a row group."""

    place: int
    rows: int
    encodings: Mapping[str, str]
    has_rest: bool


@dataclass(frozen=True)
class ParquetGroups:
    """A table in a file; safe to read from several threads."""

    source: Path | pa.Buffer
    metadata: pq.FileMetaData
    specs: Mapping[Key, _Spec]
    texts: Sequence[str]
    places: Mapping[str, int]
    _readers: threading.local = field(default_factory=threading.local)

    @classmethod
    def open(cls, source: Path | pa.Buffer) -> "ParquetGroups":
        metadata = pq.ParquetFile(source).metadata
        described = json.loads(metadata.metadata[_SPECS])
        specs = {
            (each["key"][0], each["key"][1]): _Spec(place, each["rows"], each["values"], each["rest"])
            for place, each in enumerate(described)
        }
        schema = metadata.schema
        columns = [schema.column(place) for place in range(len(schema))]
        texts = [each.path for each in columns if each.physical_type == "BYTE_ARRAY"]
        return cls(source, metadata, specs, texts, {each.path: place for place, each in enumerate(columns)})

    @cached_property
    def sizes(self) -> Mapping[Key, int]:
        return {key: spec.rows for key, spec in self.specs.items()}

    def whole(self, key: Key) -> Group:
        """Every column of a group."""
        row_group = self.metadata.row_group(self.specs[key].place)
        fixed = [name for name in self.places if ":" not in name and name not in (*_KEY, _REST)]
        # What belongs to a group has a value in each of its rows.
        own = [name for name in fixed if not row_group.column(self.places[name]).statistics.null_count]
        labels = [name for name in own if name in self.texts]
        return self.read(key, [name for name in own if name not in labels], labels, self._attributes(key))

    def _attributes(self, key: Key) -> list[str]:
        spec = self.specs[key]
        if not spec.has_rest:
            return list(spec.encodings)
        rest = _whole(self._reader().read_row_group(spec.place, columns=[_REST], use_threads=False).column(_REST))
        return [*spec.encodings, *names_in_rest(rest)]

    def _reader(self) -> pq.ParquetFile:
        """One per thread: a reader does one thing at a time."""
        if not hasattr(self._readers, "file"):
            self._readers.file = pq.ParquetFile(
                self.source, metadata=self.metadata, read_dictionary=self.texts, memory_map=True
            )
        return self._readers.file

    def columns_of(
        self, key: Key, integers: Collection[str], labels: Collection[str], values: Collection[str]
    ) -> tuple[int, list[str]]:
        """(row group, columns of the file) that hold what is asked for."""
        spec = self.specs[key]
        own = [f"{spec.encodings[name]}:{name}" for name in values if name in spec.encodings]
        rest = [_REST] if spec.has_rest and len(own) < len(values) else []
        return spec.place, [*integers, *labels, *own, *rest]

    def constants(self, key: Key, labels: Collection[str]) -> dict[str, Codes]:
        """The labels that the statistics show to be the same in all rows of a group."""
        row_group = self.metadata.row_group(self.specs[key].place)
        found = {}
        for name in labels:
            statistics = row_group.column(self.places[name]).statistics
            if statistics and statistics.has_min_max and not statistics.null_count and statistics.min == statistics.max:
                codes = np.broadcast_to(np.int32(0), row_group.num_rows)
                found[name] = Codes(codes, (statistics.min,))
        return found

    def read(self, key: Key, integers: Collection[str], labels: Collection[str], values: Collection[str]) -> Group:
        spec = self.specs[key]
        constants = self.constants(key, labels)
        varying = [name for name in labels if name not in constants]
        place, names = self.columns_of(key, integers, varying, values)
        table = self._reader().read_row_group(place, columns=names, use_threads=False)
        found = {name: _whole(table.column(name)) for name in names}
        own = {name: encoding for name in values if (encoding := spec.encodings.get(name))}
        columns = {name: unpacked(found[f"{encoding}:{name}"], encoding) for name, encoding in own.items()}
        if _REST in found:
            columns |= from_rest(found[_REST], [name for name in values if name not in own])
        return Group(
            spec.rows,
            {name: found[name].to_numpy() for name in integers},
            constants | {name: unpacked_labels(found[name]) for name in varying},
            columns,
        )


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def write_table(path: Path, given: Table, promoted: int = PROMOTED) -> None:
    """One table of a shard; groups without rows are left out."""
    table = {key: group for key, group in given.items() if group.rows}
    own = _promoted(table.values(), promoted)
    specs = [_described(key, group, own) for key, group in table.items()]
    schema = _schema(table.values(), own).with_metadata({_SPECS: json.dumps(specs).encode()})
    integers = {name for group in table.values() for name in group.integers}
    with pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=[name for name in schema.names if name not in integers],
        column_encoding=dict.fromkeys(integers, "DELTA_BINARY_PACKED"),
    ) as writer:
        for key, group in table.items():
            writer.write_table(_table(key, group, own, schema), row_group_size=group.rows)


def _promoted(groups: Collection[Group], limit: int) -> frozenset[str]:
    counts: Counter[str] = Counter()
    for group in groups:
        counts.update({name: int(is_present(column).sum()) for name, column in group.values.items()})
    return frozenset(name for name, _ in counts.most_common(limit) if is_utf8(name))


def _described(key: Key, group: Group, own: Collection[str]) -> dict[str, Any]:
    encodings = {name: encoding_of(column) for name, column in group.values.items() if name in own}
    return {"key": key, "rows": group.rows, "values": encodings, "rest": not group.values.keys() <= set(own)}


def _schema(groups: Collection[Group], own: Collection[str]) -> pa.Schema:
    types: dict[str, pa.DataType] = dict.fromkeys(_KEY, _TEXTS)
    for group in groups:
        types |= {name: pa.from_numpy_dtype(column.dtype) for name, column in group.integers.items()}
        types |= dict.fromkeys(group.labels, _TEXTS)
    for group in groups:
        for name, array in _values(group.values, own):
            types[name] = array.type
        if not group.values.keys() <= set(own):
            types[_REST] = _TEXTS
    return pa.schema(list(types.items()))


def _values(values: Mapping[str, Column], own: Collection[str]) -> Iterator[tuple[str, pa.Array]]:
    for name, column in values.items():
        if name in own:
            yield f"{encoding_of(column)}:{name}", packed(column)


def _table(key: Key, group: Group, own: Collection[str], schema: pa.Schema) -> pa.Table:
    arrays: dict[str, pa.Array] = {name: _repeated(value, group.rows) for name, value in zip(_KEY, key, strict=True)}
    arrays |= {name: pa.array(column) for name, column in group.integers.items()}
    arrays |= {name: packed_labels(column) for name, column in group.labels.items()}
    arrays |= dict(_values(group.values, own))
    rest = {name: column for name, column in group.values.items() if name not in own}
    if rest:
        arrays[_REST] = packed_rest(rest, group.rows)
    columns = [arrays[field.name] if field.name in arrays else pa.nulls(group.rows, field.type) for field in schema]
    return pa.table(columns, schema=schema)


def _repeated(text: str, rows: int) -> pa.Array:
    codes: Integers = np.zeros(rows, np.int32)
    return pa.DictionaryArray.from_arrays(codes, [text.encode("utf-8", "replace").decode()])
