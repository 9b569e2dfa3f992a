"""Variants are connected, and disconnected with the test that they are of, whoever does what meanwhile."""

from contextlib import suppress

import pytest

from audience_core.domain.output import ConnectionStatus, Fault, FaultKind, SubscriptionState
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError, StaleVersionError
from audience_core.management import ab_tests
from tests.support.ab_test_world import LATER, OTHER_OUTPUT, World
from tests.support.control import ACCOUNT, AUDIENCE, NOW


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
