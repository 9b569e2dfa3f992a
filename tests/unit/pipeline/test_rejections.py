"""Members a partner will not take: why is kept, nobody asks again, and nothing of them is left behind."""

import time
from collections.abc import Iterator
from http import HTTPStatus

import pytest

from audience_core.domain.output import ConnectionStatus, Target
from audience_core.errors import RetryableDeliveryError
from audience_core.outputs import registry
from audience_core.outputs.http import HttpSend
from audience_core.pipeline.deliver import UNTOLD_REASON, Delivered, deliver
from tests.support.delivery import ANN, BOB, LANE, LATER, World, email
from tests.support.lists import LISTS, ListPartner, a_list_partner
from tests.support.partners import obeying_then_dropping, refusing

SEND = HttpSend(allow_private=True)
BOTH = Target(email("ann").identities + email("anna").identities)


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[ListPartner]:
    # A connector that only tests have.
    monkeypatch.setitem(registry.CONNECTORS, "lists", LISTS)
    with a_list_partner() as partner:
        yield partner


@pytest.fixture
def world(partner: ListPartner) -> World:
    return World(partner.url, connector="lists")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def run(world: World) -> Delivered:
    return deliver(world, SEND, LANE, 1, now_ms, now_ms() + LATER)


def refuse(partner: ListPartner, who: str, reason: str = "unsubscribed") -> None:
    partner.book.refused[f"{who}@example.com"] = reason


def told(partner: ListPartner, who: str) -> list[str]:
    return [action for action, value in partner.book.told if value == f"{who}@example.com"]


def test_a_rejected_member_is_asked_once_and_the_others_are_taken(world: World, partner: ListPartner) -> None:
    refuse(partner, "ann")
    world.desire(ANN, email("ann"))
    world.desire(BOB, email("bob"))

    assert run(world) == Delivered(2, 1)
    assert run(world) == Delivered()
    world.desire(ANN, email("ann"))
    assert run(world) == Delivered()

    assert partner.values() == {"bob@example.com"}
    assert told(partner, "ann") == ["add"]
    row = world.row(ANN)
    assert row is not None
    assert (row.rejected, row.acknowledged, row.dirty_since) == ("unsubscribed", None, None)


def test_another_identity_is_tried_and_ends_the_rejection(world: World, partner: ListPartner) -> None:
    refuse(partner, "ann")
    world.desire(ANN, email("ann"))
    run(world)
    world.desire(ANN, email("anna"))

    run(world)

    assert partner.values() == {"anna@example.com"}
    row = world.row(ANN)
    assert row is not None
    assert (row.rejected, row.acknowledged) == (None, email("anna"))


def test_a_rejected_member_who_leaves_is_never_mentioned(world: World, partner: ListPartner) -> None:
    refuse(partner, "ann")
    world.desire(ANN, email("ann"))
    run(world)
    world.desire(ANN, None)

    run(world)

    assert told(partner, "ann") == ["add"]
    assert world.row(ANN) is None


def test_what_was_taken_of_a_rejected_member_is_removed_when_the_member_leaves(
    world: World, partner: ListPartner
) -> None:
    refuse(partner, "anna")
    world.desire(ANN, BOTH)
    run(world)
    assert partner.values() == {"ann@example.com"}
    world.desire(ANN, None)

    run(world)

    assert partner.values() == set()
    assert world.row(ANN) is None


def test_what_the_partner_had_before_a_rejected_change_can_come_back(world: World, partner: ListPartner) -> None:
    world.desire(ANN, email("ann"))
    run(world)
    refuse(partner, "anna")
    world.desire(ANN, email("anna"))
    run(world)
    assert partner.values() == set()

    world.desire(ANN, email("ann"))
    run(world)

    assert partner.values() == {"ann@example.com"}


def test_a_rejection_after_a_lost_answer_keeps_what_may_have_been_told(world: World, partner: ListPartner) -> None:
    partner.faults.append(obeying_then_dropping)
    world.desire(ANN, email("ann"))
    with pytest.raises(RetryableDeliveryError):
        run(world)
    refuse(partner, "anna")
    world.desire(ANN, email("anna"))
    partner.faults.append(refusing(HTTPStatus.SERVICE_UNAVAILABLE))
    with pytest.raises(RetryableDeliveryError):
        run(world)
    run(world)
    world.desire(ANN, None)

    run(world)

    assert partner.values() == set()
    assert world.row(ANN) is None


@pytest.mark.parametrize("reason", ["ANN@example.com is fake", "no such address: <ann@example.com>", ""])
def test_a_reason_that_holds_an_identity_is_not_kept(world: World, partner: ListPartner, reason: str) -> None:
    refuse(partner, "ann", reason)
    world.desire(ANN, email("ann"))

    run(world)

    row = world.row(ANN)
    assert row is not None
    assert row.rejected == UNTOLD_REASON


def test_a_rejected_member_does_not_hold_up_the_end_of_a_connection(world: World, partner: ListPartner) -> None:
    refuse(partner, "ann")
    world.desire(ANN, email("ann"))
    run(world)
    world.change(status=ConnectionStatus.DELETING)
    world.desire(ANN, None)

    run(world)

    assert not world.is_dirty(ANN)
    assert world.row(ANN) is None
