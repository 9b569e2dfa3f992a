"""Sizes, joins and leaves in DynamoDB: one item an audience, written once for a whole batch of stream records."""

import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from pynamodb.attributes import BinaryAttribute, JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, PutError
from pynamodb.models import Model

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.stores import CountStep
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

HOUR_MS = 3_600_000
HOURS = 24
COUNT = "count"
# As many as a client keeps connections for.
_WRITTEN_AT_ONCE = 10


class CountItem(Model):
    """Joins and leaves of an audience.

    Args:
        adds, drops: for ever.
        hours: [hour since 1970, adds, drops] of each hour of the last day that had any.
        buckets: packed; of each bucket of profiles its size, and the number of the last record that was counted.
        writes: how often it was written.
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    adds = NumberAttribute(default=0)
    drops = NumberAttribute(default=0)
    hours = JSONAttribute(default=list)
    buckets = BinaryAttribute(legacy_encoding=False, null=True)
    writes = NumberAttribute(default=0)


@dataclass(frozen=True, slots=True)
class Counted:
    """Of one bucket: its members, and the number of the last record among them (-1: none yet)."""

    size: int = 0
    sequence: int = -1


class DynamoCounts:
    """Its items are written under the condition that nobody wrote them since they were read.

    Several shards of a stream may count one audience at the same time. Each bucket of profiles lies in one shard, whose
    records come in order: so the number of a bucket's last record tells which of a repeated batch were counted.
    """

    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._items = bind(CountItem, table_name, region)

    def count(self, account_id: AccountId, steps: Mapping[AudienceId, Sequence[CountStep]]) -> None:
        wanted = {_key(account_id, audience_id): of_audience for audience_id, of_audience in steps.items()}
        stored = {item.pk: item for item in self._items.batch_get(list(wanted), consistent_read=True)}
        with ThreadPoolExecutor(_WRITTEN_AT_ONCE) as pool:
            counted = [pool.submit(self._count, key, stored.get(key[0]), of) for key, of in wanted.items()]
        for each in counted:
            each.result()

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts:
        item = self.read(account_id, audience_id)
        recent = [each for each in item.hours if each[0] > now_ms // HOUR_MS - HOURS]
        adds, drops = (sum(each[place] for each in recent) for place in (1, 2))
        return AudienceCounts(size=int(item.adds - item.drops), adds_24h=adds, drops_24h=drops)

    def read(self, account_id: AccountId, audience_id: AudienceId) -> CountItem:
        """One that was never written counts nothing."""
        return self._read(_key(account_id, audience_id))

    def of_bucket(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> Counted:
        return _buckets(self.read(account_id, audience_id)).get(bucket, Counted())

    def adjust(self, account_id: AccountId, audience_id: AudienceId, bucket: int, by: int, sequence: str) -> bool:
        """Add to the size of a bucket, unless a record of it was counted since; whether it was done."""
        while True:
            item = self.read(account_id, audience_id)
            buckets = _buckets(item)
            before = buckets.get(bucket, Counted())
            if before.sequence != int(sequence or -1):
                return False
            buckets[bucket] = Counted(before.size + by, before.sequence)
            item.adds += by
            if self._written(item, buckets):
                return True

    def _count(self, key: tuple[str, str], stored: CountItem | None, steps: Sequence[CountStep]) -> None:
        item = stored or self._items(*key)
        while not self._added(item, steps):
            item = self._read(key)

    def _added(self, item: CountItem, steps: Sequence[CountStep]) -> bool:
        """Count those that were not yet; false when the item was written in between."""
        buckets, hours = _buckets(item), {hour: (adds, drops) for hour, adds, drops in item.hours}
        is_news = False
        for step in steps:
            before, sequence = buckets.get(step.bucket, Counted()), int(step.sequence)
            if sequence > before.sequence:
                is_news = True
                adds, drops = hours.get(hour := step.at // HOUR_MS, (0, 0))
                hours[hour] = adds + step.adds, drops + step.drops
                buckets[step.bucket] = Counted(before.size + step.adds - step.drops, sequence)
                item.adds, item.drops = item.adds + step.adds, item.drops + step.drops
        item.hours = [[hour, *hours[hour]] for hour in sorted(hours) if hour > max(hours) - HOURS]
        return self._written(item, buckets) if is_news else True

    def _written(self, item: CountItem, buckets: Mapping[int, Counted]) -> bool:
        seen = int(item.writes)
        item.buckets, item.writes = _packed(buckets), seen + 1
        try:
            item.save(condition=CountItem.writes == seen if seen else CountItem.pk.does_not_exist())
        except PutError as error:
            if is_condition_failure(error):
                return False
            raise
        return True

    def _read(self, key: tuple[str, str]) -> CountItem:
        try:
            return self._items.get(*key, consistent_read=True)
        except DoesNotExist:
            return self._items(*key)


def hours_of(item: CountItem) -> Iterator[tuple[int, int, int]]:
    """Hour, joins and leaves of each hour that is known."""
    yield from map(tuple, item.hours)


def _buckets(item: CountItem) -> dict[int, Counted]:
    if item.buckets is None:
        return {}
    return {bucket: Counted(size, sequence) for bucket, size, sequence in json.loads(zlib.decompress(item.buckets))}


def _packed(buckets: Mapping[int, Counted]) -> bytes:
    """Numbers of records have some thirty digits, of which those of one shard share many."""
    flat = [[bucket, buckets[bucket].size, buckets[bucket].sequence] for bucket in sorted(buckets)]
    return zlib.compress(json.dumps(flat, separators=(",", ":")).encode(), 9)


def _key(account_id: AccountId, audience_id: AudienceId) -> tuple[str, str]:
    return f"{account_id}#{audience_id}", COUNT
