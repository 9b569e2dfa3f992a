"""Plays histories against definitions with both evaluators, and asks the oracle at every instant that matters."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace

from audience_core.domain.account import LoginStrategy
from audience_core.domain.audience import Audience
from audience_core.domain.event import Environment
from audience_core.domain.ids import NEVER, AccountId, AudienceId, Mpid
from audience_core.domain.membership import Reason
from audience_core.domain.profile import Delta, Profile
from audience_core.evaluation.columnar.evaluate import Members
from audience_core.evaluation.columnar.evaluate import evaluate as evaluate_shard
from audience_core.evaluation.columnar.shard import EventRange, look_back
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.incremental import Evaluation, evaluate
from audience_core.evaluation.program import Program
from audience_core.evaluation.view import View
from audience_core.pipeline.update_profile import prune, update
from tests.support import oracle
from tests.support.histories import Step
from tests.support.shards import shard_of
from tests.support.worlds import DAY, LOOK_BACK_DAYS

type Portfolio = Mapping[AudienceId, Audience]
type Memberships = AbstractSet[AudienceId]
NO_STRATEGY = LoginStrategy(login=(), unique=(), immutable=())


class Disagreement(Exception):
    """An evaluator and the rules say different things of a user at an instant."""

    def __init__(self, what: str, user: int, at: int, found: Memberships, expected: Memberships) -> None:
        super().__init__(f"{what} at {at}: it finds {sorted(found)}, the rules {sorted(expected)}")
        self.user, self.at = user, at


@dataclass(frozen=True, slots=True)
class Engines:
    """The evaluators under test."""

    incremental: Callable[[Program, Profile, Delta, int], Evaluation] = evaluate
    columnar: Callable[..., Members] = evaluate_shard


@dataclass(frozen=True, slots=True)
class World:
    """Definitions and the users that live under them.

    Args:
        portfolios: what is active at first, and what replaces it.
        histories: one per user.
        moments: instants (UTC ms) at which the columnar evaluator is asked of all users as they end.
    """

    portfolios: tuple[Portfolio, Portfolio]
    histories: tuple[tuple[Step, ...], ...]
    moments: tuple[int, ...]
    agenda_size: int = 64


def check(world: World, engines: Engines) -> None:
    """Play it all.

    Raises:
        Disagreement: the first one found.
    """
    programs = tuple(
        replace(compile_program(version, portfolio.values(), LOOK_BACK_DAYS), agenda_size=world.agenda_size)
        for version, portfolio in enumerate(world.portfolios, start=1)
    )
    users = [_User(number, world, programs, engines) for number in range(len(world.histories))]
    for user in users:
        user.live()
    check_columnar(world, [user.profile for user in users], engines)


@dataclass(slots=True)
class _Truth:
    """What the rules say of a profile; asked once for each instant while the profile stays as it is."""

    profile: Profile
    portfolio: Portfolio
    known: dict[tuple[AudienceId, int], bool] = field(default_factory=dict)

    def holds(self, audience_id: AudienceId, at: int) -> bool:
        found = self.known.get((audience_id, at))
        if found is None:
            audience = self.portfolio.get(audience_id)
            found = audience is not None and oracle.is_member(
                audience, self.portfolio, self.profile, at, LOOK_BACK_DAYS
            )
            self.known[audience_id, at] = found
        return found

    def members(self, at: int) -> Memberships:
        return frozenset(each for each in self.portfolio if self.holds(each, at))


class _User:
    """One user's profile, kept as the pipeline keeps it and compared with the rules all the while."""

    def __init__(self, number: int, world: World, programs: Sequence[Program], engines: Engines) -> None:
        self._number, self._world, self._programs, self._engines = number, world, programs, engines
        self.profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(number + 100))
        self._use(0)

    def live(self) -> None:
        for step in self._world.histories[self._number]:
            self._wait(step)
            self._arrive(step)
            self._look_ahead(step.at)

    def _use(self, portfolio: int) -> None:
        self._program, self._portfolio = self._programs[portfolio], self._world.portfolios[portfolio]
        self._truth = _Truth(self.profile, self._portfolio)

    def _wait(self, step: Step) -> None:
        """Visit the profile when it is due, and see that it was due to the millisecond."""
        for _ in range(step.visits):
            due = self.profile.due_at
            if due > step.at:
                return
            self._agree("incremental, before due", due - 1, self.profile.memberships)
            self._store(Delta(), due)
            self._agree("incremental, when due", due, self.profile.memberships)
            after = self._engines.incremental(self._program, self.profile, Delta(), due + 1)
            self._agree("incremental, after due", due + 1, self.profile.memberships ^ after.flipped)

    def _arrive(self, step: Step) -> None:
        horizon, delta = step.at - LOOK_BACK_DAYS * DAY, Delta()
        if self._programs[step.portfolio] is not self._program:
            self._use(step.portfolio)
        if step.batch is not None:
            delta = update(self.profile, step.batch, step.batch.identities, NO_STRATEGY, horizon)
            self._truth = _Truth(self.profile, self._portfolio)
        self._store(delta, step.at)
        self._agree("incremental", step.at, self.profile.memberships)
        if step.prunes:
            prune(self.profile, horizon)
            # What is forgotten could not be seen: asked again, nothing may have changed.
            self._truth = _Truth(self.profile, self._portfolio)

    def _store(self, delta: Delta, now: int) -> None:
        profile, is_new = self.profile, self.profile.program_version != self._program.version
        evaluation = self._engines.incremental(self._program, profile, delta, now)
        self._follow(evaluation, now)
        evaluation.keep(profile, self._program)
        for change in evaluation.changes:
            self._expect("change", change.audience_id, change.at, change.is_member)
            if change.reason is Reason.TIME and delta.is_empty and not is_new:
                self._expect("change, before", change.audience_id, change.at - 1, not change.is_member)

    def _follow(self, evaluation: Evaluation, now: int) -> None:
        """The changes, one after another, lead from the memberships there were to those there are."""
        members = set(self.profile.memberships)
        for change in evaluation.changes:
            if change.is_member is (change.audience_id in members):
                raise Disagreement(f"no change: {change}", self._number, now, frozenset(), frozenset())
            (members.add if change.is_member else members.remove)(change.audience_id)
        after = self.profile.memberships ^ evaluation.flipped
        if members != after:
            raise Disagreement("its changes", self._number, now, members, after)

    def _look_ahead(self, now: int) -> None:
        """Every audience's next change is where it is said to be, with none between, and the agenda has it."""
        view, planned = View(self.profile), []
        for audience_id, audience in self._portfolio.items():
            if not self.profile.seen.keys() & set(audience.workspaces):
                continue
            value, turn = self._program.next_change(audience_id, view, now)
            self._expect("next change, now", audience_id, now, value)
            if turn < NEVER:
                self._expect("next change, turned", audience_id, turn, not value)
                self._expect("next change, before", audience_id, turn - 1, value)
            planned.append((turn, audience_id))
            self._expect("next change, between", audience_id, now + (min(turn, now + 40 * DAY) - now) // 2, value)

        self._compare_agenda(now, set(planned))

    def _compare_agenda(self, now: int, planned: set[tuple[int, AudienceId]]) -> None:
        """It holds next changes and nothing else, and all that come before its end."""
        agenda, until = set(self.profile.agenda), self.profile.agenda_until
        if not {each for each in planned if each[0] < until} <= agenda <= planned:
            said, rules = (frozenset(audience_id for _, audience_id in each) for each in (agenda, planned))
            raise Disagreement(f"agenda {sorted(agenda)} until {until}", self._number, now, said, rules)

    def _agree(self, what: str, at: int, found: Memberships) -> None:
        expected = self._truth.members(at)
        if found != expected:
            raise Disagreement(what, self._number, at, found, expected)

    def _expect(self, what: str, audience_id: AudienceId, at: int, found: bool) -> None:
        if self._truth.holds(audience_id, at) is not found:
            only, none = frozenset({audience_id}), frozenset[AudienceId]()
            said = (only, none) if found else (none, only)
            raise Disagreement(what, self._number, at, *said)


def check_columnar(world: World, profiles: Sequence[Profile], engines: Engines) -> None:
    """One shard of all users, against the rules, at each moment.

    Raises:
        Disagreement: the first one found.
    """
    shard, portfolio = shard_of(profiles), world.portfolios[0]
    for now, visible, days in _views(world.moments):
        found = engines.columnar(shard, list(portfolio.values()), now, visible)
        members = {audience_id: set(found.mpids(audience_id)) for audience_id in portfolio}
        for number, profile in enumerate(profiles):
            seen = profile if days == LOOK_BACK_DAYS else _within(profile, visible)
            said = frozenset(each for each in portfolio if profile.mpid in members[each])
            rules = frozenset(a for a, each in portfolio.items() if oracle.is_member(each, portfolio, seen, now, days))
            if said != rules:
                raise Disagreement(f"columnar over {visible}", number, now, said, rules)


def _views(moments: Sequence[int]) -> Iterator[tuple[int, EventRange, int]]:
    """What is visible: at each moment the look-back, and once a range of dates from the first to the last."""
    for now in moments:
        yield now, look_back(now, LOOK_BACK_DAYS), LOOK_BACK_DAYS
    if moments:
        yield moments[0], EventRange(min(moments), max(moments)), 10_000


def _within(profile: Profile, visible: EventRange) -> Profile:
    timeline = {
        key: [event for event in track if visible.first <= event.at <= visible.last]
        for key, track in profile.timeline.items()
    }
    return replace(profile, timeline=timeline)
