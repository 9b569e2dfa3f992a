"""What a run of audiences asks of a shard: every question once, sorted by the events it reads."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from audience_core.domain.audience import Audience
from audience_core.domain.definition import (
    AggregateCriterion,
    AggregateFunction,
    AllOf,
    AnyOf,
    AudienceMembershipCriterion,
    CartAbandonmentCriterion,
    Criterion,
    EventCriterion,
    EventKind,
    EventSelector,
    Not,
    OccurrenceCriterion,
    SequenceCriterion,
)
from audience_core.domain.ids import NEVER, AudienceId
from audience_core.evaluation.columnar.answers import aggregate_answer, count_answer, occurrence_answer
from audience_core.evaluation.columnar.arrays import Bits
from audience_core.evaluation.columnar.chains import Instants, abandonment_bits, sequence_bits
from audience_core.evaluation.columnar.shard import EventRange, during
from audience_core.evaluation.columnar.tracks import Needs, Selection, needs_of
from audience_core.evaluation.columnar.traits import TraitCriterion
from audience_core.evaluation.series import Scope
from audience_core.evaluation.windows import milliseconds

# (kind, name; None: any name).
type Source = tuple[EventKind, str | None]
type Leaf = tuple[Criterion, Scope]
type _OfOneEvent = EventCriterion | AggregateCriterion | OccurrenceCriterion
type _LeafCriterion = _OfOneEvent | SequenceCriterion | CartAbandonmentCriterion | TraitCriterion

_ADDED, _PURCHASED = (EventSelector(kind=EventKind.COMMERCE, name=name) for name in ("add_to_cart", "purchase"))


@dataclass(frozen=True, slots=True, eq=False)
class Question[T]:
    """Something about the events that a selector chooses in a scope and a time."""

    selector: EventSelector
    scope: Scope
    during: EventRange
    needs: Needs
    answer: Callable[[Selection], T]


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf over several series: what each is asked, and what their answers make for so many users."""

    questions: tuple[Question[Instants], ...]
    combine: Callable[[int, list[Instants]], Bits]


@dataclass(slots=True)
class Plan:
    """The leaves of a run by how they are worked out; a question is asked of one source."""

    events: dict[Leaf, Question[Bits]] = field(default_factory=dict)
    chains: dict[Leaf, Chain] = field(default_factory=dict)
    traits: dict[Leaf, TraitCriterion] = field(default_factory=dict)

    def by_source(self) -> Mapping[Source, list[Question[Any]]]:
        found: dict[Source, list[Question[Any]]] = defaultdict(list)
        chained = [question for chain in self.chains.values() for question in chain.questions]
        for question in [*self.events.values(), *chained]:
            found[question.selector.kind, question.selector.name].append(question)
        return found


def scope_of(audience: Audience) -> Scope:
    return Scope(frozenset(audience.workspaces), frozenset(audience.inputs))


def plan_of(audiences: Iterable[Audience], known: Mapping[AudienceId, Audience], now: int, visible: EventRange) -> Plan:
    """The leaves of some audiences, and of those among the known that they refer to."""
    planner = _Planner(known, now, visible)
    for audience in audiences:
        planner.add(audience.definition.root, scope_of(audience))
    return planner.plan


class _Planner:
    def __init__(self, known: Mapping[AudienceId, Audience], now: int, visible: EventRange) -> None:
        self._known, self._now = known, now
        self._visible = EventRange(visible.first, min(visible.last, now))
        self._seen: set[Leaf] = set()
        self.plan = Plan()

    def add(self, criterion: Criterion, scope: Scope) -> None:
        match criterion:
            case AllOf(criteria=criteria) | AnyOf(criteria=criteria):
                for each in criteria:
                    self.add(each, scope)
            case Not(criterion=inner):
                self.add(inner, scope)
            case AudienceMembershipCriterion(audience_id=audience_id):
                nested = self._known.get(AudienceId(audience_id))
                if nested is not None:
                    self.add(nested.definition.root, scope_of(nested))
            case _ if (criterion, scope) not in self._seen:
                self._seen.add((criterion, scope))
                self._add_leaf(criterion, scope)

    def _add_leaf(self, criterion: _LeafCriterion, scope: Scope) -> None:
        match criterion:
            case EventCriterion() | AggregateCriterion() | OccurrenceCriterion():
                self.plan.events[criterion, scope] = self._question(criterion, scope)
            case SequenceCriterion() | CartAbandonmentCriterion():
                self.plan.chains[criterion, scope] = self._chain(criterion, scope)
            case _:
                self.plan.traits[criterion, scope] = criterion

    def _question(self, criterion: _OfOneEvent, scope: Scope) -> Question[Bits]:
        selector, inside = criterion.event, during(criterion.window, self._now, self._visible)
        match criterion:
            case EventCriterion():
                return Question(selector, scope, inside, needs_of(selector), count_answer(criterion))
            case AggregateCriterion():
                needs = needs_of(selector, criterion.attribute, is_ordered=_is_ordered(criterion))
                return Question(selector, scope, inside, needs, aggregate_answer(criterion, self._now))
            case OccurrenceCriterion():
                answer = occurrence_answer(criterion, inside)
                return Question(selector, scope, self._visible, needs_of(selector), answer)

    def _chain(self, criterion: SequenceCriterion | CartAbandonmentCriterion, scope: Scope) -> Chain:
        inside = during(criterion.window, self._now, self._visible)
        if isinstance(criterion, SequenceCriterion):
            within = milliseconds(criterion.within) if criterion.within else NEVER
            questions = tuple(_instants(step, scope, inside) for step in criterion.steps)
            return Chain(questions, lambda size, steps: sequence_bits(size, steps, within))
        after, now = milliseconds(criterion.after), self._now
        since = EventRange(inside.first, self._visible.last)
        return Chain(
            (_instants(_ADDED, scope, inside), _instants(_PURCHASED, scope, since)),
            lambda size, steps: abandonment_bits(size, steps[0], steps[1], after, now),
        )


def _instants(selector: EventSelector, scope: Scope, inside: EventRange) -> Question[Instants]:
    return Question(selector, scope, inside, needs_of(selector), lambda chosen: Instants(chosen.user, chosen.at))


def _is_ordered(criterion: AggregateCriterion) -> bool:
    """One name's events lie in their order; those of several names have to be put in it."""
    is_of_one = criterion.function in (AggregateFunction.FIRST_VALUE, AggregateFunction.LAST_VALUE)
    return is_of_one and criterion.event.name is None
