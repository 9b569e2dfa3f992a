"""How the members that were found in a shard lie in an object.

How many users the shard has comes first, then their mpids; all of these are signed, big-endian, eight bytes each. Then
come the bits of each audience, `width_of(users)` bytes, by ascending number of the audience.
"""

import struct
from collections.abc import Collection

from audience_core.domain.ids import Mpid
from audience_core.domain.results import FoundMembers

# How the names of such objects end.
MEMBERS = ".members"
MPID_BYTES = 8


def width_of(users: int) -> int:
    """Bytes of one audience's bits."""
    return (users + 7) // 8


def start_of(row: int) -> int:
    """Where a user's mpid begins; the bits begin where that of one more user would."""
    return MPID_BYTES * (1 + row)


def encode(found: FoundMembers) -> bytes:
    users = struct.pack(">q", len(found.users) // MPID_BYTES)
    return b"".join([users, found.users, *(found.bits[audience_id] for audience_id in sorted(found.bits))])


def without(content: bytes, mpids: Collection[Mpid]) -> bytes | None:
    """An object without some users, whose rows stay behind with nothing in them; None when none of them is there."""
    (users,) = struct.unpack_from(">q", content)
    listed = struct.iter_unpack(">q", content[start_of(0) : start_of(users)])
    rows = [row for row, (mpid,) in enumerate(listed) if mpid in mpids]
    if not rows:
        return None
    left = bytearray(content)
    for row in rows:
        left[start_of(row) : start_of(row + 1)] = bytes(MPID_BYTES)
        for place in range(start_of(users) + row // 8, len(left), width_of(users)):
            left[place] &= ~(0x80 >> row % 8)
    return bytes(left)
