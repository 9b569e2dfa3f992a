"""The columnar evaluator finds the members that the rules, and the incremental evaluator, find."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain import windows as w
from audience_core.domain.audience import Audience
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.profile import Delta, Profile
from audience_core.evaluation.columnar.evaluate import evaluate
from audience_core.evaluation.columnar.shard import EventRange, Shard, look_back
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.incremental import evaluate as evaluate_one
from audience_core.evaluation.windows import milliseconds
from tests.support import oracle
from tests.support.results import members_of
from tests.support.shards import shard_of, stored_shard_of
from tests.support.worlds import DAY, LOOK_BACK_DAYS, NOW, portfolios, profiles

type Portfolio = dict[AudienceId, Audience]
type Population = list[Profile]
slow_to_draw = settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def numbered(population: Population) -> Population:
    for number, profile in enumerate(population, start=100):
        profile.mpid = Mpid(number)
    return population


populations = st.lists(profiles(), min_size=1, max_size=8).map(numbered)


def moments(portfolio: Portfolio, population: Population) -> st.SearchStrategy[int]:
    """NOW, and the instants at which something enters or leaves a window of the definitions."""
    lengths = {each for audience in portfolio.values() for each in durations(audience.definition.model_dump())}
    instants = [event.at for profile in population for track in profile.timeline.values() for event in track]
    instants += [at for profile in population for seen in profile.seen.values() for at in (seen.first, seen.last)]
    edges = {at + length + step for at in instants for length in {0, *lengths} for step in (-1, 0, 1)}
    return st.sampled_from([NOW, *sorted(edges)])


def durations(part: Any) -> Iterator[int]:
    """The lengths of time, in ms, anywhere in a dumped definition."""
    if isinstance(part, dict) and part.keys() == {"amount", "unit"}:
        yield milliseconds(w.Duration(**part))
    elif isinstance(part, dict | list | tuple):
        for each in part.values() if isinstance(part, dict) else part:
            yield from durations(each)


def columnar(shard: Shard, portfolio: Portfolio, now: int, visible: EventRange) -> dict[AudienceId, set[Mpid]]:
    found = evaluate(shard, list(portfolio.values()), now, visible)
    kept = found.found()
    assert all(members_of(kept, each) == sorted(found.mpids(each)) for each in portfolio)
    return {audience_id: set(found.mpids(audience_id)) for audience_id in portfolio}


def by_the_rules(population: Population, portfolio: Portfolio, now: int, days: int) -> dict[AudienceId, set[Mpid]]:
    return {
        audience_id: {each.mpid for each in population if oracle.is_member(audience, portfolio, each, now, days)}
        for audience_id, audience in portfolio.items()
    }


@slow_to_draw
@given(portfolios, populations, st.data())
def test_members_are_those_of_the_rules_and_of_the_incremental_evaluator(
    portfolio: Portfolio, population: Population, data: st.DataObject
) -> None:
    now = data.draw(moments(portfolio, population))

    found = columnar(shard_of(population), portfolio, now, look_back(now, LOOK_BACK_DAYS))

    program = compile_program(1, portfolio.values(), LOOK_BACK_DAYS)
    of_profiles = {each.mpid: evaluate_one(program, each, Delta(), now).flipped for each in population}
    incremental = {a: {mpid for mpid, members in of_profiles.items() if a in members} for a in portfolio}
    assert found == incremental
    assert found == by_the_rules(population, portfolio, now, LOOK_BACK_DAYS)


@slow_to_draw
@given(portfolios, populations, st.data(), st.sampled_from([0, 1, 2, 64]))
def test_a_shard_read_from_files_has_the_same_members(
    portfolio: Portfolio, population: Population, data: st.DataObject, promoted: int
) -> None:
    now = data.draw(moments(portfolio, population))
    visible = look_back(now, LOOK_BACK_DAYS)

    with TemporaryDirectory() as folder:
        shard = stored_shard_of(population, Path(folder), promoted)
        found = columnar(shard, portfolio, now, visible)

    assert found == columnar(shard_of(population), portfolio, now, visible)


@slow_to_draw
@given(portfolios, populations, st.data(), st.integers(-40, 5), st.integers(0, 40), st.sampled_from([-1, 0, 1]))
def test_a_date_range_takes_the_place_of_the_look_back(
    portfolio: Portfolio, population: Population, data: st.DataObject, first_day: int, length: int, edge: int
) -> None:
    now = data.draw(moments(portfolio, population))
    first = NOW + first_day * DAY + edge
    visible = EventRange(first, first + length * DAY)

    found = columnar(shard_of(population), portfolio, now, visible)

    for profile in population:
        for key, track in profile.timeline.items():
            profile.timeline[key] = [event for event in track if visible.first <= event.at <= visible.last]
    assert found == by_the_rules(population, portfolio, now, 10_000)
