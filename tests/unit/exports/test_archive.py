"""Archives written into a sink that cannot go back, as other programs read them."""

import io
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.exports.archive import archive_into
from audience_core.exports.csv_rows import CsvLayout
from audience_core.exports.parquet_file import write_parquet
from audience_core.persistence.memory.exports import MemorySink
from tests.unit.exports.test_csv_rows import AT, VALUES

NOON = datetime(2026, 11, 23, 12, 30, 2, tzinfo=UTC)


def test_an_archive_is_read_by_zipfile_and_by_unzip(tmp_path: Path) -> None:
    sink = MemorySink()
    with archive_into(sink, NOON) as archive:
        archive.add("empty.csv", (), 0)
        archive.add("rows.csv", (b"one\r\n", b"two\r\n"), 10)

    file = tmp_path / "a.zip"
    file.write_bytes(sink.content)
    with zipfile.ZipFile(file) as opened:
        assert opened.testzip() is None
        assert (opened.read("empty.csv"), opened.read("rows.csv")) == (b"", b"one\r\ntwo\r\n")
        assert {each.date_time for each in opened.infolist()} == {(2026, 11, 23, 12, 30, 2)}
    if unzip := shutil.which("unzip"):
        done = subprocess.run([unzip, "-t", str(file)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_what_may_be_large_has_the_form_for_large_files() -> None:
    sink = MemorySink()
    with archive_into(sink, NOON) as archive:
        archive.add("rows.csv", (b"one\r\n",), 3 << 30)

    assert zipfile.ZipFile(io.BytesIO(sink.content)).read("rows.csv") == b"one\r\n"
    # The version needed to extract it: 4.5, from which on sizes have 64 bits.
    assert sink.content[4:6] == (45).to_bytes(2, "little")


def test_an_interrupted_archive_raises_what_interrupted_it() -> None:
    def broken() -> Iterator[bytes]:
        yield b"one"
        raise LookupError("gone")

    with pytest.raises(LookupError), archive_into(MemorySink(), NOON) as archive:
        archive.add("rows.csv", broken(), 3)


@given(st.lists(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), VALUES), min_size=1, max_size=5), max_size=3))
@settings(deadline=None)
def test_parquet_holds_what_the_pieces_say(pieces: list[list[tuple[int, str]]]) -> None:
    layout, sink = CsvLayout(AT), MemorySink()
    texts = ["".join(layout.line(mpid, value, "other") for mpid, value in piece).encode() for piece in pieces]

    with archive_into(sink, NOON) as archive, archive.entry("rows.parquet", 1000) as entry:
        write_parquet(entry, texts)

    content = zipfile.ZipFile(io.BytesIO(sink.content)).read("rows.parquet")
    table = pyarrow.parquet.read_table(io.BytesIO(content))
    assert table.to_pylist() == [
        {"mpid": mpid, "scanned_timestamp_ms": AT, "identity_value": value, "identity_type": "other"}
        for piece in pieces
        for mpid, value in piece
    ]
    assert pyarrow.parquet.ParquetFile(io.BytesIO(content)).num_row_groups == len(pieces)
