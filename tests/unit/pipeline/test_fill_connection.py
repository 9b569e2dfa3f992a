"""Filling a connection's ledger from the profiles, withdrawing it, and keeping it awake."""

import itertools
from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.output import DELIVERY_BUCKETS, ConnectionStatus, LedgerRow, SharedAttributes, Target
from audience_core.domain.profile import BUCKETS, Profile, Register, RegisterKey, RegisterKind
from audience_core.outputs.registry import CONNECTORS
from audience_core.pipeline.fill_connection import PAGE, fill_bucket, wake_connection, withdraw_bucket
from audience_core.pipeline.sweep_ledger import sweep_ledger
from tests.support.control import ACCOUNT, AUDIENCE, CONNECTION, WORKSPACE
from tests.support.delivery import ANN, LANE, LATER, T, World, email

MINUTE = 60_000


def a_profile(world: World, mpid: int, who: str = "ann", audiences: frozenset[AudienceId] = frozenset({AUDIENCE})):
    profile = Profile(
        ACCOUNT,
        Environment.PRODUCTION,
        Mpid(mpid),
        identities={Identity("email", f"{who}@example.com"): T},
        memberships=set(audiences),
    )
    return world.profiles.save(profile, T)


def fill(world: World, until_ms: int = LATER) -> None:
    for bucket in range(BUCKETS):
        cursor = None
        for _ in itertools.count():
            cursor = fill_bucket(world, ACCOUNT, CONNECTION, bucket, cursor, lambda: T, until_ms)
            if cursor is None:
                break


def rows(world: World) -> dict[int, Target | None]:
    found: list[LedgerRow] = []
    for bucket in range(DELIVERY_BUCKETS):
        found += world.ledger.rows(ACCOUNT, CONNECTION, bucket, None, 10_000).items
    return {row.mpid: row.desired for row in found}


def test_every_member_gets_a_row_and_its_lane_a_wake_up() -> None:
    world = World()
    a_profile(world, 8, "ann")
    a_profile(world, -3, "bob")
    a_profile(world, 5, "eve", frozenset({AudienceId(99)}))

    fill(world)

    assert rows(world) == {8: email("ann"), -3: email("bob")}
    assert {wake_up.bucket for wake_up in world.wake_ups.take()} == {0, 5}


def test_filling_goes_on_where_time_ran_out() -> None:
    world = World()
    for n in range(PAGE + 50):
        a_profile(world, 64 * n, str(n))

    cursor = fill_bucket(world, ACCOUNT, CONNECTION, 0, None, lambda: T, T)

    assert len(rows(world)) == PAGE
    assert fill_bucket(world, ACCOUNT, CONNECTION, 0, cursor, lambda: T, T) is None
    assert len(rows(world)) == PAGE + 50


def test_filling_twice_changes_nothing() -> None:
    world = World()
    a_profile(world, 8)
    fill(world)
    world.ledger.acknowledge(world.ledger.dirty(ACCOUNT, CONNECTION, 0, 1))
    world.wake_ups.take()

    fill(world)

    assert not world.is_dirty(ANN)
    assert world.wake_ups.take() == []


def test_narrowed_settings_reach_rows_of_the_same_profile_version() -> None:
    world = World()
    a_profile(world, 8)
    fill(world)
    output = world.outputs.list(ACCOUNT)[0]
    world.outputs.save(
        output.model_copy(update={"settings": {**output.settings, "accepted_identities": ["customer_id"]}})
    )

    fill(world)

    assert rows(world) == {8: None}


def test_a_profile_that_leaves_while_it_is_read_gets_no_lasting_row() -> None:
    world = World()
    a_profile(world, 8)
    read = world.profiles.page

    def page_then_leave(*arguments):
        page = read(*arguments)
        for profile in world.profiles.load(ACCOUNT, Environment.PRODUCTION, [p.mpid for p in page.items]).values():
            profile.memberships = set()
            world.profiles.save(profile, T)
            world.ledger.desire(ACCOUNT, CONNECTION, profile.mpid, None, profile.version, T)
        return page

    world.profiles.page = page_then_leave  # type: ignore[method-assign]  # the change happens between two calls

    fill(world)

    assert rows(world) == {8: None}


def test_inactive_and_deleted_connections_are_not_filled() -> None:
    world = World()
    a_profile(world, 8)
    world.change(status=ConnectionStatus.INACTIVE)
    fill(world)
    world.outputs.delete_connection(world.connection)
    fill(world)

    assert rows(world) == {}


def test_withdrawing_desires_that_all_are_forgotten() -> None:
    world = World()
    for n in range(PAGE + 50):
        world.desire(Mpid(8 * n), email(str(n)))

    cursor = withdraw_bucket(world, ACCOUNT, CONNECTION, 0, None, lambda: T, T)
    assert cursor is not None
    assert withdraw_bucket(world, ACCOUNT, CONNECTION, 0, cursor, lambda: T, T) is None

    assert set(rows(world).values()) == {None}


def test_waking_a_connection_wakes_all_its_lanes() -> None:
    world = World()

    wake_connection(world, ACCOUNT, CONNECTION, T)

    assert [wake_up.bucket for wake_up in world.wake_ups.take()] == list(range(DELIVERY_BUCKETS))


def test_the_sweep_wakes_lanes_left_dirty_for_a_minute() -> None:
    world = World()
    world.desire(ANN, email("ann"), T)

    assert sweep_ledger(world.ledger, world.outputs, world.wake_ups, T + MINUTE - 1) == 0
    assert sweep_ledger(world.ledger, world.outputs, world.wake_ups, T + MINUTE) == 1

    assert world.wake_ups.take() == [LANE]


def test_the_sweep_leaves_connections_alone_that_must_not_send() -> None:
    world = World()
    world.desire(ANN, email("ann"), T)
    world.change(status=ConnectionStatus.INACTIVE)
    assert sweep_ledger(world.ledger, world.outputs, world.wake_ups, T + MINUTE) == 0
    world.outputs.delete_connection(world.connection)
    assert sweep_ledger(world.ledger, world.outputs, world.wake_ups, T + MINUTE) == 0


def test_attributes_that_are_chosen_later_reach_every_member() -> None:
    world = World()
    profile = a_profile(world, 8)
    profile.registers = {RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, "tier"): Register("gold", T)}
    world.profiles.save(profile, T)
    fill(world)
    assert rows(world) == {8: email("ann")}

    world.change(attributes=SharedAttributes(workspace=("tier",)))
    fill(world)

    assert rows(world) == {8: Target(email("ann").identities, (("tier", "gold"),))}


def test_a_fill_that_an_edit_overtakes_desires_what_holds_now() -> None:
    world = World()
    profile = a_profile(world, 8)
    profile.registers = {RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, "tier"): Register("gold", T)}
    world.profiles.save(profile, T)
    world.change(attributes=SharedAttributes(workspace=("tier",)))
    desire = world.ledger.desire

    def edited_and_filled_meanwhile(*row: Any) -> bool:
        world.ledger.desire = desire  # type: ignore[method-assign]
        world.change(attributes=SharedAttributes())
        fill(world)
        return desire(*row)

    world.ledger.desire = edited_and_filled_meanwhile  # type: ignore[method-assign, assignment]
    fill(world)

    assert rows(world) == {8: email("ann")}


@pytest.fixture
def hourly(monkeypatch: pytest.MonkeyPatch) -> World:
    """Connected to a partner that is told once an hour; its connector is one that only tests have."""
    kind = replace(CONNECTORS["webhook"], kind="hourly", flush_after_s=3600, max_concurrency=3)
    monkeypatch.setitem(CONNECTORS, "hourly", kind)
    return World(connector="hourly")


def test_the_sweep_wakes_lanes_whose_oldest_row_is_due(hourly: World) -> None:
    hourly.desire(ANN, email("ann"), T)
    hourly.desire(Mpid(16), email("bob"), T + 50 * MINUTE)
    hourly.desire(Mpid(9), email("cy"), T + 50 * MINUTE)

    assert sweep_ledger(hourly.ledger, hourly.outputs, hourly.wake_ups, T + 60 * MINUTE - 1) == 0
    assert sweep_ledger(hourly.ledger, hourly.outputs, hourly.wake_ups, T + 60 * MINUTE) == 1

    (woken,) = hourly.wake_ups.take()
    assert woken.bucket == 0
    assert (woken.slot or "").startswith(f"{hourly.connection.output_id}:")


def test_a_connection_that_ends_is_not_kept_waiting(hourly: World) -> None:
    hourly.desire(ANN, email("ann"), T)
    hourly.change(status=ConnectionStatus.DELETING)

    assert sweep_ledger(hourly.ledger, hourly.outputs, hourly.wake_ups, T + MINUTE) == 1


def test_waking_a_connection_that_is_gone_wakes_nothing() -> None:
    world = World()
    world.outputs.delete_connection(world.connection)

    wake_connection(world, ACCOUNT, CONNECTION, T)

    assert world.wake_ups.take() == []
