"""When delivery stops: faults, connections that do not send, and time that is up."""

from collections.abc import Iterator
from http import HTTPStatus
from typing import Any

import pytest

from audience_core.domain.ids import Mpid
from audience_core.domain.output import ConnectionStatus, SubscriptionState
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.pipeline.deliver import MAX_ATTEMPTS, Delivered, deliver
from tests.support.deliveries import SEND, emails, now_ms, run, until_done
from tests.support.delivery import ANN, BOB, EVE, LANE, LATER, World, email
from tests.support.partners import FaultyPartner, a_partner, dropping, refusing, suspending


@pytest.fixture
def partner() -> Iterator[FaultyPartner]:
    with a_partner() as partner:
        yield partner


@pytest.fixture
def world(partner: FaultyPartner) -> World:
    return World(partner.url)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (refusing(HTTPStatus.UNAUTHORIZED), "authentication", "401"),
        (refusing(HTTPStatus.FORBIDDEN), "permissions", "403"),
        (refusing(HTTPStatus.NOT_FOUND), "configuration", "404"),
        (refusing(HTTPStatus.BAD_REQUEST), "partner_error", "400"),
        (refusing(HTTPStatus.NOT_IMPLEMENTED), "partner_error", "501"),
        (suspending, "partner_error", "suspend"),
    ],
    ids=["401", "403", "404", "400", "501", "suspend"],
)
def test_lasting_failures_fault_at_once(world: World, partner: FaultyPartner, fault, kind: str, message: str) -> None:
    partner.faults.append(fault)
    world.desire(ANN, email("ann"))

    run(world)

    found = world.connection.fault
    assert found is not None
    assert (found.kind, message in found.message) == (kind, True)
    assert world.is_dirty(ANN)


@pytest.mark.parametrize(
    ("fault", "kind", "message"),
    [
        (refusing(HTTPStatus.TOO_MANY_REQUESTS), "rate_limit", "429 Too Many Requests (in 6 attempts)"),
        (refusing(HTTPStatus.SERVICE_UNAVAILABLE), "partner_error", "503 Service Unavailable (in 6 attempts)"),
        (dropping, "partner_error", "(in 6 attempts)"),
    ],
    ids=["429", "503", "reset"],
)
def test_exhausted_attempts_fault(world: World, partner: FaultyPartner, fault, kind: str, message: str) -> None:
    partner.default = fault
    world.desire(ANN, email("ann"))

    assert until_done(world) == MAX_ATTEMPTS

    found = world.connection.fault
    assert found is not None
    assert found.kind == kind
    assert found.message.endswith(message)


def test_a_faulted_connection_is_silent_and_resume_sends_exactly_the_difference(
    world: World, partner: FaultyPartner
) -> None:
    for mpid, who in ((ANN, "ann"), (BOB, "bob")):
        world.desire(mpid, email(who))
    run(world)
    partner.default = refusing(HTTPStatus.SERVICE_UNAVAILABLE)
    world.desire(ANN, None)
    until_done(world)
    heard = len(partner.heard)
    world.desire(BOB, email("robert"))
    world.desire(BOB, email("bob"))
    world.desire(EVE, email("eve"))
    world.desire(Mpid(32), email("passing by"))
    world.desire(Mpid(32), None)
    assert run(world) == Delivered()
    assert len(partner.heard) == heard

    partner.default = None
    world.change(fault=None)
    run(world)

    assert sorted(partner.entries()[-2:]) == [("-24", "add"), ("8", "delete")]
    assert len(partner.heard) == heard + 1
    assert emails(partner) == {"16": {"bob@example.com"}, "-24": {"eve@example.com"}}


@pytest.mark.parametrize(
    "changes",
    [{"status": ConnectionStatus.INACTIVE}, {"subscription": SubscriptionState.NONE}],
    ids=["inactive", "not announced"],
)
def test_a_connection_that_is_not_sending_sends_nothing(
    world: World, partner: FaultyPartner, changes: dict[str, Any]
) -> None:
    world.change(**changes)
    world.desire(ANN, email("ann"))

    assert run(world) == Delivered()

    assert partner.heard == []
    assert world.is_dirty(ANN)


def test_a_deleted_connection_is_ignored(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))
    world.outputs.delete_connection(world.connection)

    assert run(world) == Delivered()

    assert partner.heard == []


def test_a_connection_being_deleted_sends_removals_alone(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))
    run(world)
    world.change(status=ConnectionStatus.DELETING)
    world.desire(ANN, None)
    world.desire(BOB, email("came in late"))

    run(world)

    assert emails(partner) == {}
    assert partner.entries() == [("8", "add"), ("8", "delete")]
    assert not world.is_dirty(BOB)


def test_deactivating_stops_a_drain_between_batches(world: World, partner: FaultyPartner) -> None:
    for n in range(250):
        world.desire(Mpid(8 * n), email(str(n)))

    def send(request: HttpRequest) -> HttpResponse:
        world.change(status=ConnectionStatus.INACTIVE)
        return SEND(request)

    told = deliver(world, send, LANE, 1, now_ms, now_ms() + LATER)

    assert told.forwarded == 100
    assert len(partner.heard) == 1


def test_a_drain_out_of_time_leaves_a_wake_up(world: World, partner: FaultyPartner) -> None:
    world.desire(ANN, email("ann"))

    deliver(world, SEND, LANE, 1, now_ms, now_ms())

    assert partner.heard == []
    assert world.wake_ups.take() == [LANE]


def test_a_failure_after_progress_does_not_count_as_an_attempt(world: World, partner: FaultyPartner) -> None:
    for n in range(150):
        world.desire(Mpid(8 * n), email(str(n)))

    def fail_second(handler, message) -> None:
        handler.obey(message)
        partner.faults.append(refusing(HTTPStatus.TOO_MANY_REQUESTS))

    partner.faults.append(fail_second)

    assert run(world, MAX_ATTEMPTS).forwarded == 100

    assert world.connection.fault is None
    assert world.wake_ups.take() == [LANE]


def test_an_output_without_its_secrets_is_a_configuration_fault(world: World, partner: FaultyPartner) -> None:
    output = world.outputs.list(world.connection.account_id)[0]
    world.secrets.delete(output.secret_ref or "")
    world.desire(ANN, email("ann"))

    run(world)

    assert world.connection.fault is not None
    assert world.connection.fault.kind == "configuration"
    assert partner.heard == []
