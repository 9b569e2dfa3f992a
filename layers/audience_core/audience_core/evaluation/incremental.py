"""Keeps a profile's memberships right: after a change only what it can affect, and as time passes only what is due."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from itertools import repeat
from operator import attrgetter

from audience_core.domain.ids import NEVER, AudienceId
from audience_core.domain.membership import MembershipChange, Reason
from audience_core.domain.profile import Delta, Profile
from audience_core.evaluation import relevance
from audience_core.evaluation.program import Program
from audience_core.evaluation.relevance import Folded, affected
from audience_core.evaluation.view import View

type Agenda = tuple[tuple[int, AudienceId], ...]

_by_audience, _by_instant = attrgetter("audience_id"), attrgetter("at")


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What changed in a profile's memberships since its last evaluation, and when they next change.

    Args:
        flipped: audiences that it is, by now, in if it was not, and the other way round.
        changes: ascending by instant; a time-driven one bears the instant at which the answer turned.
    """

    flipped: AbstractSet[AudienceId]
    agenda: Agenda
    agenda_until: int
    changes: tuple[MembershipChange, ...]

    def keep(self, profile: Profile, program: Program) -> None:
        """Put it into the profile that was evaluated."""
        profile.memberships ^= self.flipped
        profile.agenda, profile.agenda_until, profile.changes = self.agenda, self.agenda_until, self.changes
        profile.program_version = program.version


def evaluate(program: Program, profile: Profile, delta: Delta, now: int) -> Evaluation:
    """Bring a profile's memberships from its last evaluation to `now` (UTC ms).

    Args:
        profile: with the delta already applied; `memberships`, `agenda` and `program_version` still as stored.
        delta: what changed since it was stored; may be empty.
    """
    turn = _Turn(program, profile, now)
    if profile.program_version == program.version:
        turn.settle(affected(program, turn.view, delta, now), _reason(delta))
        turn.catch_up()
    elif profile.program_version == 0:
        turn.start_over(_reason(delta))
    else:
        turn.settle_with(affected(program, turn.view, delta, now), _reason(delta))
    return turn.result()


def _reason(delta: Delta) -> Reason:
    if delta.events:
        return Reason.EVENT
    return Reason.IDENTITY if delta.identity_types else Reason.ATTRIBUTE


class _Turn:
    """One evaluation under way."""

    def __init__(self, program: Program, profile: Profile, now: int) -> None:
        self._program, self.view, self._now = program, View(profile), now
        self._members, self._agenda, self._until = profile.memberships, profile.agenda, profile.agenda_until
        self._population = relevance.population(program, profile)
        # Audiences that are, by now, what `_members` does not say.
        self._flipped: set[AudienceId] = set()
        # Audiences that were asked anew, and what they have ahead: it replaces what the agenda says of them.
        self._asked: set[AudienceId] = set()
        self._planned: list[tuple[int, AudienceId]] = []
        # In runs, each ascending by audience; those of time, at instants of their own, apart.
        self._changes: list[MembershipChange] = []
        self._timed: list[MembershipChange] = []

    def start_over(self, reason: Reason) -> None:
        """A profile that was never evaluated, or not with these definitions: nothing stored can be relied on."""
        self._agenda, self._until = (), NEVER
        known, blank = relevance.stirred(self._program, self.view, self._now), self._program.blank_members
        self.settle(known, reason)
        members = (self._population & blank).difference(known)
        if not self._members:
            self._flip(members, reason)
        else:
            self._flip(members - self._members, reason)
            self._flip(self._members - self._population.intersection(known) - members, Reason.EDIT)

    def settle_with(self, touched: Folded, reason: Reason) -> None:
        """Other definitions than at the last evaluation: what the change touched has its reason, the rest theirs."""
        self.start_over(Reason.BACKFILL)
        self._changes = [
            change._replace(reason=reason)
            if change.reason is Reason.BACKFILL and change.audience_id in touched
            else change
            for change in self._changes
        ]

    def settle(self, audiences: Folded, reason: Reason) -> None:
        """Ask audiences for their membership now and their next change."""
        self._asked.update(audiences)
        program, view, moment = self._program, self.view, self._program.at(self.view, self._now)
        members, population, until, plan = self._members, self._population, self._until, self._planned.append
        flipped = []
        for audience, folded in audiences.items():
            if audience not in population:
                continue
            answer = folded(moment) if folded else program.blank_answer(audience)
            if answer & 1 and folded:
                answer = program.settled(folded, answer, view)
            if (answer > 0) is not (audience in members):
                flipped.append(audience)
            if (at := abs(answer) >> 1) < until:
                plan((at, audience))
        self._flip(flipped, reason)

    def catch_up(self) -> None:
        """Let time pass for all other audiences that are due, change by change, up to now."""
        if self._until <= self._now:
            self._replan()
        for at, audience in self._agenda:
            if at > self._now:
                break
            if audience not in self._asked:
                self._pass_time(audience, at)
        if self._until < NEVER and not self._planned and all(each in self._asked for _, each in self._agenda):
            self._replan()

    def _pass_time(self, audience: AudienceId, at: int) -> None:
        self._asked.add(audience)
        while at <= self._now:
            value, following = self._program.next_change(audience, self.view, at)
            self._set(audience, value, at, Reason.TIME)
            at = following
        if at < self._until:
            self._planned.append((at, audience))

    def _replan(self) -> None:
        """The agenda is used up: ask every audience for its next change since the agenda was last complete."""
        since, self._until = min(self._until, self._now), NEVER
        ahead = {audience for _, audience in self._ahead()}
        # One millisecond earlier, so that what turns at that very instant is among them.
        turning = relevance.restless(self._program, self.view, since - 1).keys() & self._population
        for audience in turning - ahead:
            asked_at = self._now if audience in self._asked else since
            value, at = self._program.next_change(audience, self.view, asked_at)
            self._set(audience, value, asked_at, Reason.TIME)
            if at <= self._now:
                self._pass_time(audience, at)
            elif at < NEVER:
                self._asked.add(audience)
                self._planned.append((at, audience))

    def _ahead(self) -> list[tuple[int, AudienceId]]:
        """All changes ahead that are known, in no order."""
        return [entry for entry in self._agenda if entry[1] not in self._asked] + self._planned

    def _set(self, audience: AudienceId, is_member: bool, at: int, reason: Reason) -> None:
        if is_member is ((audience in self._members) is (audience in self._flipped)):
            self._flipped ^= {audience}
            self._timed.append(MembershipChange(audience, is_member, at, reason))

    def _flip(self, audiences: Iterable[AudienceId], reason: Reason) -> None:
        """Now, for audiences that are still as stored: a new user joins hundreds at once."""
        members, ordered = self._members, sorted(audiences)
        self._flipped.update(ordered)
        joined = [audience not in members for audience in ordered]
        values = zip(ordered, joined, repeat(self._now), repeat(reason), strict=False)
        # At half the price of calling the class.
        self._changes += map(tuple.__new__, repeat(MembershipChange), values)

    def result(self) -> Evaluation:
        ordered = sorted(self._ahead()) if self._planned else self._ahead() if self._asked else self._agenda
        size = self._program.agenda_size
        until = min(self._until, ordered[size][0]) if len(ordered) > size else self._until
        return Evaluation(
            self._flipped,
            tuple(ordered[:size]),
            until,
            tuple(self._ordered_changes()),
        )

    def _ordered_changes(self) -> list[MembershipChange]:
        ordered = sorted(self._timed + self._changes, key=_by_audience)
        return sorted(ordered, key=_by_instant) if self._timed else ordered
