"""What was last counted of the variants of A/B tests, in DynamoDB: one item for a test and a member set."""

from collections.abc import Mapping

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist
from pynamodb.models import Model

from audience_core.domain.ids import DAY_MS, AccountId, AudienceId
from audience_core.domain.stores import BucketSplit
from audience_core.persistence.tables import bind

_KEEP_MS = 30 * DAY_MS


class SplitItem(Model):
    """Lies beside the counts, but is none of what summaries are made of.

    Args:
        buckets: bucket -> [when, {variant: members}].
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    buckets = JSONAttribute()
    ttl = NumberAttribute()


class DynamoSplitStore:
    def __init__(self, counts_table_name: str, region: str | None = None) -> None:
        self._items = bind(SplitItem, counts_table_name, region)

    def kept(self, account_id: AccountId, member_set: AudienceId, test_id: str) -> dict[int, BucketSplit]:
        try:
            item = self._items.get(*_key(account_id, member_set, test_id), consistent_read=True)
        except DoesNotExist:
            return {}
        return {
            int(bucket): BucketSplit(at, {AudienceId(int(variant)): count for variant, count in members.items()})
            for bucket, (at, members) in item.buckets.items()
        }

    def keep(
        self, account_id: AccountId, member_set: AudienceId, test_id: str, buckets: Mapping[int, BucketSplit]
    ) -> None:
        latest = max((each.at for each in buckets.values()), default=0)
        self._items(
            *_key(account_id, member_set, test_id),
            buckets={str(bucket): [each.at, dict(each.members)] for bucket, each in buckets.items()},
            ttl=(latest + _KEEP_MS) // 1000,
        ).save()


def _key(account_id: AccountId, member_set: AudienceId, test_id: str) -> tuple[str, str]:
    return f"{account_id}#splits", f"{test_id}#{member_set}"
