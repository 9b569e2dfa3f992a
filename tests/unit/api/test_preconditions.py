"""Entity tags and cursors."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audience_core.api.cursor import Cursors
from audience_core.api.etag import etag, optional_version, required_version
from audience_core.domain.export_stores import SigningKey
from audience_core.domain.ids import AccountId
from audience_core.errors import InvalidInputError, MissingPreconditionError
from audience_core.persistence.memory.exports import MemorySigningKeys
from tests.support.control import ACCOUNT, OTHER_ACCOUNT

MEMBERS = Cursors(MemorySigningKeys(), ACCOUNT, "members 1")


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
    cursors = Cursors(MemorySigningKeys(), ACCOUNT, listing)

    assert cursors.decode(cursors.encode(position)) == position


@given(st.text())
def test_any_other_text_is_refused_as_a_cursor(text: str) -> None:
    with pytest.raises(InvalidInputError):
        MEMBERS.decode(text)


@pytest.mark.parametrize("of", [(ACCOUNT, "members 2"), (OTHER_ACCOUNT, "members 1")])
def test_a_cursor_of_another_listing_or_account_is_refused(of: tuple[AccountId, str]) -> None:
    with pytest.raises(InvalidInputError):
        MEMBERS.decode(Cursors(MEMBERS.keys, *of).encode("x"))


def test_a_cursor_outlives_one_change_of_its_key() -> None:
    keys = MemorySigningKeys()
    cursors = Cursors(keys, ACCOUNT, "members 1")
    cursor = cursors.encode("x")

    keys.rotate(SigningKey("key-2", "2" * 32))
    assert cursors.decode(cursor) == "x"

    keys.rotate(SigningKey("key-3", "3" * 32))
    with pytest.raises(InvalidInputError):
        cursors.decode(cursor)


def test_the_last_page_has_no_cursor() -> None:
    assert MEMBERS.encode(None) is None
    assert MEMBERS.decode(None) is None
