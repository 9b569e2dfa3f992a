"""What the data path needs from the outside world; `persistence` implements it, `persistence.memory` for tests."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import (
    AccountId,
    AudienceId,
    ConnectionId,
    InputId,
    Mpid,
)
from audience_core.domain.membership import HistoryEntry, Membership
from audience_core.domain.messages import Due, PipelineMessage, WakeUp
from audience_core.domain.output import LedgerRow, Target
from audience_core.domain.profile import Profile


@dataclass(frozen=True, slots=True)
class Page[T]:
    """Part of a listing; `next` is an opaque cursor, None on the last page."""

    items: tuple[T, ...]
    next: str | None = None


# Ingest ---------------------------------------------------------------------------------------------------------


class RequestStore(Protocol):
    """Remembers `source_request_id`s, scoped by input, for 30 days."""

    def is_known(self, input_id: InputId, request_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that were accepted before."""

    def remember(self, input_id: InputId, request_ids: Collection[str], now_ms: int) -> None: ...


class RateStore(Protocol):
    def add(self, account_id: AccountId, batches: int, second: int, limit: int) -> int:
        """Count batches against one second (UNIX time); the total of that second, these included.

        Once it is beyond `limit`, further batches of the second need not be counted: any total beyond it will do.
        """


class EventQueue(Protocol):
    def send(self, messages: Sequence[PipelineMessage]) -> None:
        """All are queued when this returns; on any error the caller must assume that some are not."""


class ReevaluationQueue(Protocol):
    """Profiles that somebody must look at again; apart from live events, so that neither holds up the other."""

    def send(self, due: Sequence[Due], now_ms: int) -> None:
        """All are queued when this returns, each to be looked at no earlier than its instant (15 minutes ahead)."""

    def waiting(self) -> int:
        """About how many messages are due and not done; those of later instants do not count."""


class MarkStore(Protocol):
    """How far scheduled work has come: one text for each name."""

    def get(self, name: str) -> str | None:
        """Strongly consistent."""

    def put(self, name: str, value: str) -> None: ...


# Data path ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class IdentityRow:
    """Who holds an identity: holder -> receive time (UTC ms) of the batch that said so. `version` 0: no row yet.

    Args:
        known: those of the holders that claimed it together with a login identity.
    """

    identity: Identity
    holders: Mapping[Mpid, int]
    version: int = 0
    known: frozenset[Mpid] = frozenset()


class IdentityStore(Protocol):
    def rows(
        self, account_id: AccountId, environment: Environment, identities: Collection[Identity]
    ) -> dict[Identity, IdentityRow]:
        """A row for every identity asked for, strongly consistent; unknown ones have no holders and version 0."""

    def write(self, account_id: AccountId, environment: Environment, rows: Sequence[IdentityRow]) -> None:
        """Write all rows or none, each only if its stored version is still `version`; raise `StaleVersionError`."""

    def forget(self, account_id: AccountId, environment: Environment, identity: Identity, mpid: Mpid, at: int) -> None:
        """Take a holder off a row unless it was told it after `at`; a repeat is harmless."""

    def bury(self, account_id: AccountId, environment: Environment, identities: Collection[Identity], at: int) -> None:
        """Remember, for as long as old messages may come, that what was received of them up to `at` was erased."""

    def buried(
        self, account_id: AccountId, environment: Environment, identities: Collection[Identity]
    ) -> dict[Identity, int]:
        """Those of the identities that were buried -> up to when (UTC ms)."""


class ProfileStore(Protocol):
    def load(self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        """Those of the profiles that exist, whole, by strongly consistent batched reads."""

    def load_outlines(
        self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]
    ) -> dict[Mpid, Profile]:
        """As `load`, without timelines."""

    def save(self, profile: Profile, now_ms: int) -> Profile:
        """One put, conditional on `version`; returns the stored form. Raise `StaleVersionError`.

        Seals the older part of an oversized timeline into chunks first (before the item, so that no reference dangles).
        """

    def save_all(self, profiles: Sequence[Profile], now_ms: int) -> list[Mpid]:
        """`save` each of them, many at a time; the mpids of those that somebody else wrote in between."""

    def delete(self, profile: Profile) -> None:
        """Remove a profile if it still has its version; raise `StaleVersionError` otherwise."""

    def discard_timeline(self, profile: Profile) -> None:
        """Delete the sealed parts of a removed profile's timeline; a repeat is harmless."""

    def page(
        self, account_id: AccountId, environment: Environment, bucket: int, cursor: str | None, limit: int
    ) -> Page[Profile]:
        """Profiles of a bucket, ascending by the text of their mpids."""

    def outlines(
        self, account_id: AccountId, environment: Environment, bucket: int, cursor: str | None, limit: int
    ) -> Page[Profile]:
        """As `page`, without their timelines."""

    def stretch(
        self, account_id: AccountId, environment: Environment, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[Profile]:
        """Profiles of a bucket, ascending by the text of their mpids, from the one after `after` on."""

    def due(self, shard: int, after_ms: int, until_ms: int, cursor: str | None, limit: int) -> Page[Due]:
        """Profiles of an index shard (of `DUE_SHARDS`) due later than one instant and no later than another.

        Earliest first; only eventually consistent. Cursors belong to the two instants they were given out for.
        """


@dataclass(frozen=True, slots=True)
class CountStep:
    """What one stream record adds to the counts of one audience.

    Args:
        bucket: of its profile.
        sequence: the record's sequence number, decimal; within a bucket later records have greater ones.
        at: when the record was written (UTC ms).
    """

    bucket: int
    sequence: str
    at: int
    adds: int
    drops: int


@dataclass(frozen=True, slots=True)
class Tally:
    """Members of one bucket of profiles: as many as are listed, and as many as were counted.

    Args:
        sequence: of the record that was counted last; "" before the first.
    """

    listed: int
    counted: int
    sequence: str


class MembershipStore(Protocol):
    def apply(
        self,
        account_id: AccountId,
        joined: Iterable[Membership],
        left: Iterable[tuple[AudienceId, Mpid]],
    ) -> None:
        """Write and delete rows of member lists; repeats are harmless."""

    def members(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[Membership]: ...

    def bucket_members(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[Membership]:
        """Members of one bucket of profiles, ascending by the text of their mpids, from the one after `after` on."""

    def between(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, upto: Mpid | None
    ) -> frozenset[Mpid]:
        """Members of a bucket whose mpids' texts come after one and not after another; None: no limit."""

    def forget(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> None:
        """Delete the rows of a bucket, for a member list that nobody reads any more."""

    def count(self, account_id: AccountId, steps: Mapping[AudienceId, Sequence[CountStep]]) -> None:
        """Count joins and leaves.

        Args:
            steps: of each audience, ascending by sequence; those counted before, in whatever company, are not counted
                again.
        """

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts: ...

    def listed(
        self, account_id: AccountId, wanted: Collection[tuple[AudienceId, Mpid]]
    ) -> frozenset[tuple[AudienceId, Mpid]]:
        """Those of the wanted that are in the member lists; strongly consistent."""

    def tally(self, account_id: AccountId, audience_id: AudienceId, bucket: int) -> Tally:
        """Count the members of a bucket one by one."""

    def adjust(self, account_id: AccountId, audience_id: AudienceId, bucket: int, by: int, sequence: str) -> bool:
        """Correct the size by so many, unless a record was counted since `sequence`; whether it was done."""


@dataclass(frozen=True, slots=True)
class BucketSplit:
    """How many members of one bucket of profiles each variant of an A/B test had; those without any may be missing.

    Args:
        at: when they were counted (UTC ms).
    """

    at: int
    members: Mapping[AudienceId, int]


class SplitStore(Protocol):
    """What was last counted of a member set's variants, bucket by bucket; it may be lost, and is counted anew then."""

    def kept(self, account_id: AccountId, member_set: AudienceId, test_id: str) -> dict[int, BucketSplit]: ...

    def keep(
        self, account_id: AccountId, member_set: AudienceId, test_id: str, buckets: Mapping[int, BucketSplit]
    ) -> None:
        """In place of what was kept before."""


class HistoryStore(Protocol):
    """Joins and leaves, each kept until its time is over."""

    def record(self, account_id: AccountId, entries: Sequence[HistoryEntry], retention_days: int) -> None:
        """Keep entries for so many days after their instants; repeats are harmless."""

    def log(self, account_id: AccountId, entries: Sequence[tuple[str, HistoryEntry]], retention_days: int) -> None:
        """Keep entries in their audiences' logs, by time; repeats are harmless.

        Args:
            entries: ascending in the numbers of the stream records that brought them, each after that number, decimal.
                Those that come again come in the same order, though others may be beside them.
        """

    def newest(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        """Of all profiles, newest first, as far as they are in the log."""

    def unlogged(self, account_id: AccountId, entries: Iterable[HistoryEntry]) -> list[HistoryEntry]:
        """Those of the entries that the log does not hold (yet)."""

    def of_profile(
        self, account_id: AccountId, audience_id: AudienceId, mpid: Mpid, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        """Of one profile, newest first."""

    def by_profile(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None
    ) -> Iterator[HistoryEntry]:
        """Of one bucket of profiles, ascending by (text of the mpid, instant, version), from the mpid after `after`.

        Read little by little, and strongly consistent.
        """


@dataclass(frozen=True, slots=True)
class CountChange:
    """That an audience was counted anew."""

    account_id: AccountId
    audience_id: AudienceId


class CountSummaries(Protocol):
    """An audience's counts put together for lists, which read thousands: as they stood at its last refresh."""

    def refresh(self, change: CountChange, now_ms: int) -> None:
        """Put the summary together from the counts; raise `StaleVersionError` when another refresh came between."""

    def figures(
        self, account_id: AccountId, audience_ids: Collection[AudienceId], now_ms: int
    ) -> dict[AudienceId, AudienceCounts]:
        """Of every audience asked for, in few requests; zeros for one that never was counted."""


class LedgerStore(Protocol):
    def desire(
        self,
        account_id: AccountId,
        connection_id: ConnectionId,
        mpid: Mpid,
        desired: Target | None,
        version: int,
        now_ms: int,
    ) -> bool:
        """Set what the partner should have, unless a later profile version did; True if the row is now dirty."""

    def dirty(self, account_id: AccountId, connection_id: ConnectionId, bucket: int, limit: int) -> Sequence[LedgerRow]:
        """Dirty rows of a bucket, oldest first, as they stand, each with what was attempted for it.

        When there are none, nothing is attempted for any row of the bucket any more, whatever was noted.
        """

    def attempt(self, rows: Sequence[LedgerRow]) -> None:
        """Note, before a send, that the partner may have `desired` of these rows of one bucket from now on."""

    def settle(self, rows: Sequence[LedgerRow]) -> None:
        """The outcome of their send is known and written down: nothing is attempted for these rows any more."""

    def rows(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, cursor: str | None, limit: int
    ) -> Page[LedgerRow]:
        """All rows of a bucket, clean ones too."""

    def rows_after(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, after: Mpid | None, limit: int
    ) -> Sequence[LedgerRow]:
        """Rows of a bucket, ascending by the text of their mpids, from the one after `after` on."""

    def find(
        self, account_id: AccountId, connection_id: ConnectionId, mpids: Collection[Mpid]
    ) -> dict[Mpid, LedgerRow]:
        """Those of the rows that exist, strongly consistent; what was attempted in their lanes is not looked up."""

    def acknowledge(self, rows: Sequence[LedgerRow]) -> None:
        """The partner now has `desired` of these rows of one bucket.

        A row stays dirty if something else is desired by now, or if it was doubted since it was read.
        """

    def reject(self, row: LedgerRow, reason: str, may_have: Target | None) -> None:
        """The partner will not take `desired` of the row: keep why, and ask no more until something else is desired.

        Args:
            may_have: what it may have been told of the member all the same; None when it was told nothing.
        """

    def doubt(self, account_id: AccountId, connection_id: ConnectionId, mpid: Mpid, told: Target, now_ms: int) -> bool:
        """The partner may have lost, or still have, `told` of a member: all is said again; False if there is no row."""

    def dirty_lanes(self, older_than_ms: int) -> Mapping[WakeUp, int]:
        """Buckets with rows dirty since before an instant -> since when their oldest is, for the sweep (UTC ms)."""

    def delete_connection_rows(self, account_id: AccountId, connection_id: ConnectionId) -> None: ...


class WakeUpQueue(Protocol):
    def send(self, wake_ups: Collection[WakeUp], now_ms: int) -> None: ...
