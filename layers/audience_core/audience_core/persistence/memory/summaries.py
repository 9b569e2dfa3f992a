"""Summaries of counts in memory: each shows the counts as they stood when it was last refreshed."""

from collections.abc import Collection
from copy import deepcopy

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.stores import CountChange
from audience_core.persistence.memory.memberships import MemoryMembershipStore


class MemoryCountSummaries:
    def __init__(self, memberships: MemoryMembershipStore) -> None:
        self._memberships = memberships
        self._seen: dict[tuple[AccountId, AudienceId], MemoryMembershipStore] = {}

    def refresh(self, change: CountChange, now_ms: int) -> None:
        self._seen[change.account_id, change.audience_id] = deepcopy(self._memberships)

    def figures(
        self, account_id: AccountId, audience_ids: Collection[AudienceId], now_ms: int
    ) -> dict[AudienceId, AudienceCounts]:
        nothing = MemoryMembershipStore()
        return {
            each: self._seen.get((account_id, each), nothing).counts(account_id, each, now_ms) for each in audience_ids
        }
