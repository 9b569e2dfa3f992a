"""Events put on a bus on loopback whose owner checks every signature and keeps the limits of PutEvents."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.eventbridge import EventBridgeConnector, EventBridgeSettings
from audience_core.outputs.http import HttpSend, TimeLimits
from tests.support.aws_partner import BUS, KEY_ID, MAX_ENTRIES, REGION, SECRET, AwsPartner, aws_error
from tests.support.fake_servers import losing_the_answer

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
NOW = 1_795_430_000_123
FANS = Subscription(AccountId(7), AudienceId(4411), "Fans é", {}, "1.1", ConnectionId("c-1"))
ANN, BOB = Mpid(8), Mpid(-16)
EMAIL, CUSTOMER = Identity("email", "ann@example.com"), Identity("customer_id", "1")


@pytest.fixture
def partner() -> Iterator[AwsPartner]:
    with AwsPartner().serving() as partner:
        yield partner


def settings(**given: Any) -> EventBridgeSettings:
    keys = {"access_key_id": KEY_ID, "secret_access_key": SECRET}
    return EventBridgeSettings(**{"region": REGION, "event_bus": BUS, **keys} | given)


def connect(partner: AwsPartner, **given: Any) -> EventBridgeConnector:
    return EventBridgeConnector(settings(endpoint_url=partner.url, **given), SEND)


def details(partner: AwsPartner) -> list[dict[str, Any]]:
    return [json.loads(each["Detail"]) for each in partner.events]


def members(count: int) -> list[Forward]:
    return [Forward(Mpid(n + 1), None, Target((Identity("customer_id", f"m{n}"),)), 3) for n in range(count)]


def test_each_change_is_an_event(partner: AwsPartner) -> None:
    connect(partner).forward(FANS, [Forward(ANN, None, Target((CUSTOMER, EMAIL)), 3)], NOW)

    (event,) = partner.events
    assert (event["Source"], event["DetailType"]) == ("audience-manager.7", "Audience Membership Change")
    (detail,) = details(partner)
    assert detail.pop("id")
    assert detail == {
        "account_id": 7,
        "audience_id": 4411,
        "audience_name": "Fans é",
        "connection_id": "c-1",
        "action": "add",
        "mpid": "8",
        "version": 3,
        "identities": [{"type": "customer_id", "value": "1"}, {"type": "email", "value": "ann@example.com"}],
    }


def test_removals_come_first_and_name_what_is_gone(partner: AwsPartner) -> None:
    moved = [Forward(BOB, None, Target((EMAIL,))), Forward(ANN, Target((CUSTOMER, EMAIL)), Target((CUSTOMER,)))]

    connect(partner).forward(FANS, moved, NOW)

    assert [(d["action"], d["mpid"], [i["value"] for i in d["identities"]]) for d in details(partner)] == [
        ("remove", "8", ["ann@example.com"]),
        ("add", "-16", ["ann@example.com"]),
        ("add", "8", ["1"]),
    ]


def test_no_request_holds_more_than_the_bus_takes(partner: AwsPartner) -> None:
    connector = connect(partner)
    # Nine of them are more than 256 KB together.
    wide = [
        Forward(Mpid(n + 1), None, Target(tuple(Identity("other", f"{n}-{i:03}" + "é" * 100) for i in range(130))))
        for n in range(25)
    ]

    connector.forward(FANS, members(25), NOW)
    assert [len(each.json["Entries"]) for each in partner.heard] == [MAX_ENTRIES, MAX_ENTRIES, 5]
    connector.forward(FANS, wide, NOW)

    assert len(partner.events) == 50
    assert max(len(each.json["Entries"]) for each in partner.heard[3:]) < MAX_ENTRIES


def test_a_repeat_is_known_by_its_id(partner: AwsPartner) -> None:
    connector, change = connect(partner), [Forward(ANN, None, Target((EMAIL,)), 3)]
    partner.faults.append(losing_the_answer)
    with pytest.raises(RetryableDeliveryError):
        connector.forward(FANS, change, NOW)
    connector.forward(FANS, change, NOW + 60_000)
    connector.forward(FANS, [replace(change[0], version=4)], NOW)

    first, again, other = [each["id"] for each in details(partner)]
    assert first == again != other


@pytest.mark.parametrize(
    ("code", "fault"),
    [("ThrottlingException", "rate_limit"), ("InternalFailure", "partner_error"), ("New", "partner_error")],
)
def test_entries_that_failed_for_now_are_said_again(partner: AwsPartner, code: str, fault: str) -> None:
    connector = connect(partner)
    partner.failing = {'"m1"': code}

    with pytest.raises(RetryableDeliveryError) as error:
        connector.forward(FANS, members(3), NOW)
    partner.failing = {}
    connector.forward(FANS, members(3), NOW)

    assert error.value.fault_kind == fault
    assert {each["mpid"] for each in details(partner)} == {"1", "2", "3"}


def test_entries_that_are_refused_for_good_are_rejections(partner: AwsPartner) -> None:
    partner.failing = {'"m1"': "MalformedDetail", '"m11"': "InvalidArgument"}

    receipt = connect(partner).forward(FANS, members(12), NOW)

    assert [(each.mpid, each.is_partial) for each in receipt.rejected] == [(Mpid(2), False), (Mpid(12), False)]
    assert len(partner.events) == 10
    assert "m1" not in str(receipt)


def test_a_rejection_is_partial_when_another_event_of_the_member_was_taken(partner: AwsPartner) -> None:
    partner.failing = {'"add"': "MalformedDetail"}
    moved = Forward(ANN, Target((EMAIL,)), Target((CUSTOMER,)))

    (rejection,) = connect(partner).forward(FANS, [moved], NOW).rejected

    assert (rejection.mpid, rejection.is_partial) == (ANN, True)


def test_somebody_who_must_act_is_told_before_anything_is_tried_again(partner: AwsPartner) -> None:
    partner.failing = {'"m0"': "ThrottlingException", '"m1"': "AccessDeniedException"}

    with pytest.raises(TerminalDeliveryError) as error:
        connect(partner).forward(FANS, members(3), NOW)

    assert error.value.fault_kind == "permissions"


def test_a_bus_that_is_not_there_is_a_configuration_fault(partner: AwsPartner) -> None:
    with pytest.raises(TerminalDeliveryError) as error:
        connect(partner, event_bus=f"{BUS}-2").forward(FANS, members(1), NOW)

    assert error.value.fault_kind == "configuration"


@pytest.mark.parametrize(
    ("code", "kind", "fault"),
    [
        ("ThrottlingException", RetryableDeliveryError, "rate_limit"),
        ("InternalException", RetryableDeliveryError, "partner_error"),
        ("AccessDeniedException", TerminalDeliveryError, "permissions"),
        ("ExpiredTokenException", TerminalDeliveryError, "authentication"),
    ],
)
def test_a_request_that_fails_as_a_whole(partner: AwsPartner, code: str, kind: type[Any], fault: str) -> None:
    partner.faults.append(lambda heard, obey: aws_error(code, 400))

    with pytest.raises(kind) as error:
        connect(partner).forward(FANS, members(1), NOW)

    assert error.value.fault_kind == fault
    assert "secret words" not in str(error.value)


def test_the_audience_itself_is_announced(partner: AwsPartner) -> None:
    connector = connect(partner)

    connector.subscribe(FANS, NOW)
    connector.update(replace(FANS, audience_name="Friends"), {}, NOW)
    connector.unsubscribe(FANS, NOW)

    assert {each["DetailType"] for each in partner.events} == {"Audience Subscription Change"}
    assert [(each["action"], each["audience_name"]) for each in details(partner)] == [
        ("add", "Fans é"), ("update", "Friends"), ("remove", "Fans é")
    ]  # fmt: skip


def test_a_check_is_an_event_of_its_own_kind(partner: AwsPartner) -> None:
    connect(partner).forward(FANS, (), NOW)
    with pytest.raises(TerminalDeliveryError):
        connect(partner, secret_access_key="wrong").forward(FANS, (), NOW)

    assert [each["DetailType"] for each in partner.events] == ["Connection Test"]


def test_where_events_go() -> None:
    assert settings().url == "https://events.eu-central-1.amazonaws.com/"
    assert settings(region="cn-north-1", event_bus="mine").url == "https://events.cn-north-1.amazonaws.com.cn/"


@pytest.mark.parametrize(
    "given",
    [
        {"event_bus": ""},
        {"event_bus": BUS.replace(REGION, "us-east-1")},
        {"event_bus": "a b"},
        {"endpoint_url": "https://example.com"},
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        settings(**given)
