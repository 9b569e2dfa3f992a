"""Two members with one e-mail address: a partner that knows nothing else of them keeps it as long as one stays."""

import time
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import pytest

from audience_core.domain.ids import Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import ConnectionStatus, delivery_bucket_of
from audience_core.errors import RetryableDeliveryError
from audience_core.outputs import registry
from audience_core.outputs.http import HttpRequest, HttpResponse, HttpSend
from audience_core.pipeline.deliver import deliver
from tests.support.control import ACCOUNT, CONNECTION
from tests.support.delivery import ANN, BOB, LATER, World, email
from tests.support.lists import LISTS, ListPartner, a_list_partner
from tests.support.partners import a_partner, obeying_then_dropping, refusing

SEND = HttpSend(allow_private=True)
# In another lane than Ann and Bob.
CY = Mpid(9)
SHARED = email("family")
FAMILY = {"family@example.com"}


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[ListPartner]:
    # A connector that only tests have.
    monkeypatch.setitem(registry.CONNECTORS, "lists", LISTS)
    with a_list_partner() as partner:
        yield partner


@pytest.fixture
def world(partner: ListPartner) -> World:
    world = World(partner.url, connector="lists")
    for mpid in (ANN, BOB, CY):
        world.hold(mpid, SHARED)
    return world


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def run(world: World, mpid: Mpid, send: Callable[[HttpRequest], HttpResponse] = SEND) -> None:
    lane = WakeUp(ACCOUNT, CONNECTION, delivery_bucket_of(mpid))
    deliver(world, send, lane, 1, now_ms, now_ms() + LATER)


def connected(world: World, *mpids: Mpid) -> None:
    for mpid in mpids:
        world.desire(mpid, SHARED)
        run(world, mpid)


@pytest.mark.parametrize("other", [BOB, CY], ids=["same lane", "another lane"])
def test_the_address_stays_with_the_second_and_goes_with_the_last(
    world: World, partner: ListPartner, other: Mpid
) -> None:
    connected(world, ANN, other)
    world.desire(ANN, None)
    run(world, ANN)

    assert partner.values() == FAMILY
    assert ("remove", "family@example.com") not in partner.book.told
    assert world.row(ANN) is None

    world.desire(other, None)
    run(world, other)
    assert partner.values() == set()


def test_both_leave_at_once(world: World, partner: ListPartner) -> None:
    connected(world, ANN, CY)
    world.desire(ANN, None)
    world.desire(CY, None)

    run(world, ANN)
    run(world, CY)

    assert partner.values() == set()


def test_a_change_of_address_leaves_the_other_members_alone(world: World, partner: ListPartner) -> None:
    connected(world, ANN, CY)
    world.desire(ANN, email("ann"))

    run(world, ANN)

    assert partner.values() == {"family@example.com", "ann@example.com"}


def test_one_leaves_before_the_other_was_told_at_all(world: World, partner: ListPartner) -> None:
    connected(world, ANN)
    world.desire(ANN, None)
    world.desire(CY, SHARED)

    run(world, ANN)
    run(world, CY)

    assert partner.values() == FAMILY


def test_one_who_comes_and_goes_unheard_leaves_nothing_behind(world: World, partner: ListPartner) -> None:
    connected(world, ANN)
    world.desire(ANN, None)
    world.desire(CY, SHARED)
    run(world, ANN)
    world.desire(CY, None)

    run(world, CY)

    assert partner.values() == set()


def test_one_who_joins_while_the_removal_is_under_way_is_told_again(world: World, partner: ListPartner) -> None:
    connected(world, ANN)
    world.desire(ANN, None)

    def joined_meanwhile(request: HttpRequest) -> HttpResponse:
        world.desire(CY, SHARED)
        run(world, CY)
        return SEND(request)

    run(world, ANN, joined_meanwhile)
    assert partner.values() == set()
    assert WakeUp(ACCOUNT, CONNECTION, delivery_bucket_of(CY)) in world.wake_ups.take()

    run(world, CY)
    assert partner.values() == FAMILY
    assert not world.is_dirty(CY)


def test_a_removal_that_may_have_been_heard_is_made_good_when_it_must_stay(world: World, partner: ListPartner) -> None:
    connected(world, ANN)
    world.desire(ANN, None)
    partner.faults.append(obeying_then_dropping)
    with pytest.raises(RetryableDeliveryError):
        run(world, ANN)
    assert partner.values() == set()
    # Told before the removal was heard, as far as anybody knows.
    world.desire(CY, SHARED)
    world.ledger.acknowledge([row] if (row := world.row(CY)) else [])

    run(world, ANN)
    run(world, CY)

    assert partner.values() == FAMILY
    assert world.row(ANN) is None


def test_a_failure_before_the_look_back_is_made_good_by_the_repeat(world: World, partner: ListPartner) -> None:
    connected(world, ANN)
    world.desire(ANN, None)
    partner.faults.append(refusing(HTTPStatus.BAD_GATEWAY))
    with pytest.raises(RetryableDeliveryError):
        run(world, ANN)
    connected(world, CY)

    run(world, ANN)
    run(world, CY)

    assert partner.values() == FAMILY


def test_a_connection_that_ends_takes_the_address_along(world: World, partner: ListPartner) -> None:
    connected(world, ANN, BOB, CY)
    world.change(status=ConnectionStatus.DELETING)
    for mpid in (ANN, BOB, CY):
        world.desire(mpid, None)

    run(world, ANN)
    run(world, CY)

    assert partner.values() == set()


def test_unshared_removals_ask_for_no_other_rows(world: World, partner: ListPartner) -> None:
    world.hold(ANN, email("ann"))
    world.desire(ANN, email("ann"))
    run(world, ANN)
    world.desire(ANN, None)
    asked: list[Any] = []
    find = world.ledger.find
    world.ledger.find = lambda *key: asked.append(key[2]) or find(*key)  # type: ignore[method-assign,func-returns-value]

    run(world, ANN)

    assert partner.values() == set()
    assert asked in ([], [set()], [set(), set()])


def test_a_partner_that_is_told_members_by_name_hears_each_removal() -> None:
    with a_partner() as webhook:
        world = World(webhook.url)
        for mpid in (ANN, BOB):
            world.hold(mpid, SHARED)
            world.desire(mpid, SHARED)
        run(world, ANN)
        world.desire(ANN, None)

        run(world, ANN)

        assert webhook.entries()[-1] == ("8", "delete")
