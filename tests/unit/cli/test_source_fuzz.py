"""Whatever is in a file, it is read, or refused as the command line refuses things: in a sentence."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from audience_cli.errors import CliError
from audience_cli.importer import mapping
from audience_cli.importer.sources import open_source
from tests.support.long_run import examples

LINES = st.lists(
    st.sampled_from(['"', ",", "\n", "\r\n", "n", "m", "1", "é", "\x00", "{", "}", '{"n": 1}', ":", "[", " "])
)
CONTENT = st.binary(max_size=60) | LINES.map(lambda parts: "".join(parts).encode())
VALUES = st.none() | st.integers(-(2**40), 2**40) | st.floats() | st.text(max_size=5) | st.binary(max_size=5)


def read(file: Path) -> int:
    source = open_source(file, mapping.Source(), frozenset({"n"}))
    return sum(len(block.columns["n"]) for block in source.blocks(0))


@pytest.mark.parametrize("kind", ["csv", "parquet", "jsonl"])
@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=CONTENT)
@example(content=b"")
@example(content=b"\x80")
@example(content=b"n\n1\n")
def test_any_file_is_read_or_refused_in_words(tmp_path: Path, kind: str, content: bytes) -> None:
    file = tmp_path / f"a.{kind}"
    file.write_bytes(content)

    with suppress(CliError):
        assert read(file) >= 0


@settings(max_examples=examples(60), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(values=st.lists(VALUES, max_size=4))
def test_any_column_of_parquet_is_read_row_by_row(tmp_path: Path, values: list[Any]) -> None:
    kinds = {type(value) for value in values if value is not None}
    column = values if len(kinds) == 1 else [str(value) for value in values]
    file = tmp_path / "a.parquet"
    pq.write_table(pa.table({"n": pa.array(column)}), file)

    assert read(file) == len(values)
