"""Entity tags and cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.api import cursor
from audience_core.api.etag import etag, optional_version, required_version
from audience_core.errors import InvalidInputError, MissingPreconditionError


@given(st.integers(min_value=0, max_value=2**53))
def test_a_version_survives_its_entity_tag(version: int) -> None:
    assert required_version(etag(version)) == version


@given(st.text())
def test_any_if_match_is_a_version_or_any_version(text: str) -> None:
    version = required_version(text)

    assert version is None or version >= -1


def test_no_if_match_is_missing_where_it_is_required_and_any_version_elsewhere() -> None:
    with pytest.raises(MissingPreconditionError):
        required_version(None)
    assert optional_version(None) is optional_version("*") is None


@given(st.text(), st.text())
def test_a_cursor_gives_its_position_back(listing: str, position: str) -> None:
    assert cursor.decode(listing, cursor.encode(listing, position)) == position


@given(st.text())
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(InvalidInputError):
        cursor.decode("members 1", text)


def test_a_cursor_of_another_listing_is_refused() -> None:
    with pytest.raises(InvalidInputError):
        cursor.decode("members 2", cursor.encode("members 1", "x"))


def test_the_last_page_has_no_cursor() -> None:
    assert cursor.encode("members 1", None) is None
    assert cursor.decode("members 1", None) is None
