"""The rows of an export as a Parquet file; for functions that have the columnar layer."""

import io
from collections.abc import Iterable
from typing import IO, Any

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from audience_core.exports.csv_rows import COLUMNS

_TYPES = (pa.int64(), pa.int64(), pa.string(), pa.dictionary(pa.int32(), pa.string()))
_SCHEMA = pa.schema(list(zip(COLUMNS, _TYPES, strict=True)))


def write_parquet(entry: IO[bytes], pieces: Iterable[bytes]) -> None:
    """Every piece becomes a row group, so no more than one of them is in memory.

    Args:
        pieces: each whole rows of CSV without a header, as `CsvLayout` writes them with its options off.
    """
    with pa.PythonFile(_Counting(entry), "w") as sink, pyarrow.parquet.ParquetWriter(sink, _SCHEMA) as writer:
        for piece in pieces:
            writer.write_table(_table(piece))


def _table(piece: bytes) -> Any:
    return pyarrow.csv.read_csv(
        io.BytesIO(piece),
        read_options=pyarrow.csv.ReadOptions(column_names=list(COLUMNS), use_threads=False, block_size=len(piece) + 1),
        parse_options=pyarrow.csv.ParseOptions(newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=_SCHEMA, strings_can_be_null=False, quoted_strings_can_be_null=False
        ),
    )


class _Counting:
    """An entry of an archive as Arrow wants a file to be: it knows where it is, and closing it is left to its owner."""

    closed = False

    def __init__(self, entry: IO[bytes]) -> None:
        self._entry, self._written = entry, 0

    def write(self, data: bytes) -> int:
        self._written += len(data)
        return self._entry.write(data)

    def tell(self) -> int:
        return self._written

    def flush(self) -> None:
        """Nothing waits here."""

    def close(self) -> None:
        """The owner of the entry closes it."""
