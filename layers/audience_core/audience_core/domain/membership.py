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
