"""Member lists in DynamoDB, spread over the profiles' buckets, and beside them how many were counted."""

from collections.abc import Collection, Iterable, Mapping, Sequence

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.models import Model

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.profile import BUCKETS, bucket_of
from audience_core.domain.stores import CountStep, Page, Tally
from audience_core.persistence import cursors
from audience_core.persistence.counts import DynamoCounts
from audience_core.persistence.tables import bind


class MembershipItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    since = NumberAttribute()


class DynamoMembershipStore:
    def __init__(self, table_name: str, counts_table_name: str, region: str | None = None) -> None:
        self._rows = bind(MembershipItem, table_name, region)
        self.counted = DynamoCounts(counts_table_name, region)

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

    def count(self, account_id: AccountId, steps: Mapping[AudienceId, Sequence[CountStep]]) -> None:
        self.counted.count(account_id, steps)

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts:
        return self.counted.counts(account_id, audience_id, now_ms)

    def listed(
        self, account_id: AccountId, wanted: Collection[tuple[AudienceId, Mpid]]
    ) -> frozenset[tuple[AudienceId, Mpid]]:
        by_key = {_key(account_id, audience_id, mpid): (audience_id, mpid) for audience_id, mpid in wanted}
        rows = self._rows.batch_get(list(by_key), consistent_read=True, attributes_to_get=["pk", "sk"])
        return frozenset(by_key[row.pk, row.sk] for row in rows)

    def tally(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> Tally:
        """What was counted is read first: a record that comes in between makes the two differ, never agree."""
        counted = self.counted.of_bucket(account_id, audience_id, bucket)
        listed = self._rows.count(_list(account_id, audience_id, bucket), consistent_read=True)
        return Tally(listed, counted.size, str(counted.sequence) if counted.sequence >= 0 else "")

    def adjust(self, account_id: AccountId, audience_id: AudienceId, bucket: int, by: int, sequence: str) -> bool:
        return self.counted.adjust(account_id, audience_id, bucket, by, sequence)


def _list(account_id: AccountId, audience_id: AudienceId, bucket: int) -> str:
    return f"{account_id}#{audience_id}#{bucket:02d}"


def _key(account_id: AccountId, audience_id: AudienceId, mpid: Mpid) -> tuple[str, str]:
    return _list(account_id, audience_id, bucket_of(mpid)), str(mpid)
