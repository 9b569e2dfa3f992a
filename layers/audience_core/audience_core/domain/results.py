"""Where the members that calculations find are kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import compress, count
from typing import Protocol

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.stores import Page

_ZERO_IS_FALSE = bytes.maketrans(b"0", b"\0")


@dataclass(frozen=True, slots=True)
class FoundMembers:
    """Who among a shard's users is a member of each audience of a calculation.

    Args:
        users: mpids of all users of the shard, ascending: signed, big-endian, eight bytes each.
        bits: by audience: a bit for each user, the first one's the highest of the first byte; no further ones are set.
    """

    users: bytes
    bits: Mapping[AudienceId, bytes]

    @property
    def counts(self) -> dict[AudienceId, int]:
        """How many members each audience has."""
        return {audience_id: int.from_bytes(bits).bit_count() for audience_id, bits in self.bits.items()}


@dataclass(frozen=True, slots=True)
class FoundShard:
    """A shard of which the members are kept: how many users it has, and members of each audience."""

    number: int
    users: int
    counts: Mapping[AudienceId, int]


def rows_of(bits: bytes) -> Iterator[int]:
    """The places of the bits that are set, ascending."""
    digits = f"{int.from_bytes(bits):0{8 * len(bits)}b}".encode()
    return compress(count(), digits.translate(_ZERO_IS_FALSE))


class ResultStore(Protocol):
    """The members that calculations found, by shard and audience."""

    def put(self, account_id: AccountId, calculation_id: str, shard: int, found: FoundMembers) -> None:
        """Keep what was found in a shard, in place of what an earlier attempt has found there."""

    def commit(self, account_id: AccountId, calculation_id: str, shards: Sequence[FoundShard]) -> None:
        """Make what was put readable: these shards, ascending, are all there are. A repeat is harmless."""

    def page(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, cursor: str | None, limit: int
    ) -> Page[Mpid]:
        """Members of all shards, `limit` of them unless it is the last page.

        Raise `NotFoundError` when they are not kept any more.
        """

    def shards(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> Sequence[int]:
        """Numbers of the shards that were looked at, ascending; none when they are not kept any more."""

    def of_shard(
        self,
        account_id: AccountId,
        audience_id: AudienceId,
        calculation_id: str,
        shard: int,
        start: int,
        limit: int | None = None,
    ) -> Sequence[Mpid]:
        """Members of one shard, ascending, from the place `start` on, at most so many (None: all); few are the last.

        Raise `NotFoundError` when they are not kept any more.
        """
