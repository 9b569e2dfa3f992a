"""Delivery to Mailchimp, from the first announcement to the last removal."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from audience_core.domain.output import ConnectionStatus, FaultKind, Grant, SubscriptionState
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.http import Send
from audience_core.outputs.log_in import grant_as_secret
from audience_core.pipeline.deliver import MAX_ATTEMPTS, Delivered, deliver
from audience_core.pipeline.update_subscription import finish_deletion, update_subscription
from tests.support.control import ACCOUNT, CONNECTION, OUTPUT
from tests.support.delivery import ANN, BOB, LANE, LATER, T, World, email
from tests.support.fake_servers import Answer
from tests.support.mailchimp import HOST, KEY, LIST, RESULTS_HOST, FakeMailchimp
from tests.support.redirect import Redirected

FACTS = {"api_endpoint": f"https://{HOST}"}
NOW = datetime.fromtimestamp(T / 1000, UTC)


@pytest.fixture
def partner() -> Iterator[FakeMailchimp]:
    with FakeMailchimp().serving() as partner:
        yield partner


@pytest.fixture
def send(partner: FakeMailchimp) -> Send:
    return Redirected({HOST: partner.url, RESULTS_HOST: partner.url})


@pytest.fixture
def world() -> World:
    world = World(subscription=SubscriptionState.NONE)
    reference = world.secrets.put(ACCOUNT, OUTPUT, {"api_key": KEY})
    configured = {"connector": "mailchimp", "settings": {"double_opt_in": False}, "secret_ref": reference}
    world.outputs.save(world.outputs.get(ACCOUNT, OUTPUT).model_copy(update=configured))
    world.change(settings={"list_id": LIST})
    return world


def announce(world: World, send: Send) -> None:
    update_subscription(world, send, ACCOUNT, CONNECTION, 1, NOW)


def run(world: World, send: Send, attempt: int = 1) -> Delivered:
    return deliver(world, send, LANE, attempt, lambda: T, LATER)


def test_members_come_and_go(world: World, send: Send, partner: FakeMailchimp) -> None:
    announce(world, send)
    world.desire(ANN, email("ann"))
    world.desire(BOB, email("bob"))
    assert run(world, send) == Delivered(2)
    world.desire(BOB, None)

    run(world, send)

    assert world.connection.subscription_settings == {"list_id": LIST, "tag": "Fans"}
    assert partner.audience.in_status("subscribed") == {"ann@example.com"}
    assert partner.audience.in_status("archived") == {"bob@example.com"}


def test_the_last_member_goes_before_the_connection(world: World, send: Send, partner: FakeMailchimp) -> None:
    announce(world, send)
    world.desire(ANN, email("ann"))
    run(world, send)
    world.change(status=ConnectionStatus.DELETING)
    world.desire(ANN, None)
    run(world, send)

    assert finish_deletion(world, send, ACCOUNT, CONNECTION, 1, NOW)
    assert partner.audience.in_status("archived") == {"ann@example.com"}


def test_a_list_that_does_not_exist_is_a_fault_of_the_connection(
    world: World, send: Send, partner: FakeMailchimp
) -> None:
    partner.lists.clear()

    with pytest.raises(TerminalDeliveryError):
        announce(world, send)

    assert world.connection.fault is not None
    assert world.connection.fault.kind is FaultKind.CONFIGURATION


def test_too_many_requests_are_tried_again_and_then_a_fault(world: World, send: Send, partner: FakeMailchimp) -> None:
    announce(world, send)
    world.desire(ANN, email("ann"))
    partner.replies.extend([Answer(403), Answer(429)] * 3)
    for attempt in range(1, MAX_ATTEMPTS):
        with pytest.raises(RetryableDeliveryError):
            run(world, send, attempt)
    run(world, send, MAX_ATTEMPTS)
    fault = world.connection.fault

    world.change(fault=None)
    run(world, send)

    assert fault is not None
    assert fault.kind is FaultKind.RATE_LIMIT
    assert partner.audience.in_status("subscribed") == {"ann@example.com"}


def test_a_member_that_mailchimp_refuses_is_counted_and_not_asked_for_again(
    world: World, send: Send, partner: FakeMailchimp
) -> None:
    announce(world, send)
    world.desire(ANN, email("ann has no mailbox"))

    assert run(world, send) == Delivered(1, 1)
    assert not world.is_dirty(ANN)


def test_a_revoked_log_in_faults_the_connection_until_somebody_logs_in_again(
    world: World, send: Send, partner: FakeMailchimp
) -> None:
    reference = world.secrets.put(ACCOUNT, "log-in", grant_as_secret(Grant("t0ken", facts=FACTS)))
    output = world.outputs.get(ACCOUNT, OUTPUT)
    world.outputs.save(output.model_copy(update={"secret_ref": None, "log_in_ref": reference}))
    partner.tokens.add("t0ken")
    announce(world, send)
    world.desire(ANN, email("ann"))
    run(world, send)
    partner.tokens.clear()
    world.desire(ANN, None)
    run(world, send)
    fault = world.connection.fault

    partner.tokens.add("an0ther")
    world.secrets.replace(reference, grant_as_secret(Grant("an0ther", facts=FACTS)))
    run(world, send)
    is_left_alone = not partner.audience.in_status("archived")
    world.change(fault=None)
    run(world, send)

    assert fault is not None
    assert fault.kind is FaultKind.AUTHENTICATION
    assert "log in again" in fault.message
    assert is_left_alone
    assert partner.audience.in_status("archived") == {"ann@example.com"}
