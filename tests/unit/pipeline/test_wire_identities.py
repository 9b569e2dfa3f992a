"""Identities: every spelling that clients use, and values made comparable."""

import re
from pathlib import Path
from typing import Any

import pytest

from audience_core.domain.identities import HIERARCHY, IDENTITY_TYPES, is_device, rank
from audience_core.pipeline.wire.identities import SPELLINGS
from tests.support.batches import read, wire_event


def identities(body: dict[str, Any]) -> list[tuple[str, str]]:
    return [(identity.type, identity.value) for identity in read(body).identities]


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("customer_id", "customer_id"),
        ("customerid", "customer_id"),
        ("customer", "customer_id"),
        ("CustomerId", "customer_id"),
        ("other", "other"),
        ("other2", "other_id_2"),
        ("other_id_10", "other_id_10"),
        ("other10", "other_id_10"),
        ("facebookcustomaudienceid", "facebook_custom_audience_id"),
        ("FacebookId", "facebook"),
        ("twitter", "twitter"),
        ("alias", "alias"),
    ],
)
def test_people_are_known_under_every_spelling(spelling: str, canonical: str) -> None:
    assert identities({"user_identities": {spelling: "x1"}}) == [(canonical, "x1")]


@pytest.mark.parametrize(
    ("spelling", "canonical"),
    [
        ("ios_advertising_id", "ios_advertising_id"),
        ("ios_idfa", "ios_advertising_id"),
        ("ios_vendor_id", "ios_idfv"),
        ("android_aaid", "android_advertising_id"),
        ("google_advertising_id", "android_advertising_id"),
        ("android_id", "android_uuid"),
        ("roku_aid", "roku_advertising_id"),
        ("fire_aid", "fire_advertising_id"),
        ("microsoft_publisher_id", "microsoft_publisher_id"),
        ("amp_id", "amp_id"),
        ("device_application_stamp", "mp_deviceid"),
        ("apple_push_notification_token", "push_token"),
    ],
)
@pytest.mark.parametrize("place", ["device_info", "user_identities"])
def test_devices_are_known_under_every_spelling_in_either_place(place: str, spelling: str, canonical: str) -> None:
    assert identities({place: {spelling: "ab-1"}}) == [(canonical, "ab-1")]


@pytest.mark.parametrize(
    ("identity_type", "given", "compared"),
    [
        ("email", "  Nell@Trail.EXAMPLE ", "nell@trail.example"),
        ("mobile_number", "+1 (415) 555-0100", "14155550100"),
        ("phone_number_2", "٠١٢", "012"),
        ("customer_id", "Hiker-77 ", "Hiker-77 "),
        ("customer_id", 77, "77"),
        ("customer_id", 77.0, "77"),
        ("ios_idfa", "2B1F6F2C-8A0E", "2b1f6f2c-8a0e"),
        ("push_token", "fC01:Ab", "fC01:Ab"),
        ("customer_id", "x" * 300, "x" * 256),
        ("customer_id", "half \ud800", "half \ufffd"),
    ],
)
def test_values_are_made_comparable(identity_type: str, given: Any, compared: str) -> None:
    assert [value for _, value in identities({"user_identities": {identity_type: given}})] == [compared]


@pytest.mark.parametrize("value", [None, "", "   ", True, [], {}, ["a"]])
def test_values_that_identify_nobody_are_left_out(value: Any) -> None:
    assert identities({"user_identities": {"customer_id": value, "email": "a@b.co"}}) == [("email", "a@b.co")]


def test_a_phone_number_without_digits_is_left_out() -> None:
    assert identities({"user_identities": {"mobile_number": "n/a"}}) == []


@pytest.mark.parametrize("zeros", ["00000000-0000-0000-0000-000000000000", "0000000000000000"])
def test_devices_that_may_not_be_tracked_are_not_one_user(zeros: str) -> None:
    assert identities({"device_info": {"ios_advertising_id": zeros, "android_uuid": zeros}}) == []


def test_a_customer_whose_number_is_zero_is_a_customer() -> None:
    assert identities({"user_identities": {"customer_id": "0"}}) == [("customer_id", "0")]


def test_of_two_spellings_of_a_persons_identity_the_canonical_counts() -> None:
    both = {"customer": "second", "customer_id": "first", "customerid": "third"}

    assert identities({"user_identities": both}) == [("customer_id", "first")]


def test_an_alias_counts_when_the_canonical_spelling_is_null() -> None:
    both = {"customer_id": None, "customerid": "hiker-77"}

    assert identities({"user_identities": both}) == [("customer_id", "hiker-77")]


def test_a_device_may_have_several_values_of_a_type() -> None:
    body = {"user_identities": {"device_application_stamp": "das-1"}, "mp_deviceid": "DAS-2"}

    assert identities(body) == [("mp_deviceid", "das-1"), ("mp_deviceid", "das-2")]


def test_people_are_not_looked_for_in_the_device() -> None:
    assert identities({"device_info": {"email": "a@b.co", "other": "x", "brand": "google"}}) == []


def test_a_push_registration_tells_the_push_token() -> None:
    registered = wire_event("push_registration", register=True, registration_token="fC01")
    withdrawn = wire_event("push_registration", register=False, registration_token="fC02")

    assert identities({"events": [registered, withdrawn]}) == [("push_token", "fC01")]


def test_unknown_types_are_ignored() -> None:
    assert identities({"user_identities": {"shoe_size": "44"}}) == []


def test_the_table_and_the_vocabulary_name_the_same_types() -> None:
    assert [spelling.type for spelling in SPELLINGS if not is_device(spelling.type)] == [
        identity_type for identity_type in HIERARCHY if not is_device(identity_type)
    ]
    assert {spelling.type for spelling in SPELLINGS} == IDENTITY_TYPES


def test_a_customer_id_decides_before_a_phone_number_and_that_before_an_email() -> None:
    types = ["mp_deviceid", "email", "shoe_size", "mobile_number", "ios_advertising_id", "customer_id"]

    assert sorted(types, key=rank) == [
        "customer_id",
        "mobile_number",
        "email",
        "ios_advertising_id",
        "mp_deviceid",
        "shoe_size",
    ]


def test_the_documentation_names_every_spelling() -> None:
    told = set(re.findall(r"`(\w+)`", Path("docs/ingest.md").read_text()))
    # Told as a range: `other_id_2` … `other_id_10`, `other2` … `other10`.
    told |= {f"{start}{number}" for start in ("other", "other_id_") for number in range(2, 11)}

    assert {name for spelling in SPELLINGS for name in (spelling.type, *spelling.aliases)} <= told
