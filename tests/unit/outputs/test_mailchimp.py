"""The Mailchimp connector against a Mailchimp on loopback that keeps the documented limits."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from audience_core.domain.event import AttributeValue
from audience_core.domain.ids import Mpid
from audience_core.domain.output import Forward
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Receipt, Rejection, Subscription
from audience_core.outputs.connectors.mailchimp import MailchimpConnectionSettings, MailchimpSettings
from audience_core.outputs.connectors.mailchimp_members import hash_of, key_of, merge_tag
from tests.support.fake_servers import Answer
from tests.support.mailchimp import LIST, Audience, FakeMailchimp
from tests.support.mailchimp_calls import ANN, BOB, FANS, NOW, added, connector, forward, known, many, removed, target

REFUSED = "Mailchimp refuses this contact (ERROR_GENERIC)"
REFUSED_FOR_NAME = "Mailchimp refuses this contact because of the merge tag FNAME (ERROR_GENERIC)"
PROBLEM = {"Content-Type": "application/problem+json"}


@pytest.fixture
def partner() -> Iterator[FakeMailchimp]:
    with FakeMailchimp().serving() as partner:
        yield partner


@pytest.fixture
def audience(partner: FakeMailchimp) -> Audience:
    return partner.audience


def test_the_hash_is_the_one_of_the_documentation() -> None:
    assert hash_of(key_of("Urist.McVankab@freddiesjokes.com")) == "62eeb292278cc15f5817cb78f7790b08"


def test_new_members_must_confirm_unless_double_opt_in_is_off(partner: FakeMailchimp, audience: Audience) -> None:
    forward(partner, added("ann@example.com"))
    forward(partner, added("bob@example.com", BOB), double_opt_in=False, email_type="text")

    ann, bob = audience.contact("ann@example.com"), audience.contact("bob@example.com")
    assert (ann.status, ann.email_type, ann.tags) == ("pending", "html", {"Fans"})
    assert (bob.status, bob.email_type, bob.tags) == ("subscribed", "text", {"Fans"})


@pytest.mark.parametrize("status", ["unsubscribed", "cleaned", "pending", "subscribed", "transactional"])
@pytest.mark.parametrize("double_opt_in", [True, False])
def test_the_status_of_a_known_contact_stays(
    partner: FakeMailchimp, audience: Audience, status: str, double_opt_in: bool
) -> None:
    contact = known(audience, "ann@example.com", status)

    receipt = forward(partner, added("ann@example.com"), double_opt_in=double_opt_in)

    assert (contact.status, receipt.rejected) == (status, ())


def test_whoever_left_and_returns_is_no_longer_archived(partner: FakeMailchimp, audience: Audience) -> None:
    forward(partner, added("Ann@example.com"), added("bob@example.com", BOB), double_opt_in=False)
    forward(partner, removed("Ann@example.com"))
    assert audience.in_status("archived") == {"Ann@example.com"}

    receipt = forward(partner, added("ann@example.com"), added("bob@example.com", BOB), double_opt_in=False)

    assert (audience.in_status("archived"), receipt.rejected) == (set(), ())
    assert audience.contact("ann@example.com").status == "subscribed"


def test_nobody_who_opted_out_is_brought_back_from_the_archive(partner: FakeMailchimp, audience: Audience) -> None:
    contact = known(audience, "ann@example.com", "archived", opted_out=True)

    receipt = forward(partner, added("ann@example.com"))

    assert contact.status == "archived"
    assert receipt.rejected == (Rejection(ANN, REFUSED),)


def test_a_success_that_hides_refusals_names_the_members(partner: FakeMailchimp, audience: Audience) -> None:
    changes = [
        added("no mail", Mpid(1)),
        added("ann@example.com", Mpid(2)),
        added("eve@example.com", Mpid(3), fname="!"),
    ]

    receipt = forward(partner, *changes)

    assert set(receipt.rejected) == {Rejection(Mpid(1), REFUSED), Rejection(Mpid(3), REFUSED_FOR_NAME)}
    assert audience.in_status("pending") == {"ann@example.com"}


def test_reasons_repeat_none_of_the_partners_words(partner: FakeMailchimp) -> None:
    said = b'{"errors": [{"email_address": "ANN@example.com", "error_code": "ann@example.com", "field": "ann"}, 7, {}]}'
    partner.replies.append(Answer(200, said))

    assert forward(partner, added("ann@example.com")).rejected == (Rejection(ANN, "Mailchimp refuses this contact"),)


def test_two_users_of_one_address_are_one_contact(partner: FakeMailchimp) -> None:
    receipt = forward(partner, added(" Ann@example.com"), added("ann@example.com", BOB))
    refused = forward(partner, added("nobody"), added("Nobody", BOB))

    assert receipt.rejected == ()
    assert {each.mpid for each in refused.rejected} == {ANN, BOB}


def test_a_member_of_whom_one_address_was_taken_is_rejected_in_part(partner: FakeMailchimp) -> None:
    receipt = forward(partner, Forward(ANN, None, target("ann@example.com", "nobody")), added("nobody", BOB))

    assert set(receipt.rejected) == {Rejection(ANN, REFUSED, is_partial=True), Rejection(BOB, REFUSED)}


def test_a_whole_batch_is_one_request_with_a_long_answer(partner: FakeMailchimp, audience: Audience) -> None:
    emails = ["nobody", *many(499)]

    receipt = forward(partner, *(added(email, Mpid(n)) for n, email in enumerate(emails)))

    assert receipt.rejected == (Rejection(Mpid(0), REFUSED),)
    assert len(audience.in_status("pending")) == 499
    assert partner.calls == [f"POST /3.0/lists/{LIST}"]


def test_attributes_fill_the_merge_tags_that_the_list_has(partner: FakeMailchimp, audience: Audience) -> None:
    audience.merge_fields |= {"FAVOURITE_": "text", "TAGS": "text", "VIP": "text"}
    audience.required = frozenset({"FNAME"})
    given: dict[str, AttributeValue] = {
        "favourite colour": "green",
        "tags": ["a", 1, None],
        "vip": True,
        "address": "here",
        "unknown": "x",
    }

    receipt = forward(partner, added("ann@example.com", ANN, **given))

    assert receipt.rejected == ()
    expected = {"FAVOURITE_": "green", "TAGS": "a, 1, ", "VIP": "true"}
    assert audience.contact("ann@example.com").merge_fields == expected


def test_an_attribute_that_is_gone_is_cleared(partner: FakeMailchimp, audience: Audience) -> None:
    contact = known(audience, "ann@example.com", merge_fields={"FNAME": "Ann"})

    forward(partner, Forward(ANN, target("ann@example.com", fname="Ann"), target("ann@example.com")))

    assert contact.merge_fields == {"FNAME": ""}


def test_merge_tags_are_asked_for_once_and_only_if_there_are_attributes(partner: FakeMailchimp) -> None:
    told = connector(partner)

    told.forward(FANS, [added("ann@example.com", fname="Ann"), added("bob@example.com", BOB, fname="Bob")], NOW)
    told.forward(FANS, [added("eve@example.com", fname="Eve")], NOW)
    forward(partner, added("ann@example.com"))

    assert partner.calls.count(f"GET /3.0/lists/{LIST}/merge-fields") == 1


@pytest.mark.parametrize(
    ("name", "tag"),
    [("First name", "FIRST_NAME"), ("$Zip", "_ZIP"), ("favourite", "FAVOURITE"), ("ünlü-şehir", "_NL___EHIR")],
)
def test_merge_tags_are_short_and_upper_case(name: str, tag: str) -> None:
    assert merge_tag(name) == tag


@pytest.mark.parametrize(
    ("answer", "raised", "fault"),
    [
        (Answer(401, b"{}", PROBLEM), TerminalDeliveryError, "authentication"),
        (Answer(403, b'{"title": "Forbidden"}', PROBLEM), TerminalDeliveryError, "permissions"),
        (Answer(403, b"<html>Forbidden</html>"), RetryableDeliveryError, "rate_limit"),
        (Answer(403), RetryableDeliveryError, "rate_limit"),
        (Answer(429, b"<html/>"), RetryableDeliveryError, "rate_limit"),
        (Answer(429, b"{}", PROBLEM), RetryableDeliveryError, "rate_limit"),
        (Answer(404, b"{}", PROBLEM), TerminalDeliveryError, "configuration"),
        (Answer(400, b'{"detail": "ann@example.com"}', PROBLEM), TerminalDeliveryError, "partner_error"),
        (Answer(500, b"{}", PROBLEM), RetryableDeliveryError, "partner_error"),
        (Answer(200, b'{"errors": ['), RetryableDeliveryError, "partner_error"),
    ],
)
def test_faults(partner: FakeMailchimp, answer: Answer, raised: type[Any], fault: str) -> None:
    partner.replies.append(answer)

    with pytest.raises(raised) as error:
        forward(partner, added("ann@example.com"))

    assert error.value.fault_kind == fault
    assert "ann@" not in str(error.value)


def test_more_connections_than_mailchimp_takes_are_tried_again(partner: FakeMailchimp) -> None:
    partner.gate = threading.Event()

    def attempt(n: int) -> str:
        try:
            forward(partner, added(f"user-{n}@example.com", Mpid(n)))
        except RetryableDeliveryError as error:
            partner.gate.set() if partner.gate else None
            return error.fault_kind
        return "told"

    with ThreadPoolExecutor(11) as threads:
        outcomes = list(threads.map(attempt, range(11)))

    assert sorted(outcomes) == ["rate_limit", *["told"] * 10]


def test_testing_an_output_asks_whether_its_key_is_good(partner: FakeMailchimp) -> None:
    assert forward(partner) == Receipt()
    assert partner.calls == ["GET /3.0/ping"]

    partner.keys.clear()
    with pytest.raises(TerminalDeliveryError) as error:
        forward(partner)

    assert error.value.fault_kind == "authentication"


def test_an_output_without_a_key_says_so_and_sends_nothing(partner: FakeMailchimp) -> None:
    with pytest.raises(TerminalDeliveryError, match="API key") as error:
        forward(partner, api_key=None)

    assert (error.value.fault_kind, partner.calls) == ("authentication", [])


def test_an_audience_needs_a_list_that_exists(partner: FakeMailchimp) -> None:
    subscribed = connector(partner).subscribe(FANS, NOW)
    partner.lists.clear()

    with pytest.raises(TerminalDeliveryError, match="list_id") as error:
        connector(partner).subscribe(FANS, NOW)

    assert (subscribed, error.value.fault_kind) == ({"tag": "Fans"}, "configuration")


def test_the_list_of_a_connection_cannot_change(partner: FakeMailchimp) -> None:
    moved = Subscription(FANS.account_id, FANS.audience_id, "Fans", {"list_id": "another1"}, "2.1")

    with pytest.raises(TerminalDeliveryError, match="list_id cannot change") as error:
        connector(partner).update(moved, FANS.settings, NOW)

    assert (error.value.fault_kind, partner.calls) == ("configuration", [])


def test_all_said_twice_changes_nothing(partner: FakeMailchimp, audience: Audience) -> None:
    known(audience, "bob@example.com")
    changes = [added("ann@example.com", fname="Ann"), removed("bob@example.com", BOB)]

    forward(partner, *changes)
    once = {key: each.view | {"tags": set(each.tags)} for key, each in audience.contacts.items()}
    forward(partner, *changes)

    assert {key: each.view | {"tags": set(each.tags)} for key, each in audience.contacts.items()} == once


@pytest.mark.parametrize(
    "key", ["", "abc", "abc-", "abc-evil.example/", "abc-us19\n", "a b-us1", "abc-us19.evil.example"]
)
def test_keys_that_name_no_data_centre_are_refused(key: str) -> None:
    with pytest.raises(ValueError, match="api_key"):
        MailchimpSettings(api_key=key)


@pytest.mark.parametrize("given", [{}, {"list_id": ""}, {"list_id": "a/b"}, {"list_id": "a1", "colour": "red"}])
def test_unusable_connection_settings_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        MailchimpConnectionSettings(**given)
