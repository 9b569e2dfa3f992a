"""One item per audience with its figures, so that a list of thousands is a few reads; always read anew, never added to.

The counts themselves lie apart, a partition for each audience (see `persistence.counts`): many may be written at once.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pynamodb.attributes import JSONAttribute, NumberAttribute
from pynamodb.exceptions import DoesNotExist

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.stores import CountChange
from audience_core.persistence.counts import COUNT, HOUR_MS, HOURS, CountItem, DynamoCounts, hours_of
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import VersionedItem, conflicts_raised, unchanged

# Above this many audiences, reading all of the account takes no more requests than reading each.
_MANY = 200
_SHOWN = ["sk", "size", "hours"]
_COUNTED = re.compile(rf"(\d+)#(\d+) {COUNT}")

type _Hours = dict[str, tuple[int, int]]


class SummaryItem(VersionedItem):
    """Args:
    hours: hour since 1970 -> [joins, leaves] in it, for hours that had any.
    """

    size = NumberAttribute()
    hours = JSONAttribute()


class DynamoCountSummaries:
    def __init__(self, counts_table_name: str, region: str | None = None) -> None:
        self._counts = DynamoCounts(counts_table_name, region)
        self._summaries = bind(SummaryItem, counts_table_name, region)

    def refresh(self, change: CountChange, now_ms: int) -> None:
        """The version is read before the counts: whoever writes over it has seen at least what its writer saw."""
        key = _key(change.account_id, change.audience_id)
        try:
            version = int(self._summaries.get(*key, consistent_read=True).version)
        except DoesNotExist:
            version = 0
        counted = self._counts.read(change.account_id, change.audience_id)
        summary = self._summaries(
            *key,
            version=version + 1,
            size=int(counted.adds - counted.drops),
            hours=_hours(counted, now_ms // HOUR_MS - HOURS + 1),
        )
        with conflicts_raised():
            summary.save(condition=unchanged(version))

    def figures(
        self, account_id: AccountId, audience_ids: Collection[AudienceId], now_ms: int
    ) -> dict[AudienceId, AudienceCounts]:
        found = {AudienceId(int(item.sk)): _figures(item, now_ms) for item in self._read(account_id, audience_ids)}
        return {each: found.get(each, AudienceCounts(size=0, adds_24h=0, drops_24h=0)) for each in audience_ids}

    def _read(self, account_id: AccountId, audience_ids: Collection[AudienceId]) -> Iterable[SummaryItem]:
        if len(audience_ids) > _MANY:
            return self._summaries.query(_partition(account_id), attributes_to_get=_SHOWN)
        keys = [_key(account_id, each) for each in audience_ids]
        return self._summaries.batch_get(keys, attributes_to_get=_SHOWN) if keys else ()


def _hours(item: CountItem, since: int) -> _Hours:
    return {str(hour): (adds, drops) for hour, adds, drops in hours_of(item) if hour >= since}


def count_changes(records: Iterable[Mapping[str, Any]]) -> tuple[CountChange, ...]:
    """What records of the counts table's stream say was counted anew, an audience once; the rest is none of it.

    Args:
        records: as Lambda hands them over; only their keys are read.
    """
    found: dict[CountChange, None] = {}
    for record in records:
        keys = record["dynamodb"]["Keys"]
        counted = _COUNTED.fullmatch(f"{keys['pk']['S']} {keys['sk']['S']}")
        if counted is not None:
            account_id, audience_id = map(int, counted.groups())
            found[CountChange(AccountId(account_id), AudienceId(audience_id))] = None
    return tuple(found)


def _figures(item: SummaryItem, now_ms: int) -> AudienceCounts:
    oldest = now_ms // HOUR_MS - HOURS + 1
    recent = [counts for hour, counts in item.hours.items() if int(hour) >= oldest]
    return AudienceCounts(
        size=int(item.size), adds_24h=sum(adds for adds, _ in recent), drops_24h=sum(drops for _, drops in recent)
    )


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#summaries"


def _key(account_id: AccountId, audience_id: AudienceId) -> tuple[str, str]:
    return _partition(account_id), f"{audience_id:010d}"
