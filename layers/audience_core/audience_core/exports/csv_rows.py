"""Rows of identities as CSV: RFC 4180, UTF-8, one row an identity (docs/exports.md has the columns)."""

import re

COLUMNS = ("mpid", "scanned_timestamp_ms", "identity_value", "identity_type")
END_OF_LINE = "\r\n"
_SPECIAL = re.compile(r'[",\r\n]')
# What a spreadsheet takes for the beginning of a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CsvLayout:
    """How an export writes its rows.

    Args:
        at_ms: the instant that every row tells of.
        header_spaces: a blank after every comma, in the header and the rows, as in older files.
        spreadsheet_safe: an apostrophe before values that a spreadsheet would run as formulas.
    """

    def __init__(self, at_ms: int, *, header_spaces: bool = False, spreadsheet_safe: bool = False) -> None:
        self._comma = ", " if header_spaces else ","
        self._at = f"{self._comma}{at_ms}{self._comma}"
        self._is_safe = spreadsheet_safe

    @property
    def header(self) -> bytes:
        return (self._comma.join(COLUMNS) + END_OF_LINE).encode()

    def line(self, mpid: int, value: str, identity_type: str) -> str:
        """A row with its end of line; the other three columns never need quotes."""
        if self._is_safe and value.startswith(_FORMULA):
            value = "'" + value
        # Blanks at the ends are part of a value; some readers take them off unless they are quoted.
        if _SPECIAL.search(value) or value[:1].isspace() or value[-1:].isspace():
            value = '"' + value.replace('"', '""') + '"'
        return f"{mpid}{self._at}{value}{self._comma}{identity_type}{END_OF_LINE}"
