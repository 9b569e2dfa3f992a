"""One item per audience with its figures, so that a list of thousands is a few reads; always read anew, never added to.

The counts themselves stay spread over buckets (see `persistence.memberships`), beside which the summaries lie.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from pynamodb.attributes import JSONAttribute, NumberAttribute
from pynamodb.exceptions import DoesNotExist

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.stores import CountChange
from audience_core.persistence.memberships import HOUR_MS, CountItem
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import VersionedItem, conflicts_raised, unchanged

_HOURS = 24
# Above this many audiences, reading all of the account takes no more requests than reading each.
_MANY = 200
_SHOWN = ["sk", "size", "hours"]
_COUNTED = re.compile(r"(\d+)#(\d+) (?:size|hour#(\d+))#\d+")

type _Hours = dict[str, tuple[int, int]]


class SummaryItem(VersionedItem):
    """Args:
    hours: hour since 1970 -> [joins, leaves] in it, for hours that had any.
    read_whole: the hour in which all hours were last read from the buckets.
    """

    size = NumberAttribute()
    hours = JSONAttribute()
    read_whole = NumberAttribute()


class DynamoCountSummaries:
    def __init__(self, counts_table_name: str, region: str | None = None) -> None:
        self._counts = bind(CountItem, counts_table_name, region)
        self._summaries = bind(SummaryItem, counts_table_name, region)

    def refresh(self, change: CountChange, now_ms: int) -> None:
        """The version is read before the counts: whoever writes over it has seen at least what its writer saw."""
        key = _key(change.account_id, change.audience_id)
        pk, this_hour = f"{change.account_id}#{change.audience_id}", now_ms // HOUR_MS
        try:
            stored = self._summaries.get(*key, consistent_read=True)
        except DoesNotExist:
            stored = self._summaries(*key, version=0, hours={}, read_whole=0)
        oldest = this_hour - _HOURS + 1
        is_whole = stored.read_whole != this_hour
        since = oldest if is_whole else min(change.hours, default=this_hour + 1)
        kept = {} if is_whole else stored.hours
        summary = self._summaries(
            *key,
            version=int(stored.version) + 1,
            size=self._size(pk),
            hours={**kept, **self._hours(pk, max(since, oldest))},
            read_whole=this_hour,
        )
        with conflicts_raised():
            summary.save(condition=unchanged(int(stored.version)))

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

    def _size(self, pk: str) -> int:
        items = self._counts.query(pk, CountItem.sk.startswith("size#"), consistent_read=True)
        return sum(int(item.adds - item.drops) for item in items)

    def _hours(self, pk: str, since: int) -> _Hours:
        hours: _Hours = {}
        for item in self._counts.query(pk, CountItem.sk.between(f"hour#{since}#", "hour#~"), consistent_read=True):
            hour = item.sk.split("#")[1]
            adds, drops = hours.get(hour, (0, 0))
            hours[hour] = adds + int(item.adds), drops + int(item.drops)
        return hours


def count_changes(records: Iterable[Mapping[str, Any]]) -> tuple[CountChange, ...]:
    """What records of the counts table's stream say was counted anew, an audience once; the rest is none of it.

    Args:
        records: as Lambda hands them over; only their keys are read.
    """
    found: dict[tuple[AccountId, AudienceId], set[int]] = {}
    for record in records:
        keys = record["dynamodb"]["Keys"]
        counted = _COUNTED.fullmatch(f"{keys['pk']['S']} {keys['sk']['S']}")
        # A count that expired was too old to matter.
        if counted is None or record["eventName"] == "REMOVE":
            continue
        account_id, audience_id, hour = counted.groups()
        hours = found.setdefault((AccountId(int(account_id)), AudienceId(int(audience_id))), set())
        hours |= {int(hour)} if hour else set()
    return tuple(CountChange(*audience, frozenset(hours)) for audience, hours in found.items())


def _figures(item: SummaryItem, now_ms: int) -> AudienceCounts:
    oldest = now_ms // HOUR_MS - _HOURS + 1
    recent = [counts for hour, counts in item.hours.items() if int(hour) >= oldest]
    return AudienceCounts(
        size=int(item.size), adds_24h=sum(adds for adds, _ in recent), drops_24h=sum(drops for _, drops in recent)
    )


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#summaries"


def _key(account_id: AccountId, audience_id: AudienceId) -> tuple[str, str]:
    return _partition(account_id), f"{audience_id:010d}"
