"""What every connector in the registry promises, whatever its partner's protocol."""

from collections.abc import Callable
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Connector, Subscription
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.outputs.registry import CONNECTORS, ConnectorKind, connector_for, split_settings
from tests.support.control import an_output

NOW = 1_795_430_000_000
# Settings of an output with every secret given, by kind: a new connector adds its own.
SETTINGS: dict[str, dict[str, Any]] = {
    "kahuna": {"secret_key": "secret-k3y", "api_key": "ap1-k3y"},
    "mailchimp": {"api_key": "0123456789abcdef-us19"},
    "webhook": {"url": "https://partner.example/in", "token": "secret-t0k3n", "signing_secret": "secret-k3y"},
}
# Settings that a connection must have, whatever the kind.
FANS = Subscription(AccountId(7), AudienceId(1), "Fans", {"list_id": "a1b2c3d4e5"}, "1.1")

type Call = Callable[[Connector, Target], object]

CALLS: dict[str, Call] = {
    "subscribe": lambda c, target: c.subscribe(FANS, NOW),
    "update": lambda c, target: c.update(FANS, {}, NOW),
    "unsubscribe": lambda c, target: c.unsubscribe(FANS, NOW),
    "add": lambda c, target: c.forward(FANS, [Forward(Mpid(8), None, target)], NOW),
    "delete": lambda c, target: c.forward(FANS, [Forward(Mpid(8), target, None)], NOW),
    "test": lambda c, target: c.forward(FANS, [], NOW),
}


class Wire:
    """A `Send` that remembers requests and answers one status."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.requests = status, list[HttpRequest]()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return HttpResponse(self.status, {"retry-after": "3"}, b"{}")


@pytest.fixture(params=sorted(CONNECTORS))
def kind(request: pytest.FixtureRequest) -> ConnectorKind:
    return CONNECTORS[request.param]


@pytest.fixture(params=sorted(CALLS))
def call(request: pytest.FixtureRequest) -> Call:
    return CALLS[request.param]


def opened(kind: ConnectorKind, wire: Wire) -> Connector:
    stored, secret = split_settings(kind, SETTINGS[kind.kind])
    return connector_for(an_output(connector=kind.kind, settings=stored), secret, wire)


def a_target(kind: ConnectorKind) -> Target:
    return Target((Identity(min(kind.identity_types), "v@example.com"),))


def test_it_is_described_for_the_directory(kind: ConnectorKind) -> None:
    assert kind.name
    assert kind.description
    assert kind.identity_types
    for model in (kind.output_settings, kind.connection_settings):
        assert model.model_json_schema()


def test_it_keeps_every_secret_out_of_the_stored_settings(kind: ConnectorKind) -> None:
    stored, secret = split_settings(kind, SETTINGS[kind.kind])

    assert secret.keys() == kind.confidential
    assert not [value for value in secret.values() if value in str(stored)]
    assert not [value for value in secret.values() if value in str(FANS)]


def test_it_accepts_only_what_the_directory_says(kind: ConnectorKind) -> None:
    connector = opened(kind, Wire())

    assert connector.accepted_identities <= kind.identity_types
    assert connector.required_identities <= connector.accepted_identities
    assert connector.batch_size > 0


def test_opening_it_sends_nothing(kind: ConnectorKind) -> None:
    wire = Wire()

    opened(kind, wire)

    assert wire.requests == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_passing_failures_are_retryable(kind: ConnectorKind, call: Call, status: int) -> None:
    with pytest.raises(RetryableDeliveryError) as error:
        call(opened(kind, Wire(status)), a_target(kind))

    assert error.value.fault_kind == ("rate_limit" if status == 429 else "partner_error")


@pytest.mark.parametrize(("status", "fault"), [(401, "authentication"), (403, "permissions")])
def test_refused_credentials_are_terminal(kind: ConnectorKind, call: Call, status: int, fault: str) -> None:
    with pytest.raises(TerminalDeliveryError) as error:
        call(opened(kind, Wire(status)), a_target(kind))

    assert error.value.fault_kind == fault


def test_the_same_call_twice_sends_the_same_but_for_headers(kind: ConnectorKind, call: Call) -> None:
    wire = Wire()
    connector = opened(kind, wire)

    call(connector, a_target(kind))
    once = len(wire.requests)
    call(connector, a_target(kind))

    assert [r.body for r in wire.requests[:once]] == [r.body for r in wire.requests[once:]]
    assert once > 0


def test_a_whole_batch_of_members_is_taken(kind: ConnectorKind) -> None:
    connector, target = opened(kind, Wire()), a_target(kind)

    receipt = connector.forward(FANS, [Forward(Mpid(n), None, target) for n in range(connector.batch_size)], NOW)

    assert receipt.rejected == ()
