"""Keeps a profile's memberships right: after a change only what it can affect, and as time passes only what is due."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from audience_core.domain.ids import NEVER, AudienceId
from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.profile import Delta, Profile
from audience_core.evaluation import relevance
from audience_core.evaluation.program import Program
from audience_core.evaluation.relevance import affected
from audience_core.evaluation.view import View

# So many next changes a profile keeps; when they are used up, all audiences are asked anew for theirs.
AGENDA_SIZE = 64

type Agenda = tuple[tuple[int, AudienceId], ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What a profile's memberships are at an instant, when they next change, and what changed since its last one.

    Args:
        changes: ascending by instant; a time-driven one bears the instant at which the answer turned.
    """

    memberships: frozenset[AudienceId]
    agenda: Agenda
    agenda_until: int
    changes: tuple[MembershipChange, ...]


def evaluate(program: Program, profile: Profile, delta: Delta, now: int) -> Evaluation:
    """Bring a profile's memberships from its last evaluation to `now` (UTC ms).

    Args:
        profile: with the delta already applied; `memberships`, `agenda` and `program_version` still as stored.
        delta: what changed since it was stored; may be empty.
    """
    turn = _Turn(program, profile, now)
    touched = affected(program, turn.view, delta, now)
    if profile.program_version == program.version:
        turn.settle(touched, _reason(delta))
        turn.catch_up(touched)
    else:
        turn.start_over(touched, _reason(delta))
    return turn.result()


def _reason(delta: Delta) -> Reason:
    if delta.events:
        return Reason.EVENT
    return Reason.IDENTITY if delta.identity_types else Reason.ATTRIBUTE


class _Turn:
    """One evaluation under way."""

    def __init__(self, program: Program, profile: Profile, now: int) -> None:
        self._program, self.view, self._now = program, View(profile), now
        # Copied when the first change comes: most evaluations bring none.
        self._members: AbstractSet[AudienceId] = profile.memberships
        self._agenda = {audience: at for at, audience in profile.agenda}
        self._until = profile.agenda_until
        self._changes: list[MembershipChange] = []
        self._population = relevance.population(program, profile)

    def start_over(self, touched: set[AudienceId], reason: Reason) -> None:
        """Other definitions than at the last evaluation, or the first one: nothing stored can be relied on."""
        self._agenda, self._until = {}, NEVER
        known = relevance.stirred(self._program, self.view, self._now)
        self.settle(known & touched, reason)
        self.settle(known - touched, Reason.BACKFILL)
        blank = self._population - known
        for audience in blank & self._program.blank_members:
            self._set(audience, True, self._now, reason if audience in touched else Reason.BACKFILL)
        left = self._members - (known & self._population) - (blank & self._program.blank_members)
        for audience in left:
            self._set(audience, False, self._now, Reason.EDIT)

    def settle(self, audiences: AbstractSet[AudienceId], reason: Reason) -> None:
        """Ask audiences for their membership now and their next change."""
        next_change, view, now, members = self._program.next_change, self.view, self._now, self._members
        agenda, until = self._agenda, self._until
        for audience in audiences & self._population:
            value, at = next_change(audience, view, now)
            if value is not (audience in members):
                self._set(audience, value, now, reason)
            if at < until:
                agenda[audience] = at
            elif audience in agenda:
                del agenda[audience]

    def catch_up(self, settled: set[AudienceId]) -> None:
        """Let time pass for all other audiences that are due, change by change, up to now."""
        if self._until <= self._now:
            self._replan(settled)
        due = [audience for audience, at in self._agenda.items() if at <= self._now]
        for audience in due:
            self._pass_time(audience, self._agenda[audience])
        if not self._agenda and self._until < NEVER:
            self._replan(settled)

    def _pass_time(self, audience: AudienceId, at: int) -> None:
        while at <= self._now:
            value, following = self._program.next_change(audience, self.view, at)
            self._set(audience, value, at, Reason.TIME)
            at = following
        self._plan(audience, at)

    def _replan(self, settled: set[AudienceId]) -> None:
        """The agenda is used up: ask every audience for its next change since the agenda was last complete."""
        since, self._until = min(self._until, self._now), NEVER
        # One millisecond earlier, so that what turns at that very instant is among them.
        turning = relevance.restless(self._program, self.view, since - 1) & self._population
        for audience in turning - self._agenda.keys():
            asked_at = self._now if audience in settled else since
            value, at = self._program.next_change(audience, self.view, asked_at)
            self._set(audience, value, asked_at, Reason.TIME)
            if at < NEVER:
                self._agenda[audience] = at

    def _set(self, audience: AudienceId, is_member: bool, at: int, reason: Reason) -> None:
        if is_member is (audience in self._members):
            return
        if not isinstance(self._members, set):
            self._members = set(self._members)
        (self._members.add if is_member else self._members.discard)(audience)
        self._changes.append(MembershipChange(audience, is_member, at, reason))

    def _plan(self, audience: AudienceId, at: int) -> None:
        if at < self._until:
            self._agenda[audience] = at
        else:
            self._agenda.pop(audience, None)

    def result(self) -> Evaluation:
        ordered = sorted((at, audience) for audience, at in self._agenda.items())
        kept, rest = ordered[:AGENDA_SIZE], ordered[AGENDA_SIZE:]
        until = min(self._until, rest[0][0]) if rest else self._until
        return Evaluation(
            frozenset(self._members),
            tuple(kept),
            until,
            tuple(sorted(self._changes, key=lambda change: (change.at, change.audience_id))),
        )
