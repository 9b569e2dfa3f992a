"""The audiences that one user is in: since when, and until when if nothing happens."""

from collections.abc import Iterator
from datetime import datetime

from audience_core.domain.account import Record
from audience_core.domain.audience import Audience
from audience_core.domain.control_stores import AccountStore, AudienceStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.profile import Profile
from audience_core.domain.stores import HistoryStore, ProfileStore
from audience_core.errors import NotFoundError
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.explanation import moment
from audience_core.evaluation.relevance import population
from audience_core.evaluation.values import to_ms
from audience_core.evaluation.view import View
from audience_core.management.explain import active

_LAST_MS = 253_402_300_799_999  # the end of the year 9999, after which nothing has a date


class MembershipNow(Record):
    """Args:
    since: null when the history does not go back so far.
    until: when the user leaves if nothing happens; null when time alone never changes it.
    """

    audience_id: int
    name: str
    since: datetime | None
    until: datetime | None


class ProfileMemberships(Record):
    """Args:
    items: in active audiences, by id.
    """

    at: datetime
    items: tuple[MembershipNow, ...]


def memberships(
    accounts: AccountStore,
    audiences: AudienceStore,
    profiles: ProfileStore,
    history: HistoryStore,
    account_id: AccountId,
    mpid: Mpid,
    now: datetime,
) -> ProfileMemberships:
    """By the live definitions at `now`. Raise `NotFoundError` when there is no such profile."""
    profile = profiles.load(account_id, Environment.PRODUCTION, [mpid]).get(mpid)
    if profile is None:
        raise NotFoundError("there is no such profile")
    known, look_back_days = active(audiences, account_id), accounts.get(account_id).look_back_days
    return ProfileMemberships(at=now, items=tuple(_items(history, known, profile, look_back_days, to_ms(now))))


def _items(
    history: HistoryStore, known: dict[AudienceId, Audience], profile: Profile, look_back_days: int, now: int
) -> Iterator[MembershipNow]:
    program = compile_program(0, list(known.values()), look_back_days)
    view = View(profile)
    for audience_id in sorted(population(program, profile)):
        is_member, until = program.next_change(audience_id, view, now)
        if is_member:
            latest = history.of_profile(profile.account_id, audience_id, profile.mpid, None, 1).items
            yield MembershipNow(
                audience_id=audience_id,
                name=known[audience_id].name,
                since=moment(latest[0].at) if latest and latest[0].is_member else None,
                until=moment(until) if until <= _LAST_MS else None,
            )
