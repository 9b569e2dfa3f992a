"""Delivery against a real partner on loopback that fails in every way partners do."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus

import pytest

from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.output import ConnectionStatus, Target
from audience_core.errors import RetryableDeliveryError
from audience_core.outputs.registry import CONNECTORS
from audience_core.pipeline.deliver import Delivered, delay_s, deliver
from tests.support.deliveries import SEND, emails, now_ms, run, until_done
from tests.support.delivery import ANN, BOB, EVE, LANE, LATER, World, email
from tests.support.partners import (
    Fault,
    FaultyPartner,
    a_partner,
    dropping,
    obeying_then_dropping,
    refusing,
    suspending,
)


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as partner:
        yield partner


@pytest.fixture
def world(partner: FaultyPartner) -> World:
    return World(partner.url)


def test_a_new_member_reaches_the_partner(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))

    told = run(world)

    assert told == Delivered(1, 0)
    assert emails(partner) == {"8": {"ann@example.com"}}
    assert partner.book.audiences[AudienceId(1)].name == "Fans"
    assert not world.is_dirty(ANN)


def test_nothing_to_say_says_nothing(world: World, partner: FaultyPartner) -> None:
    assert run(world) == Delivered()

    assert partner.heard == []


def test_members_leave_and_change_identities(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))
    world.desire(BOB, email("bob"))
    run(world)
    world.desire(ANN, None)
    world.desire(BOB, email("robert"))

    run(world)

    assert emails(partner) == {"16": {"robert@example.com"}}


def test_a_member_who_joined_and_left_unheard_is_never_mentioned(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))
    world.desire(ANN, None)

    run(world)

    assert partner.heard == []
    assert not world.is_dirty(ANN)


def test_a_change_that_was_undone_unheard_is_never_mentioned(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))
    run(world)
    world.desire(ANN, email("anna"))
    world.desire(ANN, email("ann"))

    run(world)

    assert len(partner.heard) == 1
    assert not world.is_dirty(ANN)


def test_many_members_go_in_batches_of_the_partners_size(world: World, partner: FaultyPartner) -> None:
    for n in range(250):
        world.desire(Mpid(8 * n), email(str(n)))

    told = run(world)

    assert told.forwarded == 250
    assert [len(message["user_profiles"]) for message in partner.heard] == [100, 100, 50]
    assert len(emails(partner)) == 250


@pytest.mark.parametrize(
    "faults",
    [
        [refusing(HTTPStatus.TOO_MANY_REQUESTS, Retry_After="1")],
        [refusing(HTTPStatus.INTERNAL_SERVER_ERROR)] * 3,
        [dropping, refusing(HTTPStatus.BAD_GATEWAY), dropping],
        [obeying_then_dropping],
        [obeying_then_dropping, refusing(HTTPStatus.SERVICE_UNAVAILABLE), obeying_then_dropping],
    ],
    ids=["429", "500s", "resets", "lost answer", "mixed"],
)
def test_passing_failures_leave_the_partner_right(world: World, partner: FaultyPartner, faults: list[Fault]) -> None:
    partner.faults.extend(faults)
    world.desire(ANN, email("ann"))
    world.desire(BOB, email("bob"))

    attempts = until_done(world)

    assert attempts == len(faults) + 1
    assert emails(partner) == {"8": {"ann@example.com"}, "16": {"bob@example.com"}}
    assert world.connection.fault is None


def test_what_changes_after_a_lost_answer_is_made_good(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))
    world.desire(BOB, email("bob"))
    run(world)
    partner.faults.append(obeying_then_dropping)
    world.desire(ANN, None)
    world.desire(BOB, email("robert"))
    world.desire(EVE, email("eve"))
    with pytest.raises(RetryableDeliveryError):
        run(world)
    assert emails(partner) == {"16": {"robert@example.com"}, "-24": {"eve@example.com"}}
    # All three return to what was last acknowledged, which is not what the partner has.
    world.desire(ANN, email("ann"))
    world.desire(BOB, email("bob"))
    world.desire(EVE, None)

    run(world, 2)

    assert emails(partner) == {"8": {"ann@example.com"}, "16": {"bob@example.com"}}


def test_a_repeat_is_known_by_its_message_id(world: World, partner: FaultyPartner) -> None:
    partner.faults.append(obeying_then_dropping)
    world.desire(ANN, email("ann"))

    until_done(world)

    first, second = partner.heard
    assert first["id"] == second["id"]


def test_the_partners_wish_to_wait_is_passed_on(world: World, partner: FaultyPartner) -> None:
    partner.faults.append(refusing(HTTPStatus.TOO_MANY_REQUESTS, Retry_After="7"))
    world.desire(ANN, email("ann"))

    with pytest.raises(RetryableDeliveryError) as error:
        run(world)

    assert error.value.retry_after_s == 7


def test_logs_hold_no_identity_and_no_secret(
    world: World, partner: FaultyPartner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    world.desire(ANN, Target((*email("ann").identities,), (("city", "Oslo"),)))
    run(world)
    partner.faults.extend([refusing(HTTPStatus.BAD_GATEWAY), suspending])
    world.desire(ANN, email("anna"))
    with pytest.raises(RetryableDeliveryError) as error:
        run(world)
    run(world, 2)

    text = "\n".join(str(vars(record)) for record in caplog.records) + str(error.value) + str(world.connection.fault)
    assert "connection faulted" in text
    assert not [word for word in ("example.com", "Oslo", "whsec") if word in text]


def test_waits_grow_and_come_after_what_the_partner_asks_for() -> None:
    assert [delay_s(attempt, None, 1.0) for attempt in range(1, 7)] == [5, 15, 45, 135, 405, 1215]
    assert [delay_s(attempt, None, 0.0) for attempt in (1, 6)] == [1, 1]
    assert delay_s(1, 120.0, 0.5) == 122
    assert delay_s(3, 1e9, 0.5) == 3600
    assert delay_s(30, None, 1.0) == 3600


@pytest.fixture
def hourly(partner: FaultyPartner, monkeypatch: pytest.MonkeyPatch) -> World:
    """Connected to a partner that is told once an hour; its connector is one that only tests have."""
    monkeypatch.setitem(CONNECTORS, "hourly", replace(CONNECTORS["webhook"], kind="hourly", flush_after_s=3600))
    world = World(partner.url)
    output = world.outputs.list(world.connection.account_id)[0]
    world.outputs.save(output.model_copy(update={"connector": "hourly"}))
    return world


def test_a_lane_is_sent_as_a_whole_when_its_oldest_row_is_due(hourly: World, partner: FaultyPartner) -> None:
    now = now_ms()
    hourly.desire(ANN, email("ann"), now - 3_590_000)
    hourly.desire(BOB, email("bob"), now)
    assert run(hourly) == Delivered()
    assert partner.heard == []

    hourly.desire(EVE, email("eve"), now - 3_600_000)
    assert run(hourly) == Delivered(3, 0)

    assert len(partner.heard) == 1
    assert run(hourly) == Delivered()


def test_nobody_waits_for_the_removals_of_a_connection_that_ends(hourly: World, partner: FaultyPartner) -> None:
    hourly.desire(ANN, email("ann"), now_ms() - 3_600_000)
    run(hourly)
    hourly.change(status=ConnectionStatus.DELETING)
    hourly.desire(ANN, None, now_ms())

    run(hourly)

    assert emails(partner) == {}


def test_an_urgent_wake_up_does_not_wait(hourly: World, partner: FaultyPartner) -> None:
    hourly.desire(ANN, email("ann"), now_ms())

    told = deliver(hourly, SEND, replace(LANE, is_urgent=True), 1, now_ms, now_ms() + LATER)

    assert told == Delivered(1, 0)
    assert emails(partner) == {"8": {"ann@example.com"}}
