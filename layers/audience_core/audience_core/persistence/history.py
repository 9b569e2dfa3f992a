"""Joins and leaves in DynamoDB, spread over the profiles' buckets, in each by time, and in an index by profile."""

import heapq
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import cast

from pynamodb.attributes import NumberAttribute, UnicodeAttribute
from pynamodb.expressions.condition import Condition
from pynamodb.indexes import AllProjection, LocalSecondaryIndex
from pynamodb.models import Model

from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.domain.profile import BUCKETS, bucket_of
from audience_core.domain.stores import Page
from audience_core.persistence.tables import bind

_READ_AT_ONCE = 200
# Later than everything that begins with the same text.
_END = "~"


class ProfileIndex(LocalSecondaryIndex["HistoryItem"]):  # type: ignore[no-untyped-call]  # pynamodb's own hook
    class Meta:
        index_name = "by_profile"
        projection = AllProjection()

    pk = UnicodeAttribute(hash_key=True)
    who = UnicodeAttribute(range_key=True)


class HistoryItem(Model):
    """A change: `sk` is its instant and profile, `who` its profile and instant, `what` + or - and the reason.

    The keys are made of what the profile item says, so that a record that comes again writes the same item again.
    """

    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    who = UnicodeAttribute()
    what = UnicodeAttribute()
    ttl = NumberAttribute()
    by_profile = ProfileIndex()


class DynamoHistoryStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self.items = bind(HistoryItem, table_name, region, by_profile=_profile_index())

    def record(self, account_id: AccountId, entries: Sequence[HistoryEntry], retention_days: int) -> None:
        items = {(item.pk, item.sk): item for item in (self._item(account_id, e, retention_days) for e in entries)}
        with self.items.batch_write() as batch:
            for item in items.values():
                batch.save(item)

    def newest(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        """A cursor is the sort key of the first entry of its page, which is unique in the audience."""
        up_to = HistoryItem.sk <= cursor if cursor else None
        # Most pages need a few entries of each bucket: little is read in vain.
        lanes = [
            self._newest_of(_partition(account_id, audience_id, bucket), up_to, max(8, limit // 16))
            for bucket in range(BUCKETS)
        ]
        merged = heapq.merge(*lanes, key=lambda item: item.sk, reverse=True)
        found = list(islice(merged, limit + 1))
        return Page(tuple(map(_entry, found[:limit])), found[limit].sk if len(found) > limit else None)

    def of_profile(
        self, account_id: AccountId, audience_id: AudienceId, mpid: Mpid, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        pk = _partition(account_id, audience_id, bucket_of(mpid))
        whose = ProfileIndex.who.between(f"{mpid}#", cursor or f"{mpid}#{_END}")
        rows = self.items.by_profile.query(pk, whose, consistent_read=True, scan_index_forward=False, limit=limit + 1)
        found = list(rows)
        return Page(tuple(map(_entry, found[:limit])), found[limit].who if len(found) > limit else None)

    def by_profile(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None
    ) -> Iterator[HistoryEntry]:
        later = None if after is None else ProfileIndex.who > f"{after}#{_END}"
        pk = _partition(account_id, audience_id, bucket)
        rows = self.items.by_profile.query(pk, later, consistent_read=True, page_size=_READ_AT_ONCE)
        return map(_entry, rows)

    def _newest_of(self, pk: str, up_to: Condition | None, page_size: int) -> Iterator[HistoryItem]:
        return iter(self.items.query(pk, up_to, consistent_read=True, scan_index_forward=False, page_size=page_size))

    def _item(self, account_id: AccountId, entry: HistoryEntry, retention_days: int) -> HistoryItem:
        return self.items(
            _partition(account_id, entry.audience_id, bucket_of(entry.mpid)),
            f"{entry.at:014d}#{entry.mpid}#{entry.version:010d}",
            who=f"{entry.mpid}#{entry.at:014d}#{entry.version:010d}",
            what=("+" if entry.is_member else "-") + entry.reason,
            ttl=(entry.at + retention_days * DAY_MS) // 1000,
        )


def _profile_index() -> ProfileIndex:
    meta = type("Meta", (), {"index_name": "by_profile", "projection": AllProjection()})
    index = type("ProfileIndex", (ProfileIndex,), {"Meta": meta})()
    return cast(ProfileIndex, index)


def _partition(account_id: AccountId, audience_id: AudienceId, bucket: int) -> str:
    return f"{account_id}#{audience_id}#{bucket:02d}"


def _entry(item: HistoryItem) -> HistoryEntry:
    at, mpid, version = item.sk.split("#")
    return HistoryEntry(
        AudienceId(int(item.pk.split("#")[1])),
        Mpid(int(mpid)),
        is_member=item.what[0] == "+",
        at=int(at),
        reason=Reason(item.what[1:]),
        version=int(version),
    )
