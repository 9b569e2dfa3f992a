"""Files as blocks of columns."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from audience_cli.importer import mapping
from audience_cli.importer.sources import Source, open_source


def column(source: Source, name: str, start: int = 0) -> list[Any]:
    return [value for block in source.blocks(start) for value in block.columns[name]]


@pytest.mark.parametrize("start", [0, 1, 9_999, 10_000, 16_384, 40_001, 59_999, 60_000])
@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
def test_rows_are_numbered_from_wherever_reading_begins(tmp_path: Path, kind: str, start: int) -> None:
    file = tmp_path / f"a.{kind}"
    match kind:
        case "csv":
            file.write_text("n,m\n" + "".join(f"{n},x\n" for n in range(60_000)))
        case "parquet":
            pq.write_table(pa.table({"n": [str(n) for n in range(60_000)]}), file, row_group_size=10_000)
        case _:
            file.write_text("".join(f'{{"n": "{n}"}}\n' for n in range(60_000)))

    source = open_source(file, mapping.Source(), frozenset({"n"}))

    assert column(source, "n", start) == [str(n) for n in range(start, 60_000)]
    assert [block.first for block in source.blocks(start)][:1] == ([start] if start < 60_000 else [])


def test_parquet_instants_are_utc_milliseconds(tmp_path: Path) -> None:
    at = datetime(2011, 12, 9, 12, 50)  # noqa: DTZ001 the file has no zone
    table = pa.table(
        {
            "bare": pa.array([at], pa.timestamp("us")),
            "zoned": pa.array([at.replace(tzinfo=UTC)], pa.timestamp("ns", "Europe/Berlin")),
            "day": pa.array([date(2011, 12, 9)]),
        }
    )
    pq.write_table(table, tmp_path / "a.parquet")

    source = open_source(
        tmp_path / "a.parquet", mapping.Source(time_zone="Asia/Tokyo"), frozenset({"bare", "zoned", "day"})
    )

    assert source.instants == {"bare", "zoned", "day"}
    assert column(source, "bare") == [1_323_402_600_000]
    assert column(source, "zoned") == [1_323_435_000_000]
    assert column(source, "day") == [1_323_356_400_000]


def test_parquet_numbers_that_json_cannot_write_are_null(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1.5, float("nan"), float("inf")], "b": [Decimal("2.50")] * 3}), tmp_path / "a.pq")

    source = open_source(tmp_path / "a.pq", mapping.Source(), frozenset({"a", "b"}))

    assert column(source, "a") == [1.5, None, None]
    assert column(source, "b") == [2.5] * 3


def test_csv_cells_hold_line_breaks_and_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.tsv").write_bytes('a\tb\n"x\ny"\t\nM\u00fcller\t1\n'.encode("latin-1"))

    source = open_source(tmp_path / "a.tsv", mapping.Source(encoding="latin-1"), frozenset({"a", "b"}))

    assert column(source, "a") == ["x\ny", "M\u00fcller"]
    assert column(source, "b") == [None, "1"]


def test_members_of_nested_objects_are_columns(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"user": {"id": 7}}\n{"user": null}\n{"user.id": 8}\n')

    source = open_source(tmp_path / "a.jsonl", mapping.Source(), frozenset({"user.id"}))

    assert column(source, "user.id") == [7, None, 8]


def test_csv_cells_hold_line_breaks_wherever_blocks_end(tmp_path: Path) -> None:
    cell = "\n".join("abcdefgh")
    (tmp_path / "a.csv").write_text("a,b\n" + f'"{cell}",1\n' * 150_000)

    source = open_source(tmp_path / "a.csv", mapping.Source(), frozenset({"a", "b"}))

    assert set(column(source, "a")) == {cell}
    assert len(column(source, "b")) == 150_000
