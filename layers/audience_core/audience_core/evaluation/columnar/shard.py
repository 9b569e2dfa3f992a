"""A shard of the archive as columns: the events, products and traits of some of an account's users."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from audience_core.domain.ids import DAY_MS
from audience_core.domain.windows import Window
from audience_core.evaluation.columnar.arrays import Integers
from audience_core.evaluation.columnar.columns import Codes, Column
from audience_core.evaluation.windows import Span, span_of

# (kind, name)
type Key = tuple[str, str]

# Groups of `Shard.users`; all others are (RegisterKind, name), devices by field, and ("identity", type).
MPIDS: Key = ("mpid", "")
SEEN, IDENTITY = "seen", "identity"
# The one value column of registers other than places, and of identities.
VALUE = "value"


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that have a key in common.

    Args:
        integers: columns of plain integers by name.
        labels: columns of workspace or input ids by name, every row has one.
        values: columns of attribute values by attribute; an attribute that no row has is not there.
    """

    rows: int
    integers: Mapping[str, Integers] = field(default_factory=dict)
    labels: Mapping[str, Codes] = field(default_factory=dict)
    values: Mapping[str, Column] = field(default_factory=dict)


class Groups(Protocol):
    """A table in groups, of which one reads what one needs."""

    @property
    def sizes(self) -> Mapping[Key, int]:
        """How many rows the groups have; a group without rows is not among them."""

    def read(self, key: Key, integers: Collection[str], labels: Collection[str], values: Collection[str]) -> Group:
        """The columns named, of a group that is there."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Some users of one account and environment, each with all its events.

    A user is named by its row, 0 to `size` - 1. Deleted registers are left out.

    Args:
        events: by (kind, name), ascending by (user, at, event id). Integers: `user`, `at` (UTC ms), `tie` (place
            among the user's events of this kind and instant, by event id). Labels: `input`, `workspace`.
        products: by (kind, name) of their events, ascending by event. Integers: `event` (row in the events' group).
        users: MPIDS with the integers `mpid`, one row per user. (SEEN, workspace): `user`, `first`, `last` (UTC ms).
            (RegisterKind, name): `user`, ascending by user and then by precedence, the winner last; label `workspace`;
            value VALUE, or for a place each of its fields. (RegisterKind.DEVICE, field) and (IDENTITY, type): `user`,
            ascending; value VALUE.
    """

    size: int
    events: Groups
    products: Groups
    users: Groups


@dataclass(frozen=True, slots=True)
class MemoryGroups:
    """Groups held in memory; more columns than asked for do no harm."""

    groups: Mapping[Key, Group]

    @property
    def sizes(self) -> Mapping[Key, int]:
        return {key: group.rows for key, group in self.groups.items() if group.rows}

    def read(self, key: Key, integers: Collection[str], labels: Collection[str], values: Collection[str]) -> Group:
        return self.groups[key]


class EventRange(NamedTuple):
    """The events with `first <= at <= last` (UTC ms)."""

    first: int
    last: int


def look_back(now: int, days: int) -> EventRange:
    """What real-time audiences see."""
    return EventRange(now - days * DAY_MS, now)


def during(window: Window, now: int, visible: EventRange) -> EventRange:
    """The visible events that lie in a window at `now`; no event of the future is seen."""
    inside = moving_range(span_of(window), now)
    return EventRange(max(visible.first, inside.first), min(visible.last, inside.last))


def moving_range(span: Span, now: int) -> EventRange:
    """As `windows.event_span` has it: the window's dates and distances from `now`, and nothing later than `now`."""
    return EventRange(max(span.first, now - span.older), min(span.last, now - span.newer))
