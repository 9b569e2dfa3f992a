"""Brings one profile up to its account's definitions, from whatever version of them it was evaluated with."""

from dataclasses import dataclass

from audience_core.domain.ids import NEVER, AudienceId
from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.profile import Delta, Profile
from audience_core.evaluation.incremental import evaluate
from audience_core.evaluation.program import Program
from audience_core.evaluation.relevance import affected, population
from audience_core.evaluation.view import View
from audience_core.pipeline.member_sets import live_audiences
from audience_core.pipeline.programs import Definitions


def evaluate_profile(definitions: Definitions, profile: Profile, delta: Delta, now: int) -> bool:
    """Evaluate a profile to which the delta was applied; whether there is anything that must be stored.

    A profile that newer definitions leave as it is, now and for as long as nothing happens to it, keeps its program
    version: whoever touches it next brings it up to date with the same result.
    """
    before = profile.memberships, profile.agenda, profile.agenda_until
    had_version = profile.program_version
    adoption = _adopt(definitions, profile, delta, now)
    evaluation = evaluate(definitions.program, profile, delta, now)
    after = profile.memberships ^ evaluation.flipped, evaluation.agenda, evaluation.agenda_until
    if delta.is_empty and before == after and _says_the_same(definitions, profile, had_version, adoption):
        profile.memberships, profile.agenda, profile.agenda_until = before
        profile.program_version = had_version
        return False
    evaluation.keep(profile, definitions.program)
    changes = sorted((*adoption.changes, *evaluation.changes), key=lambda change: (change.at, change.audience_id))
    profile.changes = tuple(changes)
    return True


def _says_the_same(definitions: Definitions, profile: Profile, had_version: int, adoption: "_Adoption") -> bool:
    """Whether a profile whose member sets did not change may go on speaking with the program version it had."""
    if had_version == definitions.program.version:
        return True
    was, is_now = (
        live_audiences(profile.memberships, version, definitions.known)
        for version in (had_version, definitions.program.version)
    )
    return adoption.is_final and was == is_now


@dataclass(frozen=True, slots=True)
class _Adoption:
    """Args:
    is_final: what was adopted does not change by time alone.
    """

    changes: tuple[MembershipChange, ...] = ()
    is_final: bool = False


def _adopt(definitions: Definitions, profile: Profile, delta: Delta, now: int) -> _Adoption:
    """Leave the sets that the program no longer has, and ask for those that it did not have before.

    All other memberships and the agenda stand, so their changes in time keep their exact instants. A profile that was
    never evaluated, or whose agenda is used up, is left as it is: `evaluate` starts it over.
    """
    program = definitions.program
    if not profile.program_version or profile.program_version == program.version or profile.agenda_until <= now:
        return _Adoption()
    fresh = {each for each, since in definitions.since.items() if since > profile.program_version}
    profile.memberships = profile.memberships & program.trees.keys()
    agenda = {each: at for at, each in profile.agenda if each in program.trees and each not in fresh}
    profile.program_version = program.version
    changes, is_final = _ask(program, profile, fresh, agenda, delta, now)
    profile.agenda = tuple(sorted((at, each) for each, at in agenda.items()))
    return _Adoption(changes, is_final)


def _ask(
    program: Program, profile: Profile, fresh: set[AudienceId], agenda: dict[AudienceId, int], delta: Delta, now: int
) -> tuple[tuple[MembershipChange, ...], bool]:
    """Settle the fresh sets as of now; those that the delta touches are left to `evaluate`, which says why."""
    view, changes, is_final = View(profile), [], True
    touched = set() if delta.is_empty else set(affected(program, view, delta, now))
    members, seen_in = set(profile.memberships), population(program, profile)
    for each in sorted(fresh - touched):
        value, at = program.next_change(each, view, now) if each in seen_in else (False, NEVER)
        if value is not (each in members):
            (members.add if value else members.discard)(each)
            changes.append(MembershipChange(each, value, now, Reason.BACKFILL if value else Reason.EDIT))
        if at < profile.agenda_until:
            agenda[each] = at
        is_final = is_final and at == NEVER
    profile.memberships = members
    return tuple(changes), is_final
