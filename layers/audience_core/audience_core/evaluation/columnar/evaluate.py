"""The members of many audiences among all users of a shard: each group of events is read once, for all of them."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from audience_core.domain.audience import Audience
from audience_core.domain.definition import AllOf, AnyOf, AudienceMembershipCriterion, Criterion, Not
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.evaluation.columnar.arrays import Bits, Integers, constant, rows_of
from audience_core.evaluation.columnar.plan import Leaf, Plan, Question, Source, plan_of, scope_of
from audience_core.evaluation.columnar.shard import MPIDS, EventRange, Key, Shard
from audience_core.evaluation.columnar.tracks import Needs, read_track, selection
from audience_core.evaluation.columnar.traits import Users
from audience_core.evaluation.series import Scope

THREADS = 2


@dataclass(frozen=True, slots=True)
class Members:
    """The members of each audience, one bit per user of the shard."""

    shard: Shard
    bits: Mapping[AudienceId, Bits]

    def rows(self, audience_id: AudienceId) -> Integers:
        """The members' rows in the shard, ascending."""
        return rows_of(self.bits[audience_id], self.shard.size)

    def mpids(self, audience_id: AudienceId) -> list[Mpid]:
        rows = self.rows(audience_id)
        if not len(rows):
            return []
        mpids = self.shard.users.read(MPIDS, ("mpid",), (), ()).integers["mpid"]
        return [Mpid(each) for each in mpids[rows].tolist()]


def evaluate(
    shard: Shard, audiences: Sequence[Audience], now: int, visible: EventRange, others: Iterable[Audience] = ()
) -> Members:
    """Who belongs to each audience at `now` (UTC ms).

    Args:
        visible: the events that count: `shard.look_back` for real-time audiences, a date range for lifetime ones.
        others: audiences that the definitions may refer to besides each other; who is in no such one is in none.
    """
    known = {each.audience_id: each for each in [*others, *audiences]}
    plan = plan_of(audiences, known, now, visible)
    users = Users(shard, now)
    leaves = _leaves(shard, plan, users, now)
    trees = _Trees(known, leaves, users)
    return Members(shard, {each.audience_id: trees.members(each) for each in audiences})


def _leaves(shard: Shard, plan: Plan, users: Users, now: int) -> dict[Leaf, Bits]:
    # The largest groups first, so that the threads end together.
    sources = sorted(plan.by_source().items(), key=lambda item: -_rows(shard, item[0]))
    answers: dict[Question[Any], Any] = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(lambda item: _asked(shard, item[0], item[1], now), sources):
            answers.update(found)
    leaves = {leaf: answers[question] for leaf, question in plan.events.items()}
    for leaf, chain in plan.chains.items():
        leaves[leaf] = chain.combine(shard.size, [answers[question] for question in chain.questions])
    for leaf, criterion in plan.traits.items():
        leaves[leaf] = users.truth(criterion, leaf[1])
    return leaves


def _keys(shard: Shard, source: Source) -> list[Key]:
    kind, name = source
    return [key for key in shard.events.sizes if key[0] == kind and name in (None, key[1])]


def _rows(shard: Shard, source: Source) -> int:
    return sum(shard.events.sizes[key] for key in _keys(shard, source))


def _asked(shard: Shard, source: Source, questions: Sequence[Question[Any]], now: int) -> dict[Question[Any], Any]:
    """All questions to one source, answered in one pass over it."""
    needs = reduce(Needs.__or__, (question.needs for question in questions))
    first = min(question.during.first for question in questions)
    last = max(question.during.last for question in questions)
    track = read_track(shard, _keys(shard, source), needs, EventRange(first, last), now)
    return {each: each.answer(selection(track, each.selector, each.scope, each.during)) for each in questions}


class _Trees:
    """Logic over leaves; a leaf is true or false for every user, so `not` is the complement."""

    def __init__(self, known: Mapping[AudienceId, Audience], leaves: Mapping[Leaf, Bits], users: Users) -> None:
        self._known, self._leaves, self._users = known, leaves, users
        self._populations: dict[frozenset[str], Bits] = {}

    def members(self, audience: Audience) -> Bits:
        truth = self._truth(audience.definition.root, scope_of(audience))
        return np.bitwise_and(truth, self._population(frozenset(audience.workspaces)))

    def _truth(self, criterion: Criterion, scope: Scope) -> Bits:
        match criterion:
            case AllOf(criteria=criteria):
                return reduce(np.bitwise_and, [self._truth(each, scope) for each in criteria])
            case AnyOf(criteria=criteria):
                return reduce(np.bitwise_or, [self._truth(each, scope) for each in criteria])
            case Not(criterion=inner):
                return np.bitwise_not(self._truth(inner, scope))
            case AudienceMembershipCriterion(audience_id=audience_id):
                nested = self._known.get(AudienceId(audience_id))
                return self.members(nested) if nested else constant(self._users.shard.size, False)
            case _:
                return self._leaves[criterion, scope]

    def _population(self, workspaces: frozenset[str]) -> Bits:
        found = self._populations.get(workspaces)
        if found is None:
            found = self._populations[workspaces] = self._users.population(workspaces)
        return found
