"""A/B tests are made once, and deleted with what is connected to them, whoever does what at the same time."""

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from pydantic import ValidationError

from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.domain.ids import OutputId
from audience_core.domain.output import Connection, ConnectionStatus, Fault, FaultKind, SubscriptionState
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError, StaleVersionError
from audience_core.management import ab_tests, connections
from audience_core.management.ab_tests import NewAbTest
from audience_core.management.audiences import Cloning, clone
from audience_core.management.connections import NewConnection
from audience_core.persistence.memory.control import MemoryAudienceStore, MemoryOutputStore, MemoryWorkflows
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OUTPUT, an_audience, an_output

LATER = NOW + timedelta(hours=1)
OTHER_OUTPUT = OutputId("o-000000000002")


class World:
    """An account with one active audience and two outputs.

    `before(n, act)` has somebody else act before the n-th call of a store from now on, in the middle of anything.
    """

    def __init__(self) -> None:
        self.audiences, self.outputs, self.workflows = MemoryAudienceStore(), MemoryOutputStore(), MemoryWorkflows()
        self.audiences.publish(an_audience(audience_id=self.audiences.next_id(ACCOUNT), status=AudienceStatus.ACTIVE))
        for output_id in (OUTPUT, OTHER_OUTPUT):
            self.outputs.save(an_output(output_id=output_id))
        self._left = -1
        self._act: Callable[[], object] = lambda: None

    def before(self, calls: int, act: Callable[[], object]) -> None:
        self._left, self._act = calls, act

    def count_down(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._act()

    @property
    def audience(self) -> Audience:
        return self.audiences.get(ACCOUNT, AUDIENCE)

    def split(self, *percentages: int, **given: Any) -> Audience:
        new = a_new_test(*percentages)
        return ab_tests.create(given.get("store", self.audiences), ACCOUNT, AUDIENCE, new, NOW)

    def connect(self, variant: str | None = None, output_id: OutputId = OUTPUT) -> Connection:
        outputs, audiences = self._watched()
        new = NewConnection(output_id=output_id, variant=variant)
        return connections.create(outputs, audiences, self.workflows, ACCOUNT, AUDIENCE, new, NOW)

    def end(self, version: int | None = None) -> None:
        outputs, audiences = self._watched()
        ab_tests.delete(audiences, outputs, self.workflows, ACCOUNT, AUDIENCE, version, LATER)

    def _watched(self) -> tuple[Any, Any]:
        return Watched(self.outputs, self), Watched(self.audiences, self)

    def statuses(self) -> dict[str, ConnectionStatus]:
        found = self.outputs.list_connections(ACCOUNT)
        return {each.variant.name if each.variant else "all": each.status for each in found}


class Watched:
    """A store each of whose calls is counted."""

    def __init__(self, store: Any, world: World) -> None:
        self._store, self._world = store, world

    def __getattr__(self, name: str) -> Any:
        self._world.count_down()
        return getattr(self._store, name)


def a_new_test(*percentages: int) -> NewAbTest:
    return NewAbTest.model_validate({"variations": [{"percentage": each} for each in percentages]})


def named(**variations: int) -> NewAbTest:
    return NewAbTest.model_validate({"variations": [{"name": n, "percentage": p} for n, p in variations.items()]})


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


def test_each_variant_and_the_whole_audience_are_connected_to_one_output() -> None:
    world = World()
    world.split(30, 20)

    made = [world.connect(variant) for variant in (None, "Variation A", "variation b", "Control")]

    variants = ab_tests.ab_test_of(world.audience).variants
    assert [each.variant for each in made] == [None, *variants]
    assert [each.partner_audience_id for each in made] == [AUDIENCE, *(each.audience_id for each in variants)]


@pytest.mark.parametrize("variant", [None, "Variation A", "Control"])
def test_a_variant_is_connected_to_an_output_once(variant: str | None) -> None:
    world = World()
    world.split(30)
    world.connect(variant)

    with pytest.raises(ConflictError, match="is connected to this output"):
        world.connect(variant)

    world.connect(variant, OTHER_OUTPUT)


def test_what_is_no_variant_cannot_be_connected() -> None:
    world = World()
    with pytest.raises(InvalidInputError) as without_test:
        world.connect("Variation A")
    world.split(30)

    with pytest.raises(InvalidInputError) as unknown:
        world.connect("Variation B")

    assert without_test.value.problems == (("/variant", "the audience has no A/B test"),)
    assert unknown.value.problems == (("/variant", "it is split into Variation A, Control"),)


def test_the_connections_of_variants_go_with_the_test_and_no_others() -> None:
    world = World()
    world.split(30, 20)
    for variant in (None, "Variation A", "Control"):
        world.connect(variant)
    started = len(world.workflows.started)

    world.end()

    deleting = ConnectionStatus.DELETING
    assert world.statuses() == {"all": ConnectionStatus.ACTIVE, "Variation A": deleting, "Control": deleting}
    assert len(world.workflows.started) == started + 2
    assert (world.audience.ab_test, world.audience.updated_at) == (None, LATER)


def test_a_connection_that_hangs_in_its_deletion_is_not_given_up() -> None:
    world = World()
    world.split(30)
    connection = world.connect("Control")
    fault = Fault(kind=FaultKind.PERMISSIONS, message="403 Forbidden", at=NOW)
    hanging = {"status": ConnectionStatus.DELETING, "fault": fault, "subscription": SubscriptionState.ACTIVE}
    saved = world.outputs.save_connection(connection.model_copy(update=hanging))

    world.end()

    assert world.outputs.get_connection(ACCOUNT, connection.connection_id) == saved


def test_a_stale_version_deletes_nothing() -> None:
    world = World()
    split = world.split(30)
    world.connect("Control")

    with pytest.raises(StaleVersionError):
        world.end(split.version - 1)

    assert world.audience == split
    assert world.statuses() == {"Control": ConnectionStatus.ACTIVE}
    world.end(split.version)
    assert world.audience.ab_test is None


def test_there_is_nothing_to_delete_twice() -> None:
    world = World()
    world.split(30)
    world.end()

    with pytest.raises(NotFoundError):
        world.end()


def test_the_next_test_splits_anew_and_is_connected_beside_what_is_being_deleted() -> None:
    world = World()
    first = ab_tests.ab_test_of(world.split(30))
    world.connect("Control")
    world.end()

    second = ab_tests.ab_test_of(world.split(30))
    world.connect("Control")

    assert first.test_id != second.test_id
    assert not {each.audience_id for each in first.variants} & {each.audience_id for each in second.variants}
    statuses = sorted(each.status for each in world.outputs.list_connections(ACCOUNT))
    assert statuses == [ConnectionStatus.ACTIVE, ConnectionStatus.DELETING]


class OutOfTime(Exception):
    """The function was stopped."""


@pytest.mark.parametrize("calls", range(1, 12))
def test_a_deletion_that_was_cut_short_is_finished_by_the_next(calls: int) -> None:
    world = World()
    world.split(30)
    world.connect(None)
    world.connect("Control")
    world.connect("Variation A", OTHER_OUTPUT)

    def stop() -> None:
        raise OutOfTime

    world.before(calls, stop)
    with suppress(OutOfTime):
        world.end()
    with suppress(NotFoundError):
        world.end()

    deleting = ConnectionStatus.DELETING
    assert world.statuses() == {"all": ConnectionStatus.ACTIVE, "Variation A": deleting, "Control": deleting}
    assert world.audience.ab_test is None


@pytest.mark.parametrize("calls", range(1, 12))
@pytest.mark.parametrize("is_deletion_first", [True, False])
def test_nothing_stays_connected_to_a_test_that_is_deleted_meanwhile(calls: int, is_deletion_first: bool) -> None:
    """Connecting between any two steps of a deletion, and deleting between any two steps of connecting."""
    world = World()
    world.split(30)
    world.connect("Variation A")
    one, other = (world.end, lambda: world.connect("Control"))
    first, second = (one, other) if is_deletion_first else (other, one)

    def interfere() -> None:
        with suppress(ConflictError, InvalidInputError, NotFoundError):
            second()

    world.before(calls, interfere)
    with suppress(ConflictError, InvalidInputError):
        first()
    world.before(0, interfere)
    with suppress(NotFoundError):
        world.end()

    assert set(world.statuses().values()) == {ConnectionStatus.DELETING}
    assert world.audience.ab_test is None


@pytest.mark.parametrize("calls", range(1, 8))
def test_a_test_that_took_the_place_of_the_deleted_one_is_not_deleted(calls: int) -> None:
    world = World()
    world.split(30)
    world.connect("Control")

    def again() -> None:
        world.before(0, again)
        world.end()
        world.split(10)

    world.before(calls, again)
    if calls == 1:
        world.end()  # it is the new one that was asked for
        assert world.audience.ab_test is None
        return
    with suppress(ConflictError):
        world.end()

    assert ab_tests.ab_test_of(world.audience).variants[0].percentage == 10
