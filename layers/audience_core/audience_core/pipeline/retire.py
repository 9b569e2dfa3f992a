"""Profiles without a sign of their users for longer than the account keeps them are removed.

The item goes first, if nobody wrote it meanwhile. Its stream record tells everybody else: `fan_out` ends memberships,
withdraws the profile from partners, and clears what is left of it.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from audience_core.domain.account import Account
from audience_core.domain.control_stores import AccountStore
from audience_core.domain.event import Environment
from audience_core.domain.ids import DAY_MS, Mpid
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.stores import IdentityStore, MarkStore, ProfileStore
from audience_core.errors import StaleVersionError

_STRETCH = 200
_MARK = "retire_profiles"


@dataclass(slots=True)
class RetirementRun:
    """What one run did.

    Args:
        is_done: all profiles were looked at today; otherwise the next run goes on.
    """

    looked_at: int = 0
    retired: int = 0
    is_done: bool = False


type _Place = tuple[int, str, int, str]  # account, environment, bucket, mpid or ""


def retire_profiles(
    accounts: AccountStore, profiles: ProfileStore, marks: MarkStore, clock: Callable[[], int], until_ms: int
) -> RetirementRun:
    """Go through all profiles once each UTC day, as far as time allows, from where the last run stopped.

    Args:
        until_ms: no stretch of profiles is begun after this instant (UTC ms).
    """
    run, today = RetirementRun(), datetime.fromtimestamp(clock() / 1000, UTC).date().isoformat()
    day, is_done, place = json.loads(marks.get(_MARK) or '["", true, null]')
    if (day, is_done) == (today, True):
        return RetirementRun(is_done=True)
    start: _Place | None = None if place is None or is_done else tuple(place)
    for here in _walk(accounts, profiles, start, clock, run):
        if clock() >= until_ms:
            marks.put(_MARK, json.dumps([today, False, here]))
            return run
    marks.put(_MARK, json.dumps([today, True, None]))
    run.is_done = True
    return run


def last_sign(profile: Profile) -> int:
    """When a profile was last heard of (UTC ms): something its user did, or something that was told of the user."""
    signs = [seen.last for seen in profile.seen.values()]
    signs += profile.identities.values()
    signs += [register.at for register in profile.registers.values()]
    return max(signs, default=0)


def clear(identities: IdentityStore, profiles: ProfileStore, removed: Profile) -> None:
    """Delete what a removed profile leaves behind; what was told after its last write belongs to another one."""
    for identity, told_at in removed.identities.items():
        identities.forget(removed.account_id, removed.environment, identity, removed.mpid, told_at)
    profiles.discard_timeline(removed)


def _walk(
    accounts: AccountStore,
    profiles: ProfileStore,
    start: _Place | None,
    clock: Callable[[], int],
    run: RetirementRun,
) -> Iterator[_Place]:
    """Retire stretch by stretch; after each, the place where the next one begins."""
    for account in sorted(accounts.all(), key=lambda each: each.account_id):
        for environment in Environment:
            for bucket in range(BUCKETS):
                lane = (int(account.account_id), environment.value, bucket)
                if start is None or lane >= start[:3]:
                    after = start[3] if start is not None and lane == start[:3] else ""
                    yield from _walk_bucket(profiles, account, environment, bucket, after, clock, run)


def _walk_bucket(
    profiles: ProfileStore,
    account: Account,
    environment: Environment,
    bucket: int,
    after: str,
    clock: Callable[[], int],
    run: RetirementRun,
) -> Iterator[_Place]:
    last = Mpid(int(after)) if after else None
    while True:
        stretch = profiles.stretch(account.account_id, environment, bucket, last, _STRETCH)
        horizon = clock() - account.retention_days * DAY_MS
        run.looked_at += len(stretch)
        run.retired += sum(_is_removed(profiles, each) for each in stretch if last_sign(each) < horizon)
        if len(stretch) < _STRETCH:
            # The next stretch is that of the next bucket: beyond every mpid of this one.
            yield account.account_id, environment.value, bucket + 1, ""
            return
        last = stretch[-1].mpid
        yield account.account_id, environment.value, bucket, str(last)


def _is_removed(profiles: ProfileStore, profile: Profile) -> bool:
    try:
        profiles.delete(profile)
    except StaleVersionError:
        return False  # its user is back
    return True
