"""That a profile is in an audience, and how that changed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from audience_core.domain.ids import AudienceId, Mpid


class Reason(StrEnum):
    """Why a membership changed."""

    EVENT = "event"
    ATTRIBUTE = "attribute"
    IDENTITY = "identity"
    TIME = "time"
    BACKFILL = "backfill"
    EDIT = "edit"
    DELETION = "deletion"


class MembershipChange(NamedTuple):
    """One join or leave; `at` is its exact instant (UTC ms), for time-driven ones the instant the answer turned."""

    audience_id: AudienceId
    is_member: bool
    at: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class Membership:
    """A row of an audience's member list; `since` in UTC ms."""

    audience_id: AudienceId
    mpid: Mpid
    since: int


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A join or leave as it is kept.

    Args:
        at: its exact instant (UTC ms); for time-driven ones the instant the answer turned, not that of the visit.
        version: of the profile in which the change is written; tells changes of one instant apart.
    """

    audience_id: AudienceId
    mpid: Mpid
    is_member: bool
    at: int
    reason: Reason
    version: int


@dataclass(frozen=True, slots=True)
class PastMembership:
    """That a profile was in an audience at an instant of the past.

    Args:
        since: UTC ms; None when it joined before the history that is kept.
    """

    audience_id: AudienceId
    mpid: Mpid
    since: int | None
