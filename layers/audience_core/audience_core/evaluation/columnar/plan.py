"""What a run of audiences asks of a shard: every leaf and every series once, and trees over the leaves' answers."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

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
from audience_core.evaluation.columnar.arrays import Bits, constant
from audience_core.evaluation.columnar.chains import Instants, abandonment_bits, sequence_bits
from audience_core.evaluation.columnar.shard import EventRange, during
from audience_core.evaluation.columnar.tracks import Needs, Selection, Series, needs_of
from audience_core.evaluation.columnar.traits import Trait, TraitCriterion
from audience_core.evaluation.scope import Scope
from audience_core.evaluation.windows import milliseconds

# (kind, name; None: any name).
type Source = tuple[EventKind, str | None]
# A definition's truth, given those of all leaves, one array per leaf.
type Tree = Callable[[Sequence[Bits]], Bits]
type _PlaceKey = tuple[Criterion, Scope, EventRange] | frozenset[str] | AudienceId
type _OfOneEvent = EventCriterion | AggregateCriterion | OccurrenceCriterion
type _LeafCriterion = _OfOneEvent | SequenceCriterion | CartAbandonmentCriterion | TraitCriterion

_ADDED, _PURCHASED = "add_to_cart", "purchase"


@dataclass(frozen=True, slots=True, eq=False)
class Question[T]:
    """Something about the events of a series in a time."""

    series: Series
    during: EventRange
    needs: Needs
    answer: Callable[[Selection], T]


@dataclass(frozen=True, slots=True)
class Chain:
    """A leaf over several series: what each is asked, and what their answers make for so many users."""

    questions: tuple[Question[Instants], ...]
    combine: Callable[[int, list[Instants]], Bits]


@dataclass(frozen=True, slots=True)
class Listed:
    """A leaf that needs no events: an audience whose members are given (`evaluate.members_of`)."""

    audience_id: AudienceId


type Leaf = Question[Bits] | Chain | Trait | Listed


@dataclass(slots=True)
class Plan:
    """The leaves of a run, and for each audience its tree over them; members are of the population besides.

    Args:
        now: as of which windows are read (UTC ms).
    """

    now: int
    leaves: list[Leaf] = field(default_factory=list)
    trees: dict[AudienceId, Tree] = field(default_factory=dict)

    def by_source(self) -> Mapping[Source, list[Question[Any]]]:
        """All questions by the events they ask about."""
        found: dict[Source, list[Question[Any]]] = defaultdict(list)
        for leaf in self.leaves:
            for question in _questions(leaf):
                found[question.series.selector.kind, question.series.selector.name].append(question)
        return found


def _questions(leaf: Leaf) -> Sequence[Question[Any]]:
    match leaf:
        case Question():
            return (leaf,)
        case Chain():
            return leaf.questions
        case Trait() | Listed():
            return ()


def plan_of(
    audiences: Iterable[Audience],
    others: Iterable[Audience],
    now: int,
    visible: EventRange | Mapping[AudienceId, EventRange],
    known: Collection[AudienceId] = (),
) -> Plan:
    """Those of some audiences; others are there to be referred to.

    Args:
        visible: the events that count, for all audiences or for each.
        known: further audiences to be referred to, whose members will be given.
    """
    audiences = list(audiences)
    planner = _Planner({each.audience_id: each for each in [*others, *audiences]}, now, known)
    for audience in audiences:
        events = visible if isinstance(visible, EventRange) else visible[audience.audience_id]
        planner.plan.trees[audience.audience_id] = planner.members(audience, events)
    return planner.plan


class _Planner:
    def __init__(self, audiences: Mapping[AudienceId, Audience], now: int, known: Collection[AudienceId]) -> None:
        self._audiences, self._now, self._known = audiences, now, known
        self._visible = EventRange(0, 0)
        self._places: dict[_PlaceKey, int] = {}
        self._series: dict[tuple[EventSelector, Scope], Series] = {}
        self.plan = Plan(now)

    def members(self, audience: Audience, visible: EventRange) -> Tree:
        self._visible = EventRange(visible.first, min(visible.last, self._now))
        scope = Scope(frozenset(audience.workspaces), frozenset(audience.inputs))
        population = self._place(scope.workspaces, lambda: Trait(None, scope))
        truth = self._tree(audience.definition.root, scope)
        return lambda leaves: np.bitwise_and(truth(leaves), leaves[population])

    def _tree(self, criterion: Criterion, scope: Scope) -> Tree:
        match criterion:
            case AllOf(criteria=criteria):
                return _combined(np.bitwise_and, [self._tree(each, scope) for each in criteria])
            case AnyOf(criteria=criteria):
                return _combined(np.bitwise_or, [self._tree(each, scope) for each in criteria])
            case Not(criterion=inner):
                truth = self._tree(inner, scope)
                return lambda leaves: np.bitwise_not(truth(leaves))
            case AudienceMembershipCriterion(audience_id=audience_id):
                return self._nested(AudienceId(audience_id))
            case _:
                place = self._place((criterion, scope, self._visible), lambda: self._leaf(criterion, scope))
                return lambda leaves: leaves[place]

    def _nested(self, audience_id: AudienceId) -> Tree:
        if audience_id in self._known:
            place = self._place(audience_id, lambda: Listed(audience_id))
            return lambda leaves: leaves[place]
        nested = self._audiences.get(audience_id)
        return self.members(nested, self._visible) if nested else lambda leaves: constant(8 * len(leaves[0]), False)

    def _place(self, key: _PlaceKey, leaf: Callable[[], Leaf]) -> int:
        place = self._places.setdefault(key, len(self.plan.leaves))
        if place == len(self.plan.leaves):
            self.plan.leaves.append(leaf())
        return place

    def _leaf(self, criterion: _LeafCriterion, scope: Scope) -> Leaf:
        match criterion:
            case EventCriterion() | AggregateCriterion() | OccurrenceCriterion():
                return self._question(criterion, scope)
            case SequenceCriterion() | CartAbandonmentCriterion():
                return self._chain(criterion, scope)
            case _:
                return Trait(criterion, scope)

    def _question(self, criterion: _OfOneEvent, scope: Scope) -> Question[Bits]:
        selector, inside = criterion.event, during(criterion.window, self._now, self._visible)
        series = self._chosen(selector, scope)
        match criterion:
            case EventCriterion():
                return Question(series, inside, needs_of(selector), count_answer(criterion))
            case AggregateCriterion():
                needs = needs_of(selector, criterion.attribute, is_ordered=_is_ordered(criterion))
                return Question(series, inside, needs, aggregate_answer(criterion, self._now))
            case OccurrenceCriterion():
                return Question(series, self._visible, needs_of(selector), occurrence_answer(criterion, inside))

    def _chain(self, criterion: SequenceCriterion | CartAbandonmentCriterion, scope: Scope) -> Chain:
        inside = during(criterion.window, self._now, self._visible)
        if isinstance(criterion, SequenceCriterion):
            within = milliseconds(criterion.within) if criterion.within else NEVER
            questions = tuple(self._instants(step, scope, inside) for step in criterion.steps)
            return Chain(questions, lambda size, steps: sequence_bits(size, steps, within))
        after, now = milliseconds(criterion.after), self._now
        commerce = {name: EventSelector(kind=EventKind.COMMERCE, name=name) for name in (_ADDED, _PURCHASED)}
        added = self._instants(commerce[_ADDED], scope, inside)
        purchased = self._instants(commerce[_PURCHASED], scope, EventRange(inside.first, self._visible.last))
        return Chain((added, purchased), lambda size, steps: abandonment_bits(size, steps[0], steps[1], after, now))

    def _instants(self, selector: EventSelector, scope: Scope, inside: EventRange) -> Question[Instants]:
        series = self._chosen(selector, scope)
        return Question(series, inside, needs_of(selector), lambda chosen: Instants(chosen.user, chosen.at))

    def _chosen(self, selector: EventSelector, scope: Scope) -> Series:
        return self._series.setdefault((selector, scope), Series(selector, scope))


def _combined(combine: np.ufunc, parts: Sequence[Tree]) -> Tree:
    return lambda leaves: reduce(combine, [part(leaves) for part in parts])


def _is_ordered(criterion: AggregateCriterion) -> bool:
    """One name's events lie in their order; those of several names have to be put in it."""
    is_of_one = criterion.function in (AggregateFunction.FIRST_VALUE, AggregateFunction.LAST_VALUE)
    return is_of_one and criterion.event.name is None
