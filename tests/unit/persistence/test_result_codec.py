"""Objects of found members, and users taken out of them."""

import struct

import pytest

from audience_core.domain.ids import AudienceId, Mpid
from audience_core.persistence.result_codec import encode, start_of, width_of, without
from tests.support.results import found_members

USERS = range(-3, 17)
MEMBERS = {AudienceId(10): [-3, 4, 5, 16], AudienceId(9): list(USERS)}


def read(content: bytes) -> list[set[int]]:
    """The users, and the members of each audience by its number."""
    (users,) = struct.unpack_from(">q", content)
    mpids = struct.unpack_from(f">{users}q", content, 8)
    rows = [content[start : start + width_of(users)] for start in range(start_of(users), len(content), width_of(users))]
    return [set(mpids), *({mpid for row, mpid in enumerate(mpids) if _is_set(bits, row)} for bits in rows)]


def _is_set(bits: bytes, row: int) -> bool:
    return bool(bits[row // 8] & 0x80 >> row % 8)


def test_audiences_lie_by_their_numbers() -> None:
    assert read(encode(found_members(MEMBERS, others=USERS))) == [set(USERS), set(USERS), {-3, 4, 5, 16}]


@pytest.mark.parametrize("erased", [{-3}, {4, 5}, {16, -1, 99}, set(USERS)])
def test_an_erased_user_is_nowhere_and_others_stay(erased: set[int]) -> None:
    left = without(encode(found_members(MEMBERS, others=USERS)), {Mpid(each) for each in erased})

    assert left is not None
    users, everyone, some = read(left)
    assert users - {0} == set(USERS) - erased - {0}
    assert (everyone, some) == (set(USERS) - erased, {-3, 4, 5, 16} - erased)


def test_an_object_without_them_is_left_alone() -> None:
    assert without(encode(found_members(MEMBERS)), {Mpid(99)}) is None
