"""The webhook's messages, word for word."""

import hashlib
import hmac
import json
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import TerminalDeliveryError
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.webhook import WebhookConnector, WebhookSettings, new_signing_secret
from audience_core.outputs.connectors.webhook_messages import Encoding
from audience_core.outputs.http import HttpRequest, HttpResponse

NOW = 1_795_430_000_123
HIKERS = Subscription(AccountId(901), AudienceId(4411), "Weekend Hikers", {"listId": "17"}, "1.1")
MPID = Mpid(-88120011)
EMAIL = Identity("email", "Ann@example.com")
OTHER_EMAIL = Identity("email", "ann@new.example")
CUSTOMER = Identity("customer_id", "hiker-77")
IDFA = Identity("ios_advertising_id", "2b1f6f2c-8a0e-4a3e-9b62-7a1a6f2f0c55")


class Recorder:
    """A `Send` that remembers requests and answers what it is told to."""

    def __init__(self, answer: Any = None) -> None:
        self.requests: list[HttpRequest] = []
        self._body = json.dumps(answer).encode() if answer is not None else b""

    def __call__(self, request: HttpRequest) -> HttpResponse:
        self.requests.append(request)
        return HttpResponse(200, {}, self._body)

    @property
    def message(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self.requests[-1].body)
        return message


def settings(**given: Any) -> WebhookSettings:
    return WebhookSettings(**{"url": "https://partner.example/in"} | given)


def forwarded(*changes: Forward, **given: Any) -> dict[str, Any]:
    recorder = Recorder()
    WebhookConnector(settings(**given), recorder).forward(HIKERS, changes, NOW)
    return recorder.message


def actions(message: dict[str, Any]) -> list[tuple[str, str, list[str]]]:
    return [
        (
            profile["mpid"],
            profile["audiences"][0]["action"],
            [i["value"] for i in profile["user_identities"] + profile["device_identities"]],
        )
        for profile in message["user_profiles"]
    ]


def test_an_added_member_is_one_firehose_profile() -> None:
    target = Target((CUSTOMER, EMAIL, IDFA), (("tier", "gold"), ("tags", ["a", 1, None]), ("vip", True), ("n", 1.5)))

    message = forwarded(Forward(MPID, None, target, 3))

    head = {name: message.pop(name) for name in ("type", "id", "timestamp_ms", "firehose_version")}
    assert (head["type"], head["timestamp_ms"]) == ("audience_membership_change_request", NOW)
    assert message == {
        "account": {"account_id": 901, "account_settings": {}},
        "user_profiles": [
            {
                "mpid": "-88120011",
                "user_identities": [
                    {"type": "customer", "encoding": "raw", "value": "hiker-77"},
                    {"type": "email", "encoding": "raw", "value": "Ann@example.com"},
                ],
                "device_identities": [
                    {"type": "ios_advertising_id", "encoding": "raw", "value": IDFA.value},
                ],
                "audiences": [
                    {
                        "audience_id": 4411,
                        "audience_name": "Weekend Hikers",
                        "audience_subscription_settings": {"listId": "17"},
                        "action": "add",
                        "user_attributes": [
                            {"key": "tier", "action": "upsert", "value": "gold"},
                            {"key": "tags", "action": "upsert", "list_value": ["a", "1", "null"]},
                            {"key": "vip", "action": "upsert", "value": "true"},
                            {"key": "n", "action": "upsert", "value": "1.5"},
                        ],
                    }
                ],
            }
        ],
    }


def test_a_removed_member_is_named_by_all_identities_the_partner_had() -> None:
    message = forwarded(Forward(MPID, Target((CUSTOMER, EMAIL)), None))

    assert actions(message) == [("-88120011", "delete", ["hiker-77", "Ann@example.com"])]


def test_a_changed_identity_is_deleted_before_the_new_ones_are_added() -> None:
    message = forwarded(Forward(MPID, Target((CUSTOMER, EMAIL)), Target((CUSTOMER, OTHER_EMAIL))))

    assert actions(message) == [
        ("-88120011", "delete", ["Ann@example.com"]),
        ("-88120011", "add", ["hiker-77", "ann@new.example"]),
    ]


def test_an_identity_that_moves_to_another_member_is_deleted_first() -> None:
    gains = Forward(Mpid(1), None, Target((EMAIL,)))
    loses = Forward(Mpid(2), Target((EMAIL,)), None)

    assert [(mpid, action) for mpid, action, _ in actions(forwarded(gains, loses))] == [("2", "delete"), ("1", "add")]


def test_changed_attributes_alone_are_an_attribute_update() -> None:
    before = Target((EMAIL,), (("tier", "gold"), ("city", "Oslo"), ("same", 1)))
    after = Target((EMAIL,), (("tier", "iron"), ("same", 1), ("new", "x")))

    (profile,) = forwarded(Forward(MPID, before, after))["user_profiles"]

    assert profile["audiences"][0]["action"] == "attribute_update"
    assert profile["audiences"][0]["user_attributes"] == [
        {"key": "city", "action": "delete"},
        {"key": "tier", "action": "upsert", "value": "iron"},
        {"key": "new", "action": "upsert", "value": "x"},
    ]


def test_a_truth_value_that_becomes_a_number_is_told() -> None:
    before, after = Target((EMAIL,), (("vip", False),)), Target((EMAIL,), (("vip", 0),))

    (profile,) = forwarded(Forward(MPID, before, after))["user_profiles"]

    assert before != after
    assert profile["audiences"][0]["user_attributes"] == [{"key": "vip", "action": "upsert", "value": "0"}]


def test_what_may_have_been_said_before_is_said_again_whole() -> None:
    target = Target((EMAIL,), (("tier", "gold"),))

    message = forwarded(Forward(MPID, target, target))

    assert actions(message) == [("-88120011", "add", ["Ann@example.com"])]
    assert message["user_profiles"][0]["audiences"][0]["user_attributes"]


def test_an_add_that_changes_identities_takes_back_attributes_that_are_not_shared_any_more() -> None:
    before, after = Target((EMAIL,), (("city", "Oslo"), ("tier", "tin"))), Target((OTHER_EMAIL,), (("tier", "gold"),))

    added = forwarded(Forward(MPID, before, after))["user_profiles"][-1]["audiences"][0]

    assert (added["action"], added["user_attributes"]) == (
        "add",
        [{"key": "city", "action": "delete"}, {"key": "tier", "action": "upsert", "value": "gold"}],
    )


def test_of_an_uncertain_member_all_is_said() -> None:
    before, after = (
        Target((EMAIL,), (("city", "Oslo"), ("tier", "tin"))),
        Target((EMAIL,), (("city", "Oslo"), ("tier", "gold"))),
    )

    told = forwarded(Forward(MPID, before, after, 1, is_uncertain=True))["user_profiles"][0]["audiences"][0]

    assert (told["action"], [each["key"] for each in told["user_attributes"]]) == ("add", ["city", "tier"])


def test_no_changes_make_a_ping_without_profiles() -> None:
    assert "user_profiles" not in forwarded()


@pytest.mark.parametrize("encoding", [Encoding.MD5, Encoding.SHA1, Encoding.SHA256])
def test_hashes_are_of_the_lower_case_value(encoding: Encoding) -> None:
    message = forwarded(Forward(MPID, None, Target((EMAIL,))), encoding=encoding)

    (identity,) = message["user_profiles"][0]["user_identities"]
    expected = hashlib.new(encoding, b"ann@example.com").hexdigest()
    assert identity == {"type": "email", "encoding": encoding.value, "value": expected}


def test_a_repeat_has_the_same_id_and_a_later_add_another() -> None:
    once = forwarded(Forward(MPID, None, Target((EMAIL,)), 3))["id"]

    assert forwarded(Forward(MPID, None, Target((EMAIL,)), 3))["id"] == once
    assert forwarded(Forward(MPID, None, Target((EMAIL,)), 9))["id"] != once


def test_messages_are_signed_with_the_time_they_were_sent() -> None:
    recorder = Recorder()
    connector = WebhookConnector(settings(token="t0k3n", signing_secret="s3cret"), recorder)

    connector.forward(HIKERS, [Forward(MPID, None, Target((EMAIL,)))], NOW)

    request = recorder.requests[0]
    signed = b"1795430000." + request.body
    assert (request.method, request.url) == ("POST", "https://partner.example/in")
    assert request.headers == {
        "Content-Type": "application/json",
        "Authorization": "Token t0k3n",
        "X-Audience-Timestamp": "1795430000",
        "X-Audience-Signature": "v1=" + hmac.new(b"s3cret", signed, hashlib.sha256).hexdigest(),
    }


def test_without_secrets_nothing_is_signed_and_no_token_sent() -> None:
    recorder = Recorder()

    WebhookConnector(settings(), recorder).unsubscribe(HIKERS, NOW)

    assert set(recorder.requests[0].headers) == {"Content-Type", "X-Audience-Timestamp"}


def test_an_audience_is_announced_changed_and_ended() -> None:
    recorder = Recorder({"audience_subscription_settings": {"partnerId": 5, "name": "x"}})
    connector = WebhookConnector(settings(), recorder)

    echoed = connector.subscribe(HIKERS, NOW)

    common = {"account": {"account_id": 901, "account_settings": {}}, "audience_id": 4411}
    common |= {"audience_name": "Weekend Hikers", "audience_subscription_settings": {"listId": "17"}}
    assert echoed == {"partnerId": "5", "name": "x"}
    assert recorder.message.items() >= {**common, "action": "add"}.items()
    connector.update(HIKERS, {"listId": "16"}, NOW)
    changed = {**common, "action": "update", "previous_audience_subscription_settings": {"listId": "16"}}
    assert recorder.message.items() >= changed.items()
    connector.unsubscribe(HIKERS, NOW)
    assert recorder.message.items() >= {**common, "action": "remove"}.items()


@pytest.mark.parametrize("answer", [None, [], "x", {}, {"audience_subscription_settings": None}])
def test_success_needs_no_particular_body(answer: Any) -> None:
    connector = WebhookConnector(settings(), Recorder(answer))

    assert connector.subscribe(HIKERS, NOW) == {}
    assert connector.forward(HIKERS, [Forward(MPID, None, Target((EMAIL,)))], NOW).rejected == ()


def test_a_partner_may_ask_for_suspension() -> None:
    connector = WebhookConnector(settings(), Recorder({"suspend_subscription": True}))

    with pytest.raises(TerminalDeliveryError, match="suspend"):
        connector.forward(HIKERS, [Forward(MPID, None, Target((EMAIL,)))], NOW)


@pytest.mark.parametrize(
    "given",
    [
        {"url": "ftp://partner.example/"},
        {"url": "https://user:pw@partner.example/"},
        {"token": "two\r\nX: lines"},
        {"signing_secret": ""},
        {"encoding": "rot13"},
        {"accepted_identities": ["push_token"]},
        {"accepted_identities": ["email"], "required_identities": ["customer_id"]},
        {"colour": "red"},
    ],
)
def test_unusable_settings_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        settings(**given)


def test_signing_secrets_are_long_and_never_the_same() -> None:
    assert len({new_signing_secret() for _ in range(100)}) == 100
    assert len(new_signing_secret()) >= 43
