"""What was last counted of the variants of A/B tests, in memory."""

from collections.abc import Mapping

from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.stores import BucketSplit


class MemorySplitStore:
    def __init__(self) -> None:
        self._kept: dict[tuple[AccountId, AudienceId, str], dict[int, BucketSplit]] = {}

    def kept(self, account_id: AccountId, member_set: AudienceId, test_id: str) -> dict[int, BucketSplit]:
        return dict(self._kept.get((account_id, member_set, test_id), {}))

    def keep(
        self, account_id: AccountId, member_set: AudienceId, test_id: str, buckets: Mapping[int, BucketSplit]
    ) -> None:
        self._kept[account_id, member_set, test_id] = dict(buckets)
