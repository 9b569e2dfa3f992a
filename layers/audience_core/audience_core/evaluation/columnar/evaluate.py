"""The members of many audiences among all users of a shard: each group of events is read once, for all of them."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial, reduce
from types import MappingProxyType
from typing import Any

import numpy as np

from audience_core.domain.audience import Audience
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.results import FoundMembers
from audience_core.evaluation.columnar.arrays import Bits, Integers, rows_of
from audience_core.evaluation.columnar.plan import Chain, Leaf, Listed, Plan, Question, Source, plan_of
from audience_core.evaluation.columnar.shard import MPIDS, EventRange, Key, Shard
from audience_core.evaluation.columnar.tracks import Needs, read_track
from audience_core.evaluation.columnar.traits import Trait, Users

# Arrays are read and computed outside of the interpreter's lock.
THREADS = 2

type _Answers = dict[Question[Any] | Trait | Listed, Any]


@dataclass(frozen=True, slots=True)
class Members:
    """The members of each audience, one bit per user of the shard; no bit is set after the last user's."""

    shard: Shard
    bits: Mapping[AudienceId, Bits]

    def rows(self, audience_id: AudienceId) -> Integers:
        """The members' rows in the shard, ascending."""
        return rows_of(self.bits[audience_id], self.shard.size)

    def mpids(self, audience_id: AudienceId) -> list[Mpid]:
        rows = self.rows(audience_id)
        if not len(rows):
            return []
        return [Mpid(each) for each in _mpids_of(self.shard)[rows].tolist()]

    def found(self) -> FoundMembers:
        """Of every audience, as they are kept: a bit a user takes a fraction of what a list of members would."""
        mpids, bits = _mpids_of(self.shard), self.bits
        # Compaction writes users in this order.
        if not np.all(mpids[1:] > mpids[:-1]):
            order = np.argsort(mpids)
            mpids = mpids[order]
            bits = {each: np.packbits(np.unpackbits(own)[order]) for each, own in bits.items()}
        return FoundMembers(mpids.astype(">i8").tobytes(), {each: own.tobytes() for each, own in bits.items()})


def evaluate(
    shard: Shard,
    audiences: Iterable[Audience],
    now: int,
    visible: EventRange | Mapping[AudienceId, EventRange],
    others: Iterable[Audience] = (),
    known: Mapping[AudienceId, Bits] = MappingProxyType({}),
) -> Members:
    """Who belongs to each audience at `now` (UTC ms).

    Args:
        visible: the events that count: `shard.look_back` for real-time audiences, a date range for lifetime ones; for
            all audiences, or for each of them.
        others: audiences that the definitions may refer to besides each other; a reference to any further one is false.
        known: members of audiences that the definitions may refer to (`bits_of`): they are not evaluated.
    """
    return members_of(shard, plan_of(audiences, others, now, visible, known), known)


def members_of(shard: Shard, plan: Plan, known: Mapping[AudienceId, Bits] = MappingProxyType({})) -> Members:
    """As `evaluate`, with a plan that was made before the shard was read.

    Args:
        known: members of the audiences that were said to be known.
    """
    answers = _answers(shard, plan)
    answers.update({Listed(each): bits for each, bits in known.items()})
    leaves = [_truth(leaf, answers, shard.size) for leaf in plan.leaves]
    return Members(shard, {audience_id: tree(leaves) for audience_id, tree in plan.trees.items()})


def bits_of(shard: Shard, mpids: Collection[Mpid]) -> Bits:
    """Which users of the shard are among them."""
    return np.packbits(np.isin(_mpids_of(shard), np.array(list(mpids), np.int64)))


def _mpids_of(shard: Shard) -> Integers:
    if not shard.size:
        return np.zeros(0, np.int64)
    mpids: Integers = shard.users.read(MPIDS, ("mpid",), (), ()).integers["mpid"]
    return mpids


def _truth(leaf: Leaf, answers: _Answers, size: int) -> Bits:
    if isinstance(leaf, Chain):
        return leaf.combine(size, [answers[question] for question in leaf.questions])
    found: Bits = answers[leaf]
    return found


def _answers(shard: Shard, plan: Plan) -> _Answers:
    by_source = plan.by_source()
    # The largest groups first, so that the threads end together.
    sources = sorted(by_source, key=lambda source: -sum(shard.events.sizes[key] for key in _keys(shard, source)))
    jobs: list[Callable[[], _Answers]] = [partial(_traits, shard, plan)]
    jobs += [partial(_asked, shard, source, by_source[source], plan.now) for source in sources]
    answers: _Answers = {}
    with ThreadPoolExecutor(THREADS) as pool:
        for found in pool.map(lambda job: job(), jobs):
            answers.update(found)
    return answers


def _traits(shard: Shard, plan: Plan) -> _Answers:
    users = Users(shard, plan.now)
    return {leaf: users.truth(leaf) for leaf in plan.leaves if isinstance(leaf, Trait)}


def _keys(shard: Shard, source: Source) -> list[Key]:
    kind, name = source
    if name is not None:
        return [(kind.value, name)] if (kind.value, name) in shard.events.sizes else []
    return [key for key in shard.events.sizes if key[0] == kind]


def _asked(shard: Shard, source: Source, questions: Sequence[Question[Any]], now: int) -> _Answers:
    """All questions about one source, answered in one pass over it."""
    needs = reduce(Needs.__or__, (question.needs for question in questions))
    first = min(question.during.first for question in questions)
    last = max(question.during.last for question in questions)
    track = read_track(shard, _keys(shard, source), needs, EventRange(first, last), now)
    try:
        return {each: each.answer(track.inside(each.series, each.during)) for each in questions}
    finally:
        track.forget()
