"""What a partner is told of an audience itself: that it comes, changes, and ends."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from audience_core.domain.output import ConnectionStatus, Fault, FaultKind, SubscriptionState
from audience_core.errors import NotFoundError, RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.pipeline.deliver import deliver
from audience_core.pipeline.update_subscription import MAX_ATTEMPTS, Work, finish_deletion, update_subscription
from tests.support.control import ACCOUNT, CONNECTION
from tests.support.delivery import ANN, LANE, LATER, T, World, email

NOW = datetime.fromtimestamp(T / 1000, UTC)


class Partner:
    """A `Send` that answers the same to everything and remembers what it was told."""

    def __init__(self, status: int = 200, answer: Any = None) -> None:
        self.status, self.answer = status, answer or {}
        self.heard: list[dict[str, Any]] = []

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.heard.append(json.loads(request.body))
        return HttpResponse(self.status, {}, json.dumps(self.answer).encode())

    @property
    def actions(self) -> list[str]:
        return [message.get("action", "members") for message in self.heard]


def update(world: World, partner: Partner, attempt: int = 1) -> Work:
    return update_subscription(world, partner, ACCOUNT, CONNECTION, attempt, NOW)


def finish(world: World, partner: Partner, attempt: int = 1) -> bool:
    return finish_deletion(world, partner, ACCOUNT, CONNECTION, attempt, NOW)


def test_a_new_connection_is_announced_before_any_member() -> None:
    world, partner = World(subscription=SubscriptionState.NONE), Partner(answer={})
    world.change(settings={"listId": "17"})
    world.desire(ANN, email("ann"))
    deliver(world, partner, LANE, 1, lambda: T, LATER)

    assert update(world, partner) is Work.FILL
    deliver(world, partner, LANE, 1, lambda: T, LATER)

    assert partner.actions == ["add", "members"]
    assert (world.connection.subscription, world.connection.active_since) == (SubscriptionState.ACTIVE, NOW)
    told = partner.heard[1]["user_profiles"][0]["audiences"][0]
    assert told["audience_subscription_settings"] == {"listId": "17"}


def test_settings_the_partner_fills_in_are_echoed_from_then_on() -> None:
    world = World(subscription=SubscriptionState.NONE)
    partner = Partner(answer={"audience_subscription_settings": {"remote": "r-9"}})
    world.change(settings={"listId": "17"})

    update(world, partner)

    assert world.connection.subscription_settings == {"listId": "17", "remote": "r-9"}


def test_a_changed_connection_is_told_with_what_it_was() -> None:
    world, partner = World(), Partner()
    world.change(settings={"listId": "18"}, subscription_settings={"listId": "17"})

    assert update(world, partner) is Work.FILL

    (message,) = partner.heard
    assert message["action"] == "update"
    assert message["audience_subscription_settings"] == {"listId": "18"}
    assert message["previous_audience_subscription_settings"] == {"listId": "17"}
    assert world.connection.subscription_settings == {"listId": "18"}


def test_inactive_and_deleted_connections_say_nothing() -> None:
    world, partner = World(subscription=SubscriptionState.NONE), Partner()
    world.change(status=ConnectionStatus.INACTIVE)
    assert update(world, partner) is Work.NOTHING
    world.outputs.delete_connection(world.connection)
    assert update(world, partner) is Work.NOTHING

    assert partner.heard == []


def test_a_faulted_connection_is_filled_in_silence() -> None:
    world, partner = World(), Partner()
    world.change(fault=Fault(kind=FaultKind.AUTHENTICATION, message="401", at=NOW))

    assert update(world, partner) is Work.FILL

    assert partner.heard == []


def test_passing_failures_fault_only_at_the_last_attempt() -> None:
    world, partner = World(subscription=SubscriptionState.NONE), Partner(status=429)
    with pytest.raises(RetryableDeliveryError):
        update(world, partner, MAX_ATTEMPTS - 1)
    assert world.connection.fault is None

    with pytest.raises(TerminalDeliveryError):
        update(world, partner, MAX_ATTEMPTS)

    assert world.connection.fault is not None
    assert world.connection.fault.kind == "rate_limit"
    assert world.connection.subscription is SubscriptionState.DOUBTFUL


def test_lasting_failures_fault_at_once() -> None:
    world, partner = World(subscription=SubscriptionState.NONE), Partner(status=401)

    with pytest.raises(TerminalDeliveryError):
        update(world, partner)

    assert world.connection.fault is not None
    assert world.connection.fault.kind == "authentication"


def test_deletion_ends_the_subscription_after_the_last_member() -> None:
    world, partner = World(), Partner()
    world.desire(ANN, email("ann"))
    deliver(world, partner, LANE, 1, lambda: T, LATER)
    world.change(status=ConnectionStatus.DELETING)

    assert update(world, partner) is Work.WITHDRAW
    world.desire(ANN, None)
    assert not finish(world, partner)
    deliver(world, partner, LANE, 1, lambda: T, LATER)
    assert finish(world, partner)

    assert partner.actions == ["members", "members", "remove"]
    with pytest.raises(NotFoundError):
        world.outputs.get_connection(ACCOUNT, CONNECTION)
    assert finish(world, partner)


def test_a_connection_the_partner_never_heard_of_is_deleted_in_silence() -> None:
    world, partner = World(subscription=SubscriptionState.NONE), Partner()
    world.desire(ANN, email("ann"))
    world.change(status=ConnectionStatus.DELETING)

    assert update(world, partner) is Work.FINISH
    assert finish(world, partner)

    assert partner.heard == []
    assert world.ledger.rows(ACCOUNT, CONNECTION, 0, None, 9).items == ()


@pytest.mark.parametrize(("status", "attempts"), [(200, 1), (403, 1), (503, MAX_ATTEMPTS)])
def test_what_a_partner_may_have_made_is_undone_before_its_connection_goes(status: int, attempts: int) -> None:
    world, partner = World(subscription=SubscriptionState.NONE), Partner(status=504)
    with pytest.raises(RetryableDeliveryError):
        update(world, partner)
    world.change(status=ConnectionStatus.DELETING)
    partner.status = status

    assert update(world, partner) is Work.FINISH
    for attempt in range(1, attempts):
        with pytest.raises(RetryableDeliveryError):
            finish(world, partner, attempt)
    assert finish(world, partner, attempts)

    assert partner.actions == ["add"] + ["remove"] * attempts
    with pytest.raises(NotFoundError):
        world.outputs.get_connection(ACCOUNT, CONNECTION)


def test_a_fault_keeps_a_connection_from_being_deleted_unheard() -> None:
    world, partner = World(), Partner(status=403)
    world.change(status=ConnectionStatus.DELETING)

    with pytest.raises(TerminalDeliveryError):
        finish(world, partner)
    assert world.connection.fault is not None
    with pytest.raises(TerminalDeliveryError):
        finish(world, partner)

    assert len(partner.heard) == 1
