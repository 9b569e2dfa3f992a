"""Member lists and their counts in DynamoDB, spread over the profiles' buckets so that no item is hot."""

from collections.abc import Collection, Iterable, Sequence
from itertools import groupby

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.exceptions import UpdateError
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
_HOURS = 24
_KEEP_HOURS = 48
_SEQUENCE_DIGITS = 40


class MembershipItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    since = NumberAttribute()


class CountItem(Model):
    """Joins and leaves of one bucket: for ever (`size#..`) or of one hour (`hour#..#..`)."""

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    adds = NumberAttribute(default=0)
    drops = NumberAttribute(default=0)
    sequence = UnicodeAttribute(null=True)
    ttl = NumberAttribute(null=True)


class DynamoMembershipStore:
    def __init__(self, table_name: str, counts_table_name: str, region: str | None = None) -> None:
        self._rows = bind(MembershipItem, table_name, region)
        self._counts = bind(CountItem, counts_table_name, region)

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
        pk = f"{account_id}#{audience_id}"
        self._add(pk, _size(bucket), steps, None)
        for hour, of_hour in groupby(steps, key=lambda step: step.at // HOUR_MS):
            self._add(pk, f"hour#{hour}#{bucket:02d}", list(of_hour), (hour + _KEEP_HOURS) * 3600)

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts:
        pk = f"{account_id}#{audience_id}"
        since = f"hour#{now_ms // HOUR_MS - _HOURS + 1}"
        sizes = list(self._counts.query(pk, CountItem.sk.startswith("size#"), consistent_read=True))
        hours = list(self._counts.query(pk, CountItem.sk.between(since, "hour#~"), consistent_read=True))
        return AudienceCounts(
            size=sum(int(item.adds - item.drops) for item in sizes),
            adds_24h=sum(int(item.adds) for item in hours),
            drops_24h=sum(int(item.drops) for item in hours),
        )

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
            f"{account_id}#{audience_id}", CountItem.sk == _size(bucket), consistent_read=True
        ):
            counted, sequence = int(item.adds - item.drops), item.sequence or ""
        listed = self._rows.count(_list(account_id, audience_id, bucket), consistent_read=True)
        return Tally(listed, counted, sequence)

    def adjust(self, account_id: AccountId, audience_id: AudienceId, bucket: int, by: int, sequence: str) -> bool:
        item = self._counts(f"{account_id}#{audience_id}", _size(bucket))
        counted = CountItem.sequence == sequence if sequence else CountItem.sequence.does_not_exist()
        try:
            item.update([CountItem.adds.add(by), CountItem.drops.add(0)], condition=counted)
        except UpdateError as error:
            if not is_condition_failure(error):
                raise
            return False
        return True

    def _add(self, pk: str, sk: str, steps: Sequence[CountStep], expires: int | None) -> None:
        """The item remembers the last sequence number it counted, so that a repeat of any part is recognised."""
        item, left = self._counts(pk, sk), steps
        while left:
            first, last = (_padded(left[end].sequence) for end in (0, -1))
            actions: list[Action] = [
                CountItem.adds.add(sum(step.adds for step in left)),
                CountItem.drops.add(sum(step.drops for step in left)),
                CountItem.sequence.set(last),
                *([CountItem.ttl.set(expires)] if expires else []),
            ]
            try:
                item.update(actions, condition=CountItem.sequence.does_not_exist() | (CountItem.sequence < first))
                return
            except UpdateError as error:
                if not is_condition_failure(error):
                    raise
            counted = self._counts.get(pk, sk, consistent_read=True).sequence
            left = [step for step in left if _padded(step.sequence) > counted]


def _size(bucket: int) -> str:
    return f"size#{bucket:02d}"


def _padded(sequence: str) -> str:
    """Decimal numbers of any length, comparable as text."""
    return sequence.zfill(_SEQUENCE_DIGITS)


def _list(account_id: AccountId, audience_id: AudienceId, bucket: int) -> str:
    return f"{account_id}#{audience_id}#{bucket:02d}"


def _key(account_id: AccountId, audience_id: AudienceId, mpid: Mpid) -> tuple[str, str]:
    return _list(account_id, audience_id, bucket_of(mpid)), str(mpid)
