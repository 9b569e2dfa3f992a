"""Where the members that calculations find are kept."""

from collections.abc import Sequence
from typing import Protocol

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.stores import Page


class ResultStore(Protocol):
    """The members that calculations found, by audience and shard."""

    def put(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, shard: int, mpids: Sequence[int]
    ) -> None:
        """Args:
        mpids: ascending.
        """

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
