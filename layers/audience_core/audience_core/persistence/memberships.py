"""Member lists and their counts in DynamoDB, spread over the profiles' buckets so that no item is hot."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import groupby

from pynamodb.attributes import JSONAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import DoesNotExist, UpdateError
from pynamodb.expressions.condition import Condition
from pynamodb.expressions.update import Action
from pynamodb.models import Model

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.profile import BUCKETS, bucket_of
from audience_core.domain.stores import CountStep, Page, Tally
from audience_core.persistence import cursors
from audience_core.persistence.tables import bind
from audience_core.persistence.versions import is_condition_failure

HOUR_MS = 3_600_000
HOURS = 24
COUNT = "count#"
_SEQUENCE_DIGITS = 40


class MembershipItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    since = NumberAttribute()


class CountItem(Model):
    """Joins and leaves of one bucket.

    Args:
        adds, drops: for ever.
        hour: since 1970, in which the last ones were counted; `hour_adds`, `hour_drops`: those of that hour.
        past: [hour, adds, drops] of each hour before it, of the last day, that had any.
        sequence: of the last record that was counted.
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    adds = NumberAttribute(default=0)
    drops = NumberAttribute(default=0)
    hour = NumberAttribute(null=True)
    hour_adds = NumberAttribute(default=0)
    hour_drops = NumberAttribute(default=0)
    past = JSONAttribute(default=list)
    sequence = UnicodeAttribute(null=True)

    def hours(self) -> Iterator[tuple[int, int, int]]:
        """Hour, joins and leaves of each hour that is known."""
        yield from map(tuple, self.past)
        if self.hour is not None:
            yield int(self.hour), int(self.hour_adds), int(self.hour_drops)


class DynamoMembershipStore:
    def __init__(self, table_name: str, counts_table_name: str, region: str | None = None) -> None:
        self._rows = bind(MembershipItem, table_name, region)
        self._counts = bind(CountItem, counts_table_name, region)
        # The hour at which a count stands, as this process left it: then it need not be read.
        self._hours: dict[tuple[str, str], int] = {}

    def apply(
        self, account_id: AccountId, joined: Iterable[Membership], left: Iterable[tuple[AudienceId, Mpid]]
    ) -> None:
        with self._rows.batch_write() as batch:
            for membership in joined:
                row = self._rows(*_key(account_id, membership.audience_id, membership.mpid), since=membership.since)
                batch.save(row)
            for audience_id, mpid in left:
                batch.delete(self._rows(*_key(account_id, audience_id, mpid)))

    def members(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[Membership]:
        """Bucket by bucket; within one by mpid as text."""
        found: list[Membership] = []
        position = cursors.decode(cursor) or {"bucket": 0, "after": None}
        bucket, after = int(position["bucket"]), position["after"]
        while bucket < BUCKETS and len(found) < limit:
            pk = _list(account_id, audience_id, bucket)
            condition = MembershipItem.sk > after if after else None
            rows = list(self._rows.query(pk, condition, limit=limit - len(found), consistent_read=True))
            found += [Membership(audience_id, Mpid(int(row.sk)), int(row.since)) for row in rows]
            bucket, after = (bucket, rows[-1].sk) if len(found) == limit and rows else (bucket + 1, None)
        more = {"bucket": bucket, "after": after} if bucket < BUCKETS else None
        return Page(tuple(found), cursors.encode(more))

    def bucket_members(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[Membership]:
        condition = None if after is None else MembershipItem.sk > str(after)
        pk = _list(account_id, audience_id, bucket)
        rows = self._rows.query(pk, condition, limit=limit, consistent_read=True)
        return [Membership(audience_id, Mpid(int(row.sk)), int(row.since)) for row in rows]

    def between(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, upto: Mpid | None
    ) -> frozenset[Mpid]:
        # "!" comes before every digit, so this is the least text after that of the mpid; and "~" comes after all.
        first, last = "!" if after is None else f"{after}!", "~" if upto is None else str(upto)
        condition = MembershipItem.sk.between(first, last)
        rows = self._rows.query(_list(account_id, audience_id, bucket), condition, consistent_read=True)
        return frozenset(Mpid(int(row.sk)) for row in rows)

    def forget(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> None:
        with self._rows.batch_write() as batch:
            for row in self._rows.query(_list(account_id, audience_id, bucket), consistent_read=True):
                batch.delete(row)

    def count(self, account_id: AccountId, audience_id: AudienceId, bucket: int, steps: Sequence[CountStep]) -> None:
        key = f"{account_id}#{audience_id}", _count_key(bucket)
        for hour, of_hour in groupby(steps, key=lambda step: step.at // HOUR_MS):
            left = list(of_hour)
            if self._hours.get(key) == hour and self._add(key, left):
                continue
            while left:
                left = self._add_to_read(key, hour, left)
            self._hours[key] = hour

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts:
        since, items = now_ms // HOUR_MS - HOURS + 1, self.count_items(f"{account_id}#{audience_id}")
        recent = [each for item in items for each in item.hours() if each[0] >= since]
        return AudienceCounts(
            size=sum(int(item.adds - item.drops) for item in items),
            adds_24h=sum(adds for _, adds, _ in recent),
            drops_24h=sum(drops for _, _, drops in recent),
        )

    def count_items(self, pk: str) -> list[CountItem]:
        """Of all buckets of an audience."""
        return list(self._counts.query(pk, CountItem.sk.startswith(COUNT), consistent_read=True))

    def listed(
        self, account_id: AccountId, wanted: Collection[tuple[AudienceId, Mpid]]
    ) -> frozenset[tuple[AudienceId, Mpid]]:
        by_key = {_key(account_id, audience_id, mpid): (audience_id, mpid) for audience_id, mpid in wanted}
        rows = self._rows.batch_get(list(by_key), consistent_read=True, attributes_to_get=["pk", "sk"])
        return frozenset(by_key[row.pk, row.sk] for row in rows)

    def tally(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> Tally:
        """What was counted is read first: a record that comes in between makes the two differ, never agree."""
        counted, sequence = 0, ""
        for item in self._counts.query(
            f"{account_id}#{audience_id}", CountItem.sk == _count_key(bucket), consistent_read=True
        ):
            counted, sequence = int(item.adds - item.drops), item.sequence or ""
        listed = self._rows.count(_list(account_id, audience_id, bucket), consistent_read=True)
        return Tally(listed, counted, sequence)

    def adjust(self, account_id: AccountId, audience_id: AudienceId, bucket: int, by: int, sequence: str) -> bool:
        key = f"{account_id}#{audience_id}", _count_key(bucket)
        counted = CountItem.sequence == sequence if sequence else CountItem.sequence.does_not_exist()
        return self._updated(key, [CountItem.adds.add(by), CountItem.drops.add(0)], counted)

    def _add(self, key: tuple[str, str], steps: Sequence[CountStep]) -> bool:
        """Count them where others of their hour were counted last; False when the item has come to stand otherwise.

        The item remembers the last sequence number it counted, so that a repeat of any part is recognised.
        """
        hour = steps[0].at // HOUR_MS
        adds, drops = _moves(steps)
        first, last = (_padded(steps[end].sequence) for end in (0, -1))
        actions: list[Action] = [
            CountItem.adds.add(adds),
            CountItem.drops.add(drops),
            CountItem.hour_adds.add(adds),
            CountItem.hour_drops.add(drops),
            CountItem.sequence.set(last),
        ]
        return self._updated(key, actions, (CountItem.hour == hour) & (CountItem.sequence < first))

    def _add_to_read(self, key: tuple[str, str], hour: int, steps: Sequence[CountStep]) -> list[CountStep]:
        """Count them in the item as it is read; those that are left because it was written in between."""
        try:
            stored = self._counts.get(*key, consistent_read=True)
        except DoesNotExist:
            stored = self._counts(*key)
        left = [step for step in steps if _padded(step.sequence) > (stored.sequence or "")]
        if not left:
            return left
        adds, drops = _moves(left)
        hours = {each: (joins, leaves) for each, joins, leaves in stored.hours()}
        before = hours.get(hour, (0, 0))
        hours[hour] = before[0] + adds, before[1] + drops
        latest = max(hours)
        actions: list[Action] = [
            CountItem.adds.add(adds),
            CountItem.drops.add(drops),
            CountItem.hour.set(latest),
            CountItem.hour_adds.set(hours[latest][0]),
            CountItem.hour_drops.set(hours[latest][1]),
            CountItem.past.set([[each, *hours[each]] for each in sorted(hours) if latest - HOURS < each < latest]),
            CountItem.sequence.set(_padded(left[-1].sequence)),
        ]
        unmoved = CountItem.sequence == stored.sequence if stored.sequence else CountItem.sequence.does_not_exist()
        return [] if self._updated(key, actions, unmoved) else left

    def _updated(self, key: tuple[str, str], actions: list[Action], condition: Condition) -> bool:
        try:
            self._counts(*key).update(actions, condition=condition)
        except UpdateError as error:
            if is_condition_failure(error):
                return False
            raise
        return True


def _moves(steps: Sequence[CountStep]) -> tuple[int, int]:
    return sum(step.adds for step in steps), sum(step.drops for step in steps)


def _count_key(bucket: int) -> str:
    return f"{COUNT}{bucket:02d}"


def _padded(sequence: str) -> str:
    """Decimal numbers of any length, comparable as text."""
    return sequence.zfill(_SEQUENCE_DIGITS)


def _list(account_id: AccountId, audience_id: AudienceId, bucket: int) -> str:
    return f"{account_id}#{audience_id}#{bucket:02d}"


def _key(account_id: AccountId, audience_id: AudienceId, mpid: Mpid) -> tuple[str, str]:
    return _list(account_id, audience_id, bucket_of(mpid)), str(mpid)
