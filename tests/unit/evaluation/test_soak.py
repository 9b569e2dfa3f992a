"""The soak finds an evaluator that is wrong by a millisecond, and shows a case one can read and play again."""

from itertools import islice
from typing import Any

import pytest

from audience_core.domain.profile import Delta, Profile
from audience_core.evaluation.columnar.evaluate import evaluate as evaluate_shard
from audience_core.evaluation.incremental import Evaluation, evaluate
from audience_core.evaluation.program import Program
from benchmarks.soak import told
from tests.support.agreement import Disagreement, Engines, check
from tests.support.soak import find_disagreement, worlds

SEED = 1


def late(program: Program, profile: Profile, delta: Delta, now: int) -> Evaluation:
    """An incremental evaluator whose clock is one millisecond slow."""
    return evaluate(program, profile, delta, now - 1)


def late_columnar(shard: Any, audiences: Any, now: int, visible: Any) -> Any:
    return evaluate_shard(shard, audiences, now - 1, visible)


def test_the_evaluators_agree_with_the_rules() -> None:
    for world in islice(worlds(SEED), 3):
        check(world, Engines())


@pytest.mark.parametrize("planted", [Engines(incremental=late), Engines(columnar=late_columnar)])
def test_a_planted_fault_is_found_and_made_small(planted: Engines) -> None:
    found = find_disagreement(SEED, planted)

    assert found is not None
    world, error = found
    assert (len(world.histories), {len(portfolio) for portfolio in world.portfolios}) == (1, {1})
    assert len(world.histories[0]) <= 3
    with pytest.raises(Disagreement, match=str(error.at)):
        check(world, planted)
    check(world, Engines())
    assert str(error) in told(world, error)


def test_a_seed_makes_the_same_worlds_each_time() -> None:
    assert list(worlds(SEED)) == list(worlds(SEED))
