"""Braze's connector against a workspace on loopback that keeps Braze's rules."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.braze import BrazeConnectionSettings, BrazeConnector, BrazeSettings
from audience_core.outputs.http import HttpSend, TimeLimits
from tests.support.braze_partner import KEY, MAX_OBJECTS, BrazePartner
from tests.support.fake_servers import answering, losing_the_answer

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
NOW = 1_795_430_000_000
FANS = Subscription(AccountId(7), AudienceId(4411), "Fans", {}, "1.1", ConnectionId("c-1"))
ANN, BOB = Mpid(8), Mpid(-16)


@pytest.fixture
def partner() -> Iterator[BrazePartner]:
    with BrazePartner().serving() as partner:
        yield partner


def connect(partner: BrazePartner, key: str = KEY) -> BrazeConnector:
    return BrazeConnector(BrazeSettings(instance="iad-01", api_key=key, rest_url=partner.url), SEND)


def subscribed(connector: BrazeConnector, **settings: str) -> Subscription:
    fans = replace(FANS, settings=settings)
    return replace(fans, settings={**settings, **connector.subscribe(fans, NOW)})


def a_target(*identities: tuple[str, str]) -> Target:
    return Target(tuple(sorted(Identity(*each) for each in identities)))


def customer(who: str) -> Target:
    return a_target(("customer_id", who))


def test_a_member_is_a_user_with_an_attribute(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    ann = a_target(("customer_id", "hiker-77"), ("email", "Ann@example.com"))

    connector.forward(fans, [Forward(ANN, None, ann)], NOW)
    user = partner.users["external_id", "hiker-77"]
    assert (user.email, user.attributes) == ("ann@example.com", {"In Fans": True})

    connector.forward(fans, [Forward(ANN, ann, None)], NOW)
    assert user.attributes == {"In Fans": False}
    assert list(partner.users) == [("external_id", "hiker-77")]


def test_without_a_customer_id_the_address_is_the_alias(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    anonymous, known = (
        a_target(("email", "Ann@example.com")),
        a_target(("email", "Ann@example.com"), ("customer_id", "1")),
    )

    connector.forward(fans, [Forward(ANN, None, anonymous)], NOW)
    alias = partner.users["email", "ann@example.com"]
    assert (alias.email, alias.attributes) == ("ann@example.com", {"In Fans": True})

    connector.forward(fans, [Forward(ANN, anonymous, known)], NOW)
    assert alias.attributes == {"In Fans": False}
    assert partner.users["external_id", "1"].attributes == {"In Fans": True}


def test_whoever_the_partner_may_have_been_told_of_is_taken_out(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    anonymous, known = a_target(("email", "a@b.co")), a_target(("email", "a@b.co"), ("customer_id", "1"))
    connector.forward(fans, [Forward(ANN, None, anonymous)], NOW)

    # What the ledger says after `known` was sent and lost: the union of both.
    connector.forward(fans, [Forward(ANN, known, None)], NOW)

    assert partner.users["email", "a@b.co"].attributes == {"In Fans": False}
    assert list(partner.users) == [("email", "a@b.co")]


def test_an_array_gains_and_loses_the_audience_alone(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector, membership="both", array_attribute="Clubs")
    others = replace(fans, audience_id=AudienceId(5))

    for subscription in (fans, others):
        connector.forward(subscription, [Forward(ANN, None, customer("1"))], NOW)
        connector.forward(subscription, [Forward(ANN, customer("1"), customer("1"))], NOW)
    user = partner.users["external_id", "1"]
    assert user.attributes == {"In Fans": True, "Clubs": ["4411", "5"]}

    connector.forward(fans, [Forward(ANN, customer("1"), None)], NOW)
    assert user.attributes == {"In Fans": False, "Clubs": ["5"]}


def test_the_array_alone_leaves_no_attribute(partner: BrazePartner) -> None:
    connector = connect(partner)

    connector.forward(subscribed(connector, membership="array"), [Forward(ANN, None, customer("1"))], NOW)

    assert partner.users["external_id", "1"].attributes == {"AudienceMemberships": ["4411"]}


def test_a_renamed_audience_keeps_its_attribute(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)

    echoed = connector.update(replace(FANS, audience_name="Friends"), fans.settings, NOW)

    assert echoed == {"attribute": "In Fans"}


@pytest.mark.parametrize("only_existing", ["true", "false"])
def test_users_are_made_unless_told_not_to_and_never_to_say_no(partner: BrazePartner, only_existing: str) -> None:
    connector = connect(partner)
    fans = subscribed(connector, update_existing_only=only_existing)
    by_mail = a_target(("email", "b@example.com"))

    connector.forward(fans, [Forward(Mpid(1), customer("gone"), None), Forward(ANN, None, customer("1"))], NOW)
    connector.forward(fans, [Forward(BOB, None, by_mail)], NOW)

    made = set() if only_existing == "true" else {("external_id", "1"), ("email", "b@example.com")}
    assert set(partner.users) == made


def test_a_user_that_another_member_of_the_batch_is_stays(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)

    connector.forward(fans, [Forward(BOB, None, customer("1")), Forward(ANN, customer("1"), None)], NOW)

    assert partner.users["external_id", "1"].attributes == {"In Fans": True}


def test_no_request_holds_more_objects_than_braze_takes(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    members = [a_target(("customer_id", f"{n}-a"), ("customer_id", f"{n}-b")) for n in range(connector.batch_size)]

    connector.forward(fans, [Forward(Mpid(n + 1), None, each) for n, each in enumerate(members)], NOW)

    assert len(partner.users) == 150
    assert [len(each.json["attributes"]) for each in partner.heard] == [0, MAX_OBJECTS, MAX_OBJECTS]


def test_refused_users_are_rejections_and_the_others_are_told(
    partner: BrazePartner, caplog: pytest.LogCaptureFixture
) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.blocked = {"dummy"}

    some = connector.forward(fans, [Forward(ANN, None, customer("dummy")), Forward(BOB, None, customer("2"))], NOW)
    all_of_them = connector.forward(fans, [Forward(ANN, None, customer("dummy"))], NOW)

    assert [each.mpid for each in some.rejected] == [each.mpid for each in all_of_them.rejected] == [ANN]
    assert not any(each.is_partial for each in (*some.rejected, *all_of_them.rejected))
    assert set(partner.users) == {("external_id", "2")}
    assert "dummy" not in str(some) + caplog.text


def test_a_rejection_is_partial_when_another_user_of_the_member_was_told(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.blocked = {"dummy"}

    (rejection,) = connector.forward(
        fans, [Forward(ANN, None, a_target(("customer_id", "1"), ("customer_id", "dummy")))], NOW
    ).rejected

    assert (rejection.mpid, rejection.is_partial) == (ANN, True)


@pytest.mark.parametrize(
    "errors",
    [
        ["no place"],
        [{"type": "x"}],
        [{"input_array": "events", "index": 0}],
        [{"input_array": "attributes", "index": 9}],
    ],
)
def test_errors_that_name_nobody_reject_nobody(partner: BrazePartner, errors: list[Any]) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.faults.append(answering(201, {"message": "success", "errors": errors}))

    assert connector.forward(fans, [Forward(ANN, None, customer("1"))], NOW).rejected == ()


def test_a_request_that_is_bad_as_a_whole_is_a_fault(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.faults.append(answering(400, {"message": "Bad Request", "errors": [{"type": "x"}]}))

    with pytest.raises(TerminalDeliveryError) as error:
        connector.forward(fans, [Forward(ANN, None, customer("1"))], NOW)

    assert error.value.fault_kind == "partner_error"


def test_a_limit_is_waited_for_until_its_reset(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.remaining, partner.reset = 0, NOW // 1000 + 42

    with pytest.raises(RetryableDeliveryError) as error:
        connector.forward(fans, [Forward(ANN, None, customer("1"))], NOW)

    assert (error.value.fault_kind, error.value.retry_after_s) == ("rate_limit", 42)


def test_a_used_up_limit_is_heeded_before_the_next_request(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.remaining, partner.reset = 1, NOW // 1000 + 42
    heard = len(partner.heard)
    members = [
        Forward(Mpid(n + 1), None, a_target(("customer_id", f"{n}a"), ("customer_id", f"{n}b"))) for n in range(75)
    ]

    with pytest.raises(RetryableDeliveryError) as error:
        connector.forward(fans, members, NOW)

    assert (error.value.retry_after_s, len(partner.heard) - heard) == (42, 1)

    # The last request of a batch may use the limit up.
    partner.remaining = 2
    connector.forward(fans, members, NOW)
    assert len(partner.users) == 150


@pytest.mark.parametrize(("status", "waits"), [(201, False), (202, False), (500, True), (503, True)])
def test_queued_is_taken_and_failures_pass(partner: BrazePartner, status: int, waits: bool) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.faults.append(answering(status, {"message": "queued"}))

    if waits:
        with pytest.raises(RetryableDeliveryError):
            connector.forward(fans, [Forward(ANN, None, customer("1"))], NOW)
    else:
        assert connector.forward(fans, [Forward(ANN, None, customer("1"))], NOW).rejected == ()


def test_a_repeat_after_a_lost_answer_changes_nothing(partner: BrazePartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector, membership="both")
    partner.faults.append(losing_the_answer)
    with pytest.raises(RetryableDeliveryError):
        connector.forward(fans, [Forward(ANN, None, customer("1"))], NOW)
    once = dict(partner.users["external_id", "1"].attributes)

    connector.forward(fans, [Forward(ANN, None, customer("1"))], NOW)

    assert partner.users["external_id", "1"].attributes == once


def test_a_check_accepts_the_key_and_makes_nobody(partner: BrazePartner) -> None:
    connect(partner).forward(FANS, (), NOW)
    with pytest.raises(TerminalDeliveryError) as error:
        connect(partner, "wrong").forward(FANS, (), NOW)

    assert error.value.fault_kind == "authentication"
    assert partner.users == {}


def test_unsubscribing_says_nothing(partner: BrazePartner) -> None:
    connect(partner).unsubscribe(FANS, NOW)

    assert partner.heard == []


@pytest.mark.parametrize(
    ("instance", "url"),
    [
        ("iad-01", "https://rest.iad-01.braze.com/users/track"),
        ("us-10", "https://rest.us-10.braze.com/users/track"),
        ("fra-02", "https://rest.fra-02.braze.eu/users/track"),
    ],
)
def test_each_instance_has_an_endpoint(instance: str, url: str) -> None:
    assert BrazeSettings(instance=instance, api_key=KEY).url == url


@pytest.mark.parametrize("instance", ["", "iad-01.evil.example/", "IAD-01", "rest.iad-01.braze.com"])
def test_an_instance_is_no_address(instance: str) -> None:
    with pytest.raises(ValueError, match="instance"):
        BrazeSettings(instance=instance, api_key=KEY)


def test_a_long_name_is_cut_to_what_an_attribute_may_have(partner: BrazePartner) -> None:
    echoed = connect(partner).subscribe(replace(FANS, audience_name="x" * 300), NOW)

    assert len(echoed["attribute"]) == 255
    assert BrazeConnectionSettings().membership == "attribute"
