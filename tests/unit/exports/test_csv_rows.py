"""Rows as CSV: what any reader of RFC 4180 makes of them."""

import csv
import io

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from audience_core.exports.csv_rows import CsvLayout

AT = 1_795_428_930_110
VALUES = st.text(st.characters(codec="utf-8") | st.sampled_from(list("\"',;\r\n\t =+-@\0")), max_size=30)


def read(content: bytes, *, skips_spaces: bool = False) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline=""), skipinitialspace=skips_spaces))


def test_a_row_is_mpid_instant_value_and_type() -> None:
    layout = CsvLayout(AT)

    assert layout.header == b"mpid,scanned_timestamp_ms,identity_value,identity_type\r\n"
    assert layout.line(-5, "m.hyde@example.com", "email") == f"-5,{AT},m.hyde@example.com,email\r\n"


def test_what_needs_quotes_has_them() -> None:
    assert CsvLayout(AT).line(5, 'a "b", c', "other") == f'5,{AT},"a ""b"", c",other\r\n'


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), VALUES), max_size=8), st.booleans())
@example([(1, "\r"), (2, " both "), (3, "\ufeff"), (4, "a\0b"), (5, '"'), (6, "\u2028")], True)
def test_every_value_comes_back_as_it_was(rows: list[tuple[int, str]], spaces: bool) -> None:
    layout = CsvLayout(AT, header_spaces=spaces)

    content = layout.header + "".join(layout.line(mpid, value, "other") for mpid, value in rows).encode()

    header, *found = read(content, skips_spaces=spaces)
    assert header == ["mpid", "scanned_timestamp_ms", "identity_value", "identity_type"]
    assert found == [[str(mpid), str(AT), value, "other"] for mpid, value in rows]


def test_older_files_have_a_blank_after_each_comma() -> None:
    layout = CsvLayout(AT, header_spaces=True)

    assert layout.header == b"mpid, scanned_timestamp_ms, identity_value, identity_type\r\n"
    assert layout.line(5, "ann", "customer_id") == f"5, {AT}, ann, customer_id\r\n"


@pytest.mark.parametrize("value", ["=1+1", "+44", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_formulas_are_disarmed_on_request_alone(value: str) -> None:
    (plain,) = read(CsvLayout(AT).line(5, value, "other").encode())
    (safe,) = read(CsvLayout(AT, spreadsheet_safe=True).line(5, value, "other").encode())

    assert (plain[2], safe[2]) == (value, "'" + value)


@given(VALUES)
def test_disarmed_values_never_begin_a_formula_and_others_stay(value: str) -> None:
    (row,) = read(CsvLayout(AT, spreadsheet_safe=True).line(-5, value, "other").encode())

    assert not row[2].startswith(("=", "+", "-", "@", "\t", "\r"))
    assert row[2].removeprefix("'") == value.removeprefix("'")
    assert row[0] == "-5"
