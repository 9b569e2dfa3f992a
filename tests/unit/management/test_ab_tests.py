"""A/B tests are made once, and deleted with what is connected to them, whoever does what at the same time."""

from itertools import count
from typing import Any

import pytest
from pydantic import ValidationError

from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.errors import ConflictError, InvalidInputError
from audience_core.management import ab_tests
from audience_core.management.ab_tests import NewAbTest
from audience_core.management.audiences import Cloning, clone
from audience_core.persistence.memory.control import MemoryAudienceStore
from tests.support.ab_test_world import Watched, World, named
from tests.support.control import ACCOUNT, AUDIENCE, NOW


def test_variations_are_lettered_and_control_is_the_rest() -> None:
    world = World()

    saved = world.split(30, 20)

    assert saved.ab_test is not None
    assert saved == world.audience
    shown = [(each.name, each.percentage, each.first, each.until) for each in saved.ab_test.variants]
    assert shown == [("Variation A", 30, 0, 30), ("Variation B", 20, 30, 50), ("Control", 50, 50, 100)]
    assert (saved.ab_test.created_at, saved.updated_at) == (NOW, NOW)


def test_every_variant_has_an_audience_id_of_its_own() -> None:
    world = World()

    test = ab_tests.ab_test_of(world.split(1, 1, 1, 1, 1))

    ids = {each.audience_id for each in test.variants} | {AUDIENCE, world.audiences.next_id(ACCOUNT)}
    assert len(ids) == 8
    assert {each.test_id for each in test.variants} == {test.test_id}


def test_all_may_be_given_to_variations() -> None:
    assert ab_tests.ab_test_of(World().split(99, 1)).control.percentage == 0


def test_more_than_everybody_is_refused_and_the_first_that_is_too_much_is_named() -> None:
    world = World()

    with pytest.raises(InvalidInputError) as refused:
        world.split(60, 40, 1)

    assert [where for where, _ in refused.value.problems] == ["/variations/2/percentage"]
    assert "101 %" in refused.value.problems[0][1]
    assert world.audience.ab_test is None


@pytest.mark.parametrize(
    "variations",
    [
        [],
        [{"percentage": 10}] * 6,
        [{"percentage": 0}],
        [{"percentage": 101}],
        [{"percentage": 33.3}],
        [{"percentage": "30"}],
        [{"percentage": 30, "name": ""}],
        [{"percentage": 30, "name": "   "}],
        [{"percentage": 30, "name": "n" * 101}],
        [{"percentage": 30, "share": 1}],
    ],
)
def test_what_is_no_split_is_refused(variations: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        NewAbTest.model_validate({"variations": variations})


def test_names_are_given_or_the_next_letters_that_are_free() -> None:
    world = World()
    new = NewAbTest.model_validate(
        {
            "variations": [
                {"percentage": 1},
                {"percentage": 1, "name": "variation b"},
                {"percentage": 1, "name": "  Big letters  "},
                {"percentage": 1},
                {"percentage": 1, "name": "é" * 100},
            ]
        }
    )

    saved = ab_tests.create(world.audiences, ACCOUNT, AUDIENCE, new, NOW)

    names = [each.name for each in ab_tests.ab_test_of(saved).variants]
    assert names == ["Variation A", "variation b", "Big letters", "Variation C", "é" * 100, "Control"]


@pytest.mark.parametrize("name", ["Control", "control", " CONTROL "])
def test_control_is_no_name_for_a_variation(name: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        ab_tests.create(World().audiences, ACCOUNT, AUDIENCE, named(**{name: 10}), NOW)

    assert [where for where, _ in refused.value.problems] == ["/variations/0/name"]


def test_a_name_is_taken_once() -> None:
    with pytest.raises(InvalidInputError) as refused:
        ab_tests.create(World().audiences, ACCOUNT, AUDIENCE, named(Red=10, Blue=10, RED=10), NOW)

    assert [where for where, _ in refused.value.problems] == ["/variations/2/name"]


def test_a_test_cannot_be_changed() -> None:
    world = World()
    before = world.split(30)

    with pytest.raises(ConflictError, match="delete it first"):
        world.split(40)

    assert world.audience == before


def test_a_lifetime_audience_is_not_split() -> None:
    world = World()
    world.audiences.save(world.audience.model_copy(update={"kind": AudienceKind.LIFETIME}))

    with pytest.raises(ConflictError, match="lifetime"):
        world.split(40)


def test_a_draft_may_be_split_before_it_is_activated() -> None:
    world = World()
    world.audiences.save(world.audience.model_copy(update={"status": AudienceStatus.DRAFT}))

    assert world.split(40).ab_test is not None


def test_a_clone_is_not_split() -> None:
    world = World()
    world.split(30)

    cloned = clone(world.audiences, ACCOUNT, AUDIENCE, Cloning(), "client-1", NOW)

    assert cloned.ab_test is None
    assert world.audience.ab_test is not None


class Overtaken:
    """A store whose audience is renamed right after it was read for the second time."""

    def __init__(self, store: MemoryAudienceStore) -> None:
        self._store, self._reads = store, count(1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def get(self, *key: Any) -> Audience:
        found = self._store.get(*key)
        if next(self._reads) == 2:
            self._store.save(found.model_copy(update={"name": "Fans"}))
        return found


def test_a_rename_in_between_is_kept() -> None:
    world = World()

    saved = world.split(30, store=Overtaken(world.audiences))

    assert (saved.name, world.audience.name) == ("Fans", "Fans")
    assert world.audience.ab_test == saved.ab_test is not None


@pytest.mark.parametrize("calls", range(1, 6))
def test_of_two_splits_at_once_one_is_made(calls: int) -> None:
    world = World()
    world.before(calls, lambda: world.split(10))

    with pytest.raises(ConflictError):
        world.split(30, store=Watched(world.audiences, world))

    assert [each.percentage for each in ab_tests.ab_test_of(world.audience).variants] == [10, 90]
