"""Who is not heard of any more is removed, and nobody who is."""

from itertools import count
from typing import Any

import pytest

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import DAY_MS, NEVER, AudienceId, Mpid
from audience_core.domain.profile import Profile, Seen
from audience_core.errors import StaleVersionError
from audience_core.persistence.memory.ingest import MemoryMarkStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.pipeline import retire
from audience_core.pipeline.process import process
from audience_core.pipeline.retire import RetirementRun, clear, last_sign, retire_profiles
from tests.support.population import ACCOUNT, NOW, WORKSPACE, Population, a_batch, at_least, custom_event

LATER = NOW + 30 * DAY_MS


class World:
    def __init__(self) -> None:
        self.population, self.marks = Population(at_least(1, "view")), MemoryMarkStore()

    def run(self, now: int = LATER + 1, until: int = NEVER, clock: Any = None) -> RetirementRun:
        of = self.population
        return retire_profiles(of.accounts, of.profiles, self.marks, clock or (lambda: now), until)

    def identity_holders(self, value: str) -> set[Mpid]:
        identity = Identity("customer_id", value)
        return set(self.population.identities.rows(ACCOUNT, Environment.PRODUCTION, [identity])[identity].holders)


@pytest.fixture
def world() -> World:
    return World()


def test_who_was_not_heard_of_for_longer_than_the_retention_is_removed(world: World) -> None:
    world.population.take([a_batch(1, "c-1"), a_batch(2, "c-2", received_at=NOW + 1)])

    run = world.run()

    assert run == RetirementRun(looked_at=2, retired=1, is_done=True)
    assert [i.value for p in world.population.everybody() for i in p.identities] == ["c-2"]


def test_nobody_is_removed_at_the_last_instant_of_the_retention(world: World) -> None:
    world.population.take([a_batch(1)])

    assert world.run(now=LATER).retired == 0


def test_development_profiles_are_removed_too(world: World) -> None:
    world.population.take([a_batch(1, environment="development")])

    assert world.run().retired == 1


def test_what_was_told_lately_of_a_long_past_counts_as_a_sign() -> None:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(1), seen={WORKSPACE: Seen(5, 10)})
    assert last_sign(profile) == 10

    profile.identities = {Identity("email", "a@b.co"): 20}

    assert last_sign(profile) == 20


def test_all_are_looked_at_once_a_day(world: World) -> None:
    world.population.take([a_batch(1, received_at=NOW + 5 * DAY_MS)])

    runs = [world.run(LATER + hours * 3_600_000) for hours in (1, 2, 24)]

    assert [run.looked_at for run in runs] == [1, 0, 1]


def test_a_run_that_is_cut_goes_on_where_it_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retire, "_STRETCH", 2)
    world.population.take([a_batch(n, f"c-{n}") for n in range(150)])
    runs: list[RetirementRun] = []

    while not runs or not runs[-1].is_done:
        start = LATER + len(runs) * 1000 + 1
        runs.append(world.run(until=start + 90, clock=count(start).__next__))

    assert len(runs) > 2
    assert sum(run.retired for run in runs) == sum(run.looked_at for run in runs) == 150
    assert world.population.everybody() == []


def test_a_live_event_that_comes_first_saves_the_profile(world: World) -> None:
    world.population.take([a_batch(1)])
    (stale,) = world.population.everybody()
    world.population.take([a_batch(2, received_at=LATER)], now=LATER)

    with pytest.raises(StaleVersionError):
        world.population.profiles.delete(stale)
    assert world.run().retired == 0


def test_a_live_event_that_meets_the_removal_is_not_lost(world: World) -> None:
    """The profile is removed between being read and being written: the event goes to one of its own."""
    world.population.take([a_batch(1)])
    (before,) = world.population.everybody()
    event = custom_event("view", LATER, "m-1")
    racing = _RemovedAfterLoad(world.population.profiles, before)

    process(world.population.pipeline(profiles=racing), [a_batch(2, received_at=LATER, events=[event])], LATER)
    clear(world.population.identities, world.population.profiles, before)

    (after,) = world.population.everybody()
    assert (after.memberships, racing.removals) == ({AudienceId(1)}, 1)
    assert world.identity_holders("c-1") == {after.mpid}
    assert after.mpid != before.mpid or after.version > before.version + 1


def test_identities_of_a_removed_profile_are_free_again(world: World) -> None:
    world.population.take([a_batch(1)])
    (profile,) = world.population.everybody()
    world.run()

    for _ in range(2):
        clear(world.population.identities, world.population.profiles, profile)

    assert world.identity_holders("c-1") == set()


class _RemovedAfterLoad:
    """Profiles of which one is removed right after it was first read."""

    def __init__(self, store: MemoryProfileStore, victim: Profile) -> None:
        self._store, self._victim = store, victim
        self.removals = 0

    def load(self, *given: Any) -> dict[Mpid, Profile]:
        found = self._store.load(*given)
        if not self.removals:
            self.removals += 1
            self._store.delete(self._victim)
        return found

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)
