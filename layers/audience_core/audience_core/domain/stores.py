"""What the use cases need from the outside world; `persistence` implements it, `persistence.memory` for tests."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from audience_core.domain.account import Account, Client, ClientCredentials, Input, Workspace
from audience_core.domain.audience import Audience, AudienceCounts, AudienceOutline, DefinitionVersion, ProgramMark
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import (
    AccountId,
    AudienceId,
    ConnectionId,
    InputId,
    Mpid,
    OutputId,
    WorkspaceId,
)
from audience_core.domain.job import Job, Part
from audience_core.domain.membership import HistoryEntry, Membership
from audience_core.domain.messages import AcceptedBatch, Due, PipelineMessage, WakeUp
from audience_core.domain.output import Connection, LedgerRow, Output, Target
from audience_core.domain.profile import Profile


@dataclass(frozen=True, slots=True)
class Page[T]:
    """Part of a listing; `next` is an opaque cursor, None on the last page."""

    items: tuple[T, ...]
    next: str | None = None


# Control path ---------------------------------------------------------------------------------------------------


class AccountStore(Protocol):
    def get(self, account_id: AccountId) -> Account:
        """Raise `NotFoundError` when absent."""

    def create(self, account: Account) -> Account:
        """Raise `ConflictError` when the id is taken."""

    def all(self) -> Iterator[Account]:
        """Every account, in no particular order; for scheduled work only."""

    def save_client(self, client: Client) -> None: ...

    def client(self, client_id: str) -> Client:
        """The one look-up that is not keyed by account: it is what tells the account. Raise `NotFoundError`."""


class IdentityProvider(Protocol):
    """Issues the OAuth2 clients whose tokens the API accepts."""

    def create_client(self, name: str) -> ClientCredentials: ...


class WorkspaceStore(Protocol):
    def get(self, account_id: AccountId, workspace_id: WorkspaceId) -> Workspace: ...

    def list(self, account_id: AccountId) -> tuple[Workspace, ...]:
        """All workspaces of the account, by creation; at most 50 exist."""

    def save(self, workspace: Workspace) -> Workspace:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale."""

    def delete(self, workspace: Workspace) -> None: ...

    def get_input(self, account_id: AccountId, workspace_id: WorkspaceId, input_id: InputId) -> Input: ...

    def list_inputs(self, account_id: AccountId, workspace_id: WorkspaceId | None = None) -> tuple[Input, ...]: ...

    def save_input(self, an_input: Input) -> Input:
        """As `save`; also makes `input_by_key` find it by its key, and no longer by a key it had before."""

    def delete_input(self, an_input: Input) -> None: ...

    def input_by_key(self, key: str) -> Input:
        """The input that owns an ingest key. Raise `NotFoundError`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a create answered, kept for 24 hours for repeats of it under the same Idempotency-Key.

    Args:
        fingerprint: of the request; a repeat must be the same request.
        body: JSON of the created resource; empty while the request is still under way.
    """

    fingerprint: str
    body: str = ""


class AnswerStore(Protocol):
    def claim_answer(self, account_id: AccountId, key: str, fingerprint: str, now: datetime) -> Answer | None:
        """None when the key is now the caller's; else the first request's answer, without a body while it runs.

        A claim that was neither saved nor released within a minute may be claimed again.
        """

    def save_answer(self, account_id: AccountId, key: str, answer: Answer, now: datetime) -> None: ...

    def release_answer(self, account_id: AccountId, key: str) -> None: ...


class AudienceStore(AnswerStore, Protocol):
    def get(self, account_id: AccountId, audience_id: AudienceId) -> Audience: ...

    def list(self, account_id: AccountId) -> tuple[Audience, ...]:
        """All audiences of the account, by id."""

    def outlines(self, account_id: AccountId) -> tuple[AudienceOutline, ...]:
        """As `list`, without reading definitions."""

    def spell(self, account_id: AccountId, tags: Iterable[str]) -> tuple[str, ...]:
        """The account's spelling of each different tag: the first that was ever asked for, ignoring case."""

    def next_id(self, account_id: AccountId) -> AudienceId: ...

    def save(self, audience: Audience) -> Audience:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale."""

    def publish(self, audience: Audience, active_cap: int | None = None) -> Audience:
        """`save`, and in the same transaction advance the account's program version, which the audience gets.

        Raise `ConflictError` when this would activate one more than `active_cap`, whoever else activates meanwhile.
        """

    def advance(
        self,
        account_id: AccountId,
        change: Callable[[int], Sequence[Audience]],
        versions: Sequence[DefinitionVersion] = (),
        active_cap: int | None = None,
    ) -> tuple[Audience, ...]:
        """Save audiences and definition versions, and advance the program, all in one transaction.

        Args:
            change: gives the audiences for the program version that the transaction makes; may be called repeatedly.

        Raises:
            StaleVersionError: one of the audiences was changed in between.
            ConflictError: this would activate more than `active_cap`, whoever else activates meanwhile.
        """

    def take_over(self, mark: ProgramMark, audiences: Sequence[Audience]) -> tuple[Audience, ...]:
        """Save audiences of one account and advance the program version, but not `published`, in one transaction.

        Raises:
            StaleVersionError: the program no longer stands at `mark`, or an audience was changed in between.
        """

    def delete(self, audience: Audience) -> None:
        """Delete it with its definition versions, and advance the program version when it was active."""

    def get_version(self, account_id: AccountId, audience_id: AudienceId, number: int) -> DefinitionVersion: ...

    def list_versions(self, account_id: AccountId, audience_id: AudienceId) -> tuple[DefinitionVersion, ...]:
        """By number; the definitions that were live or staged at one time."""

    def program(self, account_id: AccountId) -> ProgramMark:
        """Strongly consistent; zeros for an account that never activated an audience."""

    def program_version(self, account_id: AccountId) -> int:
        """`program` without when a backfill was asked for last."""


class OutputStore(Protocol):
    def get(self, account_id: AccountId, output_id: OutputId) -> Output: ...

    def list(self, account_id: AccountId) -> tuple[Output, ...]: ...

    def save(self, output: Output) -> Output: ...

    def delete(self, output: Output) -> None: ...

    def get_connection(self, account_id: AccountId, connection_id: ConnectionId) -> Connection: ...

    def list_connections(self, account_id: AccountId, audience_id: AudienceId | None = None) -> tuple[Connection, ...]:
        """Connections of the account, or of one audience of it; strongly consistent."""

    def connections_of(self, account_id: AccountId, audience_ids: Collection[AudienceId]) -> tuple[Connection, ...]:
        """Connections of some audiences of the account, without bringing all others; strongly consistent."""

    def save_connection(self, connection: Connection) -> Connection: ...

    def delete_connection(self, connection: Connection) -> None: ...


class SecretStore(Protocol):
    def put(self, account_id: AccountId, name: str, values: Mapping[str, str]) -> str:
        """Store confidential settings; return the reference under which `get` finds them."""

    def get(self, reference: str) -> dict[str, str]: ...

    def delete(self, reference: str) -> None: ...


class Workflows(Protocol):
    """The state machines that the control path starts."""

    def start_backfill(self, account_id: AccountId, program_version: int, token: int = 1) -> str:
        """Evaluate all profiles of the account against the program; the run's name. Starting twice starts one.

        Args:
            token: of the job's attempt; another one has a run of its own.
        """

    def is_backfill_under_way(self, account_id: AccountId, program_version: int) -> bool:
        """Whether the run of its first attempt was started and has not ended."""

    def start_connection_fill(self, account_id: AccountId, connection_id: ConnectionId, version: int) -> str:
        """Bring a connection's subscription and ledger in line with its status; the run's name."""


class JobStore(Protocol):
    def get(self, account_id: AccountId, job_id: str) -> Job: ...

    def list(self, account_id: AccountId) -> tuple[Job, ...]:
        """Jobs of the account, the latest first."""

    def save(self, job: Job) -> Job:
        """Store and return the next version; raise `StaleVersionError` when `version` is stale."""

    def prolong(self, job: Job, lease_until: int) -> bool:
        """Prolong the lease of a running job (UTC ms), unless it has ended or another attempt has begun: then False."""

    def claim(self, part: Part) -> Part:
        """The stored part, or this one when there is none, with a token by which all earlier claims are fenced off."""

    def save_part(self, part: Part) -> None:
        """Raise `StaleVersionError` when somebody has claimed the part since."""

    def parts(self, account_id: AccountId, job_id: str) -> tuple[Part, ...]:
        """By step and name."""

    def backfilled(self, account_id: AccountId) -> int:
        """The latest program version with which every profile was evaluated; 0 if none."""

    def set_backfilled(self, account_id: AccountId, program_version: int) -> None:
        """Never goes back."""


class RunFiles(Protocol):
    """Files by which the steps of a run hand work to each other."""

    def put_lines(self, name: str, lines: Sequence[Mapping[str, Any]]) -> str:
        """Write a JSON object a line; the name of the bucket that holds the file."""


# Ingest ---------------------------------------------------------------------------------------------------------


class RequestStore(Protocol):
    """Remembers `source_request_id`s, scoped by input, for 30 days."""

    def is_known(self, input_id: InputId, request_ids: Collection[str]) -> frozenset[str]:
        """Those of the ids that were accepted before."""

    def remember(self, input_id: InputId, request_ids: Collection[str], now_ms: int) -> None: ...


class RateStore(Protocol):
    def add(self, account_id: AccountId, batches: int, second: int) -> int:
        """Count batches against one second (UNIX time); the total of that second, these included."""


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


class Archive(Protocol):
    def put(self, batches: Sequence[AcceptedBatch]) -> None:
        """Keep raw batches durably before their queue messages are deleted; the same call twice is harmless."""


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


class ProfileStore(Protocol):
    def load(self, account_id: AccountId, environment: Environment, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        """Those of the profiles that exist, whole, by strongly consistent batched reads."""

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
        sequence: the record's sequence number, decimal; within a bucket later records have greater ones.
        at: when the record was written (UTC ms).
    """

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

    def count(self, account_id: AccountId, audience_id: AudienceId, bucket: int, steps: Sequence[CountStep]) -> None:
        """Count joins and leaves of one bucket of profiles.

        Args:
            steps: ascending by sequence; those counted before, in whatever company, are not counted again.
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


class HistoryStore(Protocol):
    """Joins and leaves, each kept until its time is over."""

    def record(self, account_id: AccountId, entries: Sequence[HistoryEntry], retention_days: int) -> None:
        """Keep entries for so many days after their instants; repeats are harmless."""

    def newest(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[HistoryEntry]:
        """Of all profiles, newest first."""

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
    """That an audience was counted anew.

    Args:
        hours: those (since 1970) in which joins or leaves were counted.
    """

    account_id: AccountId
    audience_id: AudienceId
    hours: frozenset[int]


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
        """Dirty rows of a bucket, oldest first, as they stand, each with what was attempted for it."""

    def attempt(self, rows: Sequence[LedgerRow]) -> None:
        """Note, before a send, that the partner may have `desired` of these rows of one bucket from now on."""

    def settle(self, rows: Sequence[LedgerRow]) -> None:
        """The outcome of the send is known and acknowledged: nothing is attempted for these rows any more."""

    def rows(
        self, account_id: AccountId, connection_id: ConnectionId, bucket: int, cursor: str | None, limit: int
    ) -> Page[LedgerRow]:
        """All rows of a bucket, clean ones too."""

    def acknowledge(self, row: LedgerRow) -> None:
        """The partner now has `row.desired`; the row stays dirty if something else is desired by now."""

    def dirty_buckets(self, older_than_ms: int) -> Sequence[WakeUp]:
        """Buckets with rows dirty since before an instant: what the sweep wakes up."""

    def delete_connection_rows(self, account_id: AccountId, connection_id: ConnectionId) -> None: ...


class WakeUpQueue(Protocol):
    def send(self, wake_ups: Collection[WakeUp], now_ms: int) -> None: ...
