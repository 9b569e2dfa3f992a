"""What every connector in the registry promises, whatever its partner's protocol."""

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Connector, Subscription
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.outputs.registry import (
    CONNECTORS,
    ConnectorKind,
    acceptance_of,
    connection_settings,
    connector_for,
    split_settings,
    wanted_by,
)
from tests.support.control import a_connection, an_output

NOW = 1_795_430_000_000
DOCUMENTATION = Path(__file__).parents[2] / "docs" / "connectors.md"
# Settings of an output with every secret given, by kind: a new connector adds its own.
SETTINGS: dict[str, dict[str, Any]] = {
    "braze": {"instance": "iad-01", "api_key": "secret-k3y"},
    "eventbridge": {
        "region": "eu-central-1",
        "event_bus": "arn:aws:events:eu-central-1:123456789012:event-bus/marketing",
        "access_key_id": "secret-k3y-id",
        "secret_access_key": "secret-acc3ss",
    },
    "kahuna": {"secret_key": "secret-k3y", "api_key": "ap1-k3y"},
    "mailchimp": {"api_key": "0123456789abcdef-us19"},
    "meta": {"ad_account_id": "1234567890", "access_token": "secret-t0k3n", "app_id": "55"},
    "s3": {
        "region": "eu-central-1",
        "bucket": "drop",
        "endpoint_url": "https://storage.example.com",
        "access_key_id": "secret-k3y-id",
        "secret_access_key": "secret-acc3ss",
    },
    "webhook": {"url": "https://partner.example/in", "token": "secret-t0k3n", "signing_secret": "secret-k3y"},
}
# Settings of a connection in force, those that the partner wants echoed included.
SUBSCRIBED: dict[str, dict[str, str]] = {
    "braze": {"attribute": "In Fans"},
    "eventbridge": {},
    "kahuna": {},
    "mailchimp": {"list_id": "a1b2c3d4e5"},
    "meta": {"customer_file_source": "USER_PROVIDED_ONLY", "remote_device": "2385"},
    "s3": {},
    "webhook": {},
}
# (kind, call) that have nothing to say.
SILENT = {("braze", "unsubscribe")}
# What a partner answers when all is well, unless that is an empty object.
ANSWERS: dict[str, bytes] = {"meta": b'{"id":"2385","data":[]}'}

_JSON: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 600) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "data", "error", "errors", "code", "status", "members", "paging"]), inner
        )
    ),
    max_leaves=8,
)
ANY_ANSWER = st.binary(max_size=40) | _JSON.map(lambda value: json.dumps(value).encode())

type Call = Callable[[Connector, Subscription, Target], object]

CALLS: dict[str, Call] = {
    "subscribe": lambda c, fans, target: c.subscribe(fans, NOW),
    "update": lambda c, fans, target: c.update(fans, fans.settings, NOW),
    "unsubscribe": lambda c, fans, target: c.unsubscribe(fans, NOW),
    "check": lambda c, fans, target: c.forward(fans, (), NOW),
    "add": lambda c, fans, target: c.forward(fans, [Forward(Mpid(8), None, target)], NOW),
    "delete": lambda c, fans, target: c.forward(fans, [Forward(Mpid(8), target, None)], NOW),
}


class Wire:
    """A `Send` that remembers requests and answers one status."""

    def __init__(self, status: int = 200, answer: bytes = b"{}") -> None:
        self.status, self.answer, self.requests = status, answer, list[HttpRequest]()

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return HttpResponse(self.status, {"retry-after": "3"}, self.answer)


@pytest.fixture(params=sorted(CONNECTORS))
def kind(request: pytest.FixtureRequest) -> ConnectorKind:
    return CONNECTORS[request.param]


@pytest.fixture(params=sorted({(kind, call) for kind in CONNECTORS for call in CALLS} - SILENT), ids="-".join)
def spoken(request: pytest.FixtureRequest) -> tuple[ConnectorKind, Call]:
    """A connector, and something that it says."""
    kind, call = request.param
    return CONNECTORS[kind], CALLS[call]


def opened(kind: ConnectorKind, wire: Wire) -> Connector:
    stored, secret = split_settings(kind, SETTINGS[kind.kind])
    return connector_for(an_output(connector=kind.kind, settings=stored), secret, wire)


def well(kind: ConnectorKind) -> Wire:
    return Wire(answer=ANSWERS.get(kind.kind, b"{}"))


def fans(kind: ConnectorKind) -> Subscription:
    return Subscription(AccountId(7), AudienceId(1), "Fans", SUBSCRIBED[kind.kind], "1.1", ConnectionId("c-1"))


def a_target(kind: ConnectorKind) -> Target:
    return Target((Identity(min(kind.identity_types), "v@example.com"),))


def test_it_is_described_for_the_directory(kind: ConnectorKind) -> None:
    assert kind.name
    assert kind.description
    assert kind.identity_types
    for model in (kind.output_settings, kind.connection_settings):
        assert model.model_json_schema()


def test_it_has_a_heading_in_the_documentation(kind: ConnectorKind) -> None:
    assert f"\n## {kind.kind}\n" in DOCUMENTATION.read_text()


def test_it_keeps_every_secret_out_of_the_stored_settings(kind: ConnectorKind) -> None:
    stored, secret = split_settings(kind, SETTINGS[kind.kind])

    assert secret.keys() == kind.confidential
    assert not [value for value in secret.values() if value in str(stored)]


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
def test_passing_failures_are_retryable(spoken: tuple[ConnectorKind, Call], status: int) -> None:
    kind, call = spoken
    with pytest.raises(RetryableDeliveryError) as error:
        call(opened(kind, Wire(status)), fans(kind), a_target(kind))

    assert error.value.fault_kind == ("rate_limit" if status == 429 else "partner_error")


@pytest.mark.parametrize(("status", "fault"), [(401, "authentication"), (403, "permissions")])
def test_refused_credentials_are_terminal(spoken: tuple[ConnectorKind, Call], status: int, fault: str) -> None:
    kind, call = spoken
    with pytest.raises(TerminalDeliveryError) as error:
        call(opened(kind, Wire(status)), fans(kind), a_target(kind))

    assert error.value.fault_kind == fault


def test_the_same_call_twice_sends_the_same_but_for_headers(spoken: tuple[ConnectorKind, Call]) -> None:
    kind, call = spoken
    wire = well(kind)
    connector = opened(kind, wire)

    call(connector, fans(kind), a_target(kind))
    once = len(wire.requests)
    call(connector, fans(kind), a_target(kind))

    assert [_said(r) for r in wire.requests[:once]] == [_said(r) for r in wire.requests[once:]]
    assert once > 0


def test_a_whole_batch_of_members_is_taken(kind: ConnectorKind) -> None:
    connector, target = opened(kind, well(kind)), a_target(kind)

    receipt = connector.forward(fans(kind), [Forward(Mpid(n), None, target) for n in range(connector.batch_size)], NOW)

    assert receipt.rejected == ()


def test_anybody_may_ask_what_it_forwards_without_its_secrets(kind: ConnectorKind) -> None:
    stored, _ = split_settings(kind, SETTINGS[kind.kind])
    output = an_output(connector=kind.kind, settings=stored)
    settings = connection_settings(kind, {k: v for k, v in SUBSCRIBED[kind.kind].items() if k in _own(kind)})

    wanted = wanted_by(output, a_connection(settings=settings))

    assert acceptance_of(output).accepted_identities <= kind.identity_types
    assert wanted.accepted_identities <= kind.identity_types
    assert wanted.required_identities <= wanted.accepted_identities


def _own(kind: ConnectorKind) -> set[str]:
    return set(kind.connection_settings.model_fields)


def _said(request: HttpRequest) -> tuple[str, str, bytes]:
    return request.method, request.url, request.body


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(status=st.sampled_from([200, 201, 202, 204, 301, 400, 404, 409, 429, 500, 503]), answer=ANY_ANSWER)
def test_whatever_a_partner_answers_is_a_receipt_or_one_of_two_errors(
    spoken: tuple[ConnectorKind, Call], status: int, answer: bytes
) -> None:
    kind, call = spoken
    connector = opened(kind, Wire(status, answer))

    with suppress(RetryableDeliveryError, TerminalDeliveryError):
        call(connector, fans(kind), a_target(kind))
