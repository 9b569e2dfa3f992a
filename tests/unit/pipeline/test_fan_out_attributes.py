"""What fanning out promises of attributes that are shared, of consent, and of partners that are told at intervals."""

from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.ids import ConnectionId, WorkspaceId
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import (
    Sending,
    SharedAttributes,
    Target,
    delivery_bucket_of,
)
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.outputs.registry import CONNECTORS
from tests.support.control import (
    ACCOUNT,
    CONNECTION,
    WORKSPACE,
    a_connection,
    an_audience,
    an_output,
)
from tests.support.fan_out_world import ANN, BO, EMAIL, NOW, OTHER_AUDIENCE, World, a_change, a_profile


def with_tier(tier: str, version: int, workspace: WorkspaceId = WORKSPACE) -> Profile:
    key = RegisterKey(workspace, RegisterKind.ATTRIBUTE, "tier")
    seen = {workspace: Seen(1, 1)}
    return a_profile(version=version, audiences=[1], registers={key: Register(tier, version)}, seen=seen)


def sharing(world: World, **lists: tuple[str, ...]) -> None:
    connection = world.outputs.get_connection(ACCOUNT, CONNECTION)
    shared = SharedAttributes(**lists)
    world.outputs.save_connection(connection.model_copy(update={"attributes": shared}))


def test_a_shared_attribute_that_changes_reaches_the_ledger() -> None:
    world = World()
    sharing(world, account=("tier",))
    world.take(a_change(None, with_tier("silver", 1)))
    world.wake_ups.take()

    world.take(a_change(with_tier("silver", 1), with_tier("gold", 2)), now=NOW + 5000)

    assert world.desired() == {ANN: Target((EMAIL,), (("tier", "gold"),))}
    assert world.wake_ups.take() == [WakeUp(ACCOUNT, CONNECTION, delivery_bucket_of(ANN))]


def test_an_attribute_that_is_not_shared_changes_nothing() -> None:
    world = World()
    world.take(a_change(None, with_tier("silver", 1)))
    world.wake_ups.take()

    world.take(a_change(with_tier("silver", 1), with_tier("gold", 2)), now=NOW + 5000)

    assert world.desired() == {ANN: Target((EMAIL,))}
    assert world.wake_ups.take() == []


def test_only_the_audiences_own_workspace_decides_a_workspace_level_attribute() -> None:
    world = World()
    world.audiences.save(an_audience())
    sharing(world, workspace=("tier",))

    world.take(a_change(None, with_tier("silver", 1, WorkspaceId("w-other"))))
    assert world.desired() == {ANN: Target((EMAIL,))}
    world.take(a_change(None, with_tier("gold", 2)))

    assert world.desired() == {ANN: Target((EMAIL,), (("tier", "gold"),))}


def test_an_attribute_that_ceases_to_be_shared_meanwhile_does_not_come_back() -> None:
    world = World()
    sharing(world, account=("tier",))
    world.take(a_change(None, with_tier("silver", 1)))
    desire = world.ledger.desire

    def edited_and_filled_meanwhile(*row: Any) -> bool:
        world.ledger.desire = desire  # type: ignore[method-assign]
        sharing(world)
        desire(ACCOUNT, CONNECTION, ANN, Target((EMAIL,)), 2, NOW)
        return desire(*row)

    world.ledger.desire = edited_and_filled_meanwhile  # type: ignore[method-assign, assignment]
    world.take(a_change(with_tier("silver", 1), with_tier("gold", 2)))

    assert world.desired() == {ANN: Target((EMAIL,))}


def test_a_lane_that_waits_until_it_is_due_is_not_woken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONNECTORS, "hourly", replace(CONNECTORS["webhook"], kind="hourly", flush_after_s=3600))
    world = World()
    output = world.outputs.get(ACCOUNT, an_output().output_id)
    world.outputs.save(output.model_copy(update={"connector": "hourly"}))

    world.take(a_change(None, a_profile(audiences=[1])))

    assert world.desired() == {ANN: Target((EMAIL,))}
    assert world.wake_ups.take() == []


def test_who_withdraws_consent_or_opts_out_leaves_even_a_partner_that_is_told_once_an_hour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(CONNECTORS, "hourly", replace(CONNECTORS["webhook"], kind="hourly", flush_after_s=3600))
    world = World()
    output = world.outputs.get(ACCOUNT, an_output().output_id)
    world.outputs.save(output.model_copy(update={"connector": "hourly"}))
    world.take(a_change(None, a_profile(audiences=[1])))
    opted_out = {RegisterKey(WORKSPACE, RegisterKind.OPT_OUT, ""): Register(True, 2)}

    world.take(a_change(a_profile(audiences=[1]), a_profile(version=2, audiences=[1], registers=opted_out)))

    assert world.desired() == {ANN: None}
    assert world.wake_ups.take() == [WakeUp(ACCOUNT, CONNECTION, delivery_bucket_of(ANN), is_urgent=True)]
    assert [row.mpid for row in world.members()] == [ANN]


def test_who_opts_out_leaves_partners_that_were_sent_a_lifetime_audience() -> None:
    world = World()
    sent = Sending(job_id="send-1", calculation_id="lifetime-1", shard_count=1, number=3)
    lifetime = a_connection(connection_id=ConnectionId("c-2"), audience_id=OTHER_AUDIENCE, sent=sent)
    world.outputs.save_connection(lifetime)
    for mpid in (ANN, BO):
        world.ledger.desire(ACCOUNT, lifetime.connection_id, mpid, Target((EMAIL,)), sent.number, NOW)
    opted_out = {RegisterKey(WORKSPACE, RegisterKind.OPT_OUT, ""): Register(True, 2)}

    world.take(
        a_change(a_profile(ANN), a_profile(ANN, 2, registers=opted_out)), a_change(a_profile(BO), a_profile(BO, 2))
    )

    assert world.desired(lifetime.connection_id) == {ANN: None, BO: Target((EMAIL,))}
    assert [each.connection_id for each in world.wake_ups.take()] == [lifetime.connection_id]
