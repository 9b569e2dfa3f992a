"""Who is sent round when time alone may change a membership: everybody in time, and nobody again and again."""

from collections.abc import Callable, Iterable
from itertools import count

import pytest

from audience_core.domain.event import Environment
from audience_core.domain.ids import NEVER, AccountId, AudienceId, Mpid
from audience_core.domain.messages import Due, Reevaluation
from audience_core.domain.profile import Profile
from audience_core.persistence.memory.ingest import MemoryMarkStore, MemoryReevaluationQueue
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.pipeline import reevaluate
from audience_core.pipeline.reevaluate import (
    LOOK_AHEAD_MS,
    LOST_AFTER_MS,
    SEARCH_EVERY_MS,
    SOON_MS,
    DueRun,
    due_soon,
    reevaluate_due,
)
from tests.support.population import DAY, HOUR, Population, a_batch, at_least, custom_event
from tests.support.population import NOW as POPULATION_NOW

ACCOUNT = AccountId(7)
NOW = 1_795_525_200_000
MINUTE = 60_000


class World:
    def __init__(self) -> None:
        self.profiles, self.marks, self.queue = MemoryProfileStore(), MemoryMarkStore(), MemoryReevaluationQueue()
        self._mpids = (Mpid(each * 64 + 1) for each in count(1))

    def profile(self, due_at: int) -> Mpid:
        profile = Profile(ACCOUNT, Environment.PRODUCTION, next(self._mpids))
        self.profiles.save(self._due(profile, due_at), NOW)
        return profile.mpid

    def looked_at(self, mpids: Iterable[Mpid]) -> None:
        """Nothing awaits them any more."""
        for profile in self.profiles.load(ACCOUNT, Environment.PRODUCTION, list(mpids)).values():
            self.profiles.save(self._due(profile, NEVER), NOW)

    def run(self, now: int = NOW, clock: Callable[[], int] | None = None, until: int = NEVER) -> DueRun:
        return reevaluate_due(self.profiles, self.marks, self.queue, clock or (lambda: now), until)

    def take(self) -> set[Mpid]:
        taken = [each.mpid for each in self.queue.take()]
        assert len(taken) == len(set(taken))
        return set(taken)

    @staticmethod
    def _due(profile: Profile, at: int) -> Profile:
        profile.agenda = ((at, AudienceId(1)),) if at < NEVER else ()
        return profile


@pytest.fixture
def world() -> World:
    return World()


def test_everybody_due_before_the_next_runs_is_queued_for_the_instant(world: World) -> None:
    past, soon, later = world.profile(NOW - 5), world.profile(NOW + 2 * MINUTE), world.profile(NOW + LOOK_AHEAD_MS + 1)

    run = world.run()

    assert run == DueRun(queued=2, recovered=0, lag_ms=5, is_cut=False)
    assert {each.mpid: each.at for each in world.queue.take()} == {past: NOW - 5, soon: NOW + 2 * MINUTE}
    assert world.run(NOW + MINUTE).queued == 1
    assert world.take() == {later}


def test_who_waits_in_the_queue_is_not_queued_again(world: World) -> None:
    waiting = {world.profile(NOW) for _ in range(300)}
    world.run()

    runs = [world.run(NOW + minute * MINUTE) for minute in range(1, 30)]

    assert [run.queued + run.recovered for run in runs] == [0] * 29
    assert [run.lag_ms for run in runs] == [minute * MINUTE for minute in range(1, 30)]
    assert world.take() == waiting


def test_a_run_that_is_cut_goes_on_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reevaluate, "_PAGE", 7)
    everybody = {world.profile(NOW - 1) for _ in range(500)} | {world.profile(NOW + 5) for _ in range(10)}
    runs: list[DueRun] = []

    while not runs or runs[-1].is_cut:
        start = NOW + len(runs) * MINUTE
        runs.append(world.run(clock=count(start).__next__, until=start + 40))

    assert len(runs) > 3
    assert sum(run.queued for run in runs) == 510
    assert world.take() == everybody


def test_profiles_lost_on_the_way_are_found_when_the_queue_is_quiet(world: World) -> None:
    lost, done = world.profile(NOW), world.profile(NOW)
    world.run()
    world.take()
    world.looked_at([done])

    early = world.run(NOW + SEARCH_EVERY_MS - 1)
    search = world.run(NOW + SEARCH_EVERY_MS)
    again = world.run(NOW + SEARCH_EVERY_MS + MINUTE)

    assert (early.recovered, search.recovered, again.recovered) == (0, 1, 0)
    assert world.take() == {lost}


def test_those_just_due_are_not_taken_for_lost(world: World) -> None:
    world.run()
    world.profile(NOW + SEARCH_EVERY_MS - LOST_AFTER_MS + 1)
    for minute in range(1, SEARCH_EVERY_MS // MINUTE):
        world.run(NOW + minute * MINUTE)
    world.take()

    assert world.run(NOW + SEARCH_EVERY_MS).recovered == 0


def test_nobody_waits_when_nobody_is_due(world: World) -> None:
    world.profile(NOW + 1)

    assert world.run().lag_ms == 0


@pytest.mark.parametrize(
    ("before", "after", "is_visited"),
    [
        (None, NOW + SOON_MS - 1, True),
        (None, NOW + SOON_MS, False),
        (NEVER, NOW - 5, True),
        (NOW + 5, NOW + 5, False),  # it was queued for that
        (NOW + 5, NEVER, False),
    ],
)
def test_a_write_that_makes_a_profile_due_soon_has_it_visited(before: int | None, after: int, is_visited: bool) -> None:
    old, new = None if before is None else a_profile(before), a_profile(after)

    assert list(due_soon(old, new, NOW)) == ([Due(ACCOUNT, Mpid(1), after)] if is_visited else [])
    assert list(due_soon(new, None, NOW)) == []


def a_profile(due_at: int) -> Profile:
    return Profile(ACCOUNT, Environment.PRODUCTION, Mpid(1), agenda_until=due_at)


def test_a_schedule_that_stood_still_for_days_catches_up_in_one_run_with_the_exact_instants() -> None:
    population = Population(at_least(1, "view", days=1))
    views = [custom_event("view", POPULATION_NOW - HOUR * place, f"m-{place}") for place in range(1, 4)]
    population.take(a_batch(number, f"c-{number}", events=[view]) for number, view in enumerate(views))
    queue, later = MemoryReevaluationQueue(), POPULATION_NOW + 3 * DAY

    run = reevaluate_due(population.profiles, MemoryMarkStore(), queue, lambda: later, NEVER)
    population.take([Reevaluation(each.account_id, each.mpid) for each in queue.take()], later)

    assert (run.queued, run.is_cut) == (3, False)
    left = [(each.at, each.is_member) for profile in population.everybody() for each in profile.changes]
    assert sorted(left) == [(POPULATION_NOW - HOUR * place + DAY + 1, False) for place in (3, 2, 1)]
