"""Everything known about one user, in the form that evaluation reads and one stored item holds."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple

from audience_core.domain.definition import EventKind
from audience_core.domain.event import AttributeValue, Environment, Event, Identity
from audience_core.domain.ids import NEVER, AccountId, AudienceId, Mpid, WorkspaceId
from audience_core.domain.membership import MembershipChange

# Profiles of an account and environment are spread over this many partitions by their mpid.
BUCKETS = 64

type TrackKey = tuple[EventKind, str]


# The index of due profiles is spread over this many partitions.
DUE_SHARDS = 16


def due_shard_of(mpid: int) -> int:
    """The index partition of a profile; other bits than the bucket's, so that both spread."""
    return (mpid >> 6) & (DUE_SHARDS - 1)


def bucket_of(mpid: int) -> int:
    """The partition of a profile: mpids are random, so their low bits spread evenly."""
    return mpid & (BUCKETS - 1)


def next_version(version: int, now_ms: int) -> int:
    """The version of a profile's next write.

    The first one is the time in seconds, so that the next profile of a removed one's mpid goes on beyond its versions:
    whoever still knows of those would take smaller ones for old news.
    """
    return version + 1 if version else max(1, now_ms // 1000)  # 0 says that there is none yet


class RegisterKind(StrEnum):
    """What a register holds; the letters are stored."""

    ATTRIBUTE = "a"  # name: attribute
    DEVICE = "d"  # name: "<device key>/<field>"
    LOCATION = "l"  # name: "", value: mapping of the fields of `EventBatch.location`
    CONSENT = "c"  # name: "<regulation>/<purpose>"
    ATTRIBUTION = "i"  # name: publisher, campaign
    OPT_OUT = "o"  # name: "", value: whether the user wants to be left alone in the workspace


class RegisterKey(NamedTuple):
    workspace_id: WorkspaceId
    kind: RegisterKind
    name: str


@dataclass(frozen=True, slots=True)
class Register:
    """A last-writer-wins value.

    Args:
        at: receive time of the batch that wrote it (UTC ms).
        is_deleted: the attribute was deleted; kept for the look-back so that an older write cannot revive it.
    """

    value: AttributeValue
    at: int
    is_deleted: bool = False


def precedence(register: Register) -> tuple[int, bool, str]:
    """Who wins: the later write; at one instant a value over a deletion, then the greater text, whatever came first."""
    return register.at, not register.is_deleted, repr(register.value)


@dataclass(frozen=True, slots=True)
class Seen:
    """First and last sign of a user in a workspace (UTC ms)."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """A sealed part of a heavy profile's timeline, stored beside the profile item; its name is its content's hash."""

    name: str
    first_at: int
    last_at: int
    count: int


# Events of one kind and name, ascending by (at, event_id), no id twice.
type Track = list[Event]


@dataclass(slots=True)
class Profile:
    """One user of an account.

    Args:
        version: 0 when not yet stored; every write adds one and is conditional on it (`next_version`).
        identities: every identity held -> receive time of the batch that last told it (UTC ms).
        timeline: events inside the account's look-back, sealed parts included, by kind and name.
        sealed: parts of the timeline that already lie in chunks; `sealed_ids` are the ids of their events.
        memberships: audiences of whose current definitions the profile is a member.
        agenda: the next instants at which a membership changes if nothing happens: (UTC ms, audience), ascending,
            complete up to `agenda_until` (exclusive).
        program_version: version of the account's set of active definitions that `memberships` and `agenda` reflect.
        changes: the membership changes of the write that made this version.
        cause: correlation id of the request behind that write; "" if there was none. Known of stream records alone.
    """

    account_id: AccountId
    environment: Environment
    mpid: Mpid
    version: int = 0
    identities: dict[Identity, int] = field(default_factory=dict)
    registers: dict[RegisterKey, Register] = field(default_factory=dict)
    seen: dict[WorkspaceId, Seen] = field(default_factory=dict)
    timeline: dict[TrackKey, Track] = field(default_factory=dict)
    sealed: tuple[ChunkRef, ...] = ()
    sealed_ids: frozenset[bytes] = frozenset()
    memberships: set[AudienceId] = field(default_factory=set)
    agenda: tuple[tuple[int, AudienceId], ...] = ()
    agenda_until: int = NEVER
    program_version: int = 0
    changes: tuple[MembershipChange, ...] = ()
    cause: str = field(default="", compare=False)

    @property
    def due_at(self) -> int:
        """The next instant at which somebody must look at this profile (UTC ms, NEVER if none)."""
        return min(self.agenda[0][0], self.agenda_until) if self.agenda else self.agenda_until


@dataclass(slots=True)
class Delta:
    """What a set of batches changed in a profile: what decides which audiences are evaluated.

    Args:
        events: the new events, duplicates and those older than the look-back left out.
        registers: keys whose value changed, or whose newer time may make it win over other workspaces' values.
        identity_types: types of identities added, changed or removed.
        new_workspaces: workspaces in which the profile was seen for the first time.
        seen: workspaces in which the first or last sign of the user moved.
        has_replaced: one of the events took the place of another with its id, which is among `events`, too.
        has_newer_times: something already known was told again, later: no audience can tell, but it must be stored,
            since it decides what a still older batch may change.
    """

    events: list[Event] = field(default_factory=list)
    registers: set[RegisterKey] = field(default_factory=set)
    identity_types: set[str] = field(default_factory=set)
    new_workspaces: set[WorkspaceId] = field(default_factory=set)
    seen: set[WorkspaceId] = field(default_factory=set)
    has_replaced: bool = False
    has_newer_times: bool = False

    @property
    def is_empty(self) -> bool:
        return not (self.events or self.registers or self.identity_types or self.seen or self.has_newer_times)
