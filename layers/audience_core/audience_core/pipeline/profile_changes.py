"""Records of the profiles table's stream in terms of member sets and of audiences."""

from dataclasses import replace

from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.profile import Profile
from audience_core.domain.profile_change import ProfileChange
from audience_core.pipeline.member_sets import Tenures, live


def of_audiences(change: ProfileChange, known: Tenures) -> ProfileChange:
    """The record with audiences in the place of member sets.

    A membership that differs for no reason of its own, because another set is the audience's now, has that of an edit.
    """
    old, new = (live(profile, known) if profile else None for profile in (change.old, change.new))
    mapped = replace(change, old=old, new=new)
    if new is not None:
        told = {each.audience_id: each.is_member for each in new.changes}
        differing = [(each, True) for each in mapped.joined()] + [(each, False) for each in mapped.left()]
        untold = [
            MembershipChange(each, is_member, change.at, Reason.EDIT)
            for each, is_member in sorted(differing)
            if told.get(each) is not is_member
        ]
        new.changes += tuple(untold)
    return mapped


def of_unnamed_sets(change: ProfileChange, known: Tenures) -> ProfileChange:
    """The record with only those member sets whose id is not that of their audience."""

    def restricted(profile: Profile | None) -> Profile | None:
        if profile is None:
            return None
        unnamed = {each for each in profile.memberships if each in known and known[each].audience_id != each}
        return replace(profile, memberships=unnamed)

    return replace(change, old=restricted(change.old), new=restricted(change.new))


def newest_program(change: ProfileChange) -> int:
    return max(profile.program_version for profile in (change.old, change.new) if profile)
