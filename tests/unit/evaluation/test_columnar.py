"""The columnar evaluator finds the members that the rules, and the incremental evaluator, find."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain.audience import Audience
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.profile import Delta, Profile
from audience_core.evaluation.columnar.evaluate import evaluate
from audience_core.evaluation.columnar.shard import EventRange, Shard, look_back
from audience_core.evaluation.incremental import evaluate as evaluate_one
from audience_core.evaluation.program import compile_program
from tests.support import oracle
from tests.support.shards import shard_of, stored_shard_of
from tests.support.worlds import DAY, LOOK_BACK_DAYS, NOW, portfolios, profiles

type Portfolio = dict[AudienceId, Audience]
type Population = list[Profile]
slow_to_draw = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)
moments = st.one_of(
    st.just(NOW),
    # The edges of windows that definitions use.
    st.tuples(st.integers(-3, 35), st.sampled_from([-1, 0, 1])).map(lambda p: NOW + p[0] * DAY + p[1]),
    st.tuples(st.integers(-3, 35), st.sampled_from([-1, 0, 1])).map(lambda p: NOW - NOW % DAY + p[0] * DAY + p[1]),
)


def numbered(population: Population) -> Population:
    for number, profile in enumerate(population, start=100):
        profile.mpid = Mpid(number)
    return population


populations = st.lists(profiles(), max_size=10).map(numbered)


def columnar(shard: Shard, portfolio: Portfolio, now: int, visible: EventRange) -> dict[AudienceId, set[Mpid]]:
    found = evaluate(shard, list(portfolio.values()), now, visible)
    return {audience_id: set(found.mpids(audience_id)) for audience_id in portfolio}


def by_the_rules(population: Population, portfolio: Portfolio, now: int, days: int) -> dict[AudienceId, set[Mpid]]:
    return {
        audience_id: {each.mpid for each in population if oracle.is_member(audience, portfolio, each, now, days)}
        for audience_id, audience in portfolio.items()
    }


@slow_to_draw
@given(portfolios, populations, moments)
def test_members_are_those_of_the_rules_and_of_the_incremental_evaluator(
    portfolio: Portfolio, population: Population, now: int
) -> None:
    found = columnar(shard_of(population), portfolio, now, look_back(now, LOOK_BACK_DAYS))

    program = compile_program(1, portfolio.values(), LOOK_BACK_DAYS)
    of_profiles = {each.mpid: evaluate_one(program, each, Delta(), now).memberships for each in population}
    incremental = {a: {mpid for mpid, members in of_profiles.items() if a in members} for a in portfolio}
    assert found == incremental
    assert found == by_the_rules(population, portfolio, now, LOOK_BACK_DAYS)


@slow_to_draw
@given(portfolios, populations, moments, st.sampled_from([0, 1, 2, 64]))
def test_a_shard_read_from_files_has_the_same_members(
    portfolio: Portfolio, population: Population, now: int, promoted: int
) -> None:
    visible = look_back(now, LOOK_BACK_DAYS)

    with TemporaryDirectory() as folder:
        shard = stored_shard_of(population, Path(folder), promoted)
        found = columnar(shard, portfolio, now, visible)

    assert found == columnar(shard_of(population), portfolio, now, visible)


@slow_to_draw
@given(portfolios, populations, moments, st.integers(-40, 5), st.integers(0, 40), st.sampled_from([-1, 0, 1]))
def test_a_date_range_takes_the_place_of_the_look_back(
    portfolio: Portfolio, population: Population, now: int, first_day: int, length: int, edge: int
) -> None:
    first = NOW + first_day * DAY + edge
    visible = EventRange(first, first + length * DAY)

    found = columnar(shard_of(population), portfolio, now, visible)

    for profile in population:
        for key, track in profile.timeline.items():
            profile.timeline[key] = [event for event in track if visible.first <= event.at <= visible.last]
    assert found == by_the_rules(population, portfolio, now, 10_000)
