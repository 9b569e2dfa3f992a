"""How Meta is told of members: known values of every rule."""

import hashlib
from typing import Any

import pytest

from audience_core.domain.event import AttributeValue, Identity
from audience_core.domain.output import Target
from audience_core.outputs.connectors import meta_rows
from audience_core.outputs.connectors.meta_rows import RemoteKind, Row, rows, sha256
from audience_core.outputs.connectors.meta_settings import MetaConnectionSettings

EMAIL_SHA = "80305c9bb1bb2480e03894350e0a8a366dcbdeb302e69e0817aa0743abd77054"
IDFA = "2b1f6f2c-8a0e-4a3e-9b62-7a1a6f2f0c55"


def settings(**given: Any) -> MetaConnectionSettings:
    return MetaConnectionSettings(**{"customer_file_source": "USER_PROVIDED_ONLY"} | given)


def a_target(*identities: tuple[str, str], **attributes: AttributeValue) -> Target:
    named = tuple((f"${name}", value) for name, value in sorted(attributes.items()))
    return Target(tuple(sorted(Identity(*each) for each in identities)), named)


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("given", [" A@b.co ", "a@b.co", ".a@b.co.", "\tA@B.CO\r\n"])
def test_an_email_is_trimmed_and_lower_case_before_it_is_hashed(given: str) -> None:
    assert rows(RemoteKind.EMAIL, a_target(("email", given)), settings()) == [Row((EMAIL_SHA,))]


@pytest.mark.parametrize("given", ["+49 (170) 123-4567", "0049 170 1234567", "491701234567"])
@pytest.mark.parametrize("kind", ["mobile_number", "phone_number_2", "phone_number_3"])
def test_a_phone_is_its_digits_without_leading_zeros(given: str, kind: str) -> None:
    assert rows(RemoteKind.PHONE, a_target((kind, given)), settings()) == [Row((sha("491701234567"),))]


def test_the_reserved_attribute_is_a_phone_too_and_the_same_one_counts_once() -> None:
    target = a_target(("mobile_number", "491701234567"), Mobile="+49 170 1234567")

    assert rows(RemoteKind.PHONE, target, settings()) == [Row((sha("491701234567"),))]
    assert rows(RemoteKind.PHONE, a_target(Mobile="+1 555"), settings()) == [Row((sha("1555"),))]


def test_an_advertising_id_is_lower_case_with_hyphens_and_not_hashed_on_its_own() -> None:
    given = a_target(("ios_advertising_id", IDFA.upper()), ("android_advertising_id", IDFA.replace("-", "")))

    assert rows(RemoteKind.DEVICE, given, settings()) == [Row((IDFA,))]


def test_a_facebook_id_is_told_as_it_is_and_with_its_application() -> None:
    (row,) = rows(RemoteKind.FACEBOOK, a_target(("facebook", " 1000123 ")), settings())

    assert meta_rows.added(RemoteKind.FACEBOOK, [row], settings(), "55") == {
        "schema": "UID",
        "is_raw": False,
        "data": ["1000123"],
        "app_ids": ["55"],
    }


def test_what_has_no_text_left_is_no_entry() -> None:
    target = a_target(("email", " . "), ("mobile_number", "none"), ("facebook", " "), ("ios_advertising_id", ""))

    assert [rows(kind, target, settings(multi_key=True)) for kind in RemoteKind] == [[], [], [], [], []]


def test_the_email_may_be_another_identity() -> None:
    target = a_target(("email", "no@b.co"), ("other", "A@b.co"))

    assert rows(RemoteKind.EMAIL, target, settings(external_email_identity_type="other")) == [Row((EMAIL_SHA,))]


@pytest.mark.parametrize(
    ("column", "given", "normalised"),
    [
        ("GEN", {"Gender": " Female"}, "f"),
        ("GEN", {"Gender": "M"}, "m"),
        ("GEN", {"Gender": "other"}, ""),
        ("FN", {"FirstName": " Anne-Marie "}, "annemarie"),
        ("LN", {"LastName": "O'Brien"}, "obrien"),
        ("LN", {"LastName": "Müller"}, "müller"),
        ("CT", {"City": "St. Gallen"}, "stgallen"),
        ("ST", {"State": "CA"}, "ca"),
        ("ZIP", {"Zip": "94103-1234"}, "94103"),
        ("ZIP", {"Zip": " SW1A 1AA "}, "sw1a 1aa"),
        ("ZIP", {"Zip": 94103}, "94103"),
        ("COUNTRY", {"Country": "US"}, "us"),
        ("COUNTRY", {"Country": "Germany"}, ""),
        ("COUNTRY", {"Country": ["US"]}, ""),
        ("COUNTRY", {}, ""),
    ],
)
def test_matched_attributes_are_normalised_and_hashed(column: str, given: dict[str, Any], normalised: str) -> None:
    chosen = settings(multi_key=True, match_on_user_attributes=True)

    (row,) = rows(RemoteKind.MULTI_KEY, a_target(("email", "a@b.co"), **given), chosen)

    payload = meta_rows.added(RemoteKind.MULTI_KEY, [row], chosen, "")
    assert dict(zip(payload["schema"], payload["data"][0], strict=True))[column] == (normalised and sha(normalised))


def test_a_multi_key_row_holds_one_of_each_and_blanks() -> None:
    chosen = settings(multi_key=True, external_id_type="customer_id")
    target = a_target(
        ("customer_id", " Hiker-77 "), ("email", "A@b.co"), ("email", "z@b.co"), ("ios_advertising_id", IDFA)
    )

    payload = meta_rows.added(RemoteKind.MULTI_KEY, rows(RemoteKind.MULTI_KEY, target, chosen), chosen, "")

    assert payload == {
        "schema": ["EXTERN_ID", "EMAIL", "PHONE", "MADID"],
        "is_raw": True,
        "data": [[sha("hiker-77"), EMAIL_SHA, "", sha(IDFA)]],
    }


def test_attributes_alone_are_no_row() -> None:
    chosen = settings(multi_key=True, match_on_user_attributes=True)

    assert rows(RemoteKind.MULTI_KEY, a_target(FirstName="Ann"), chosen) == []


@pytest.mark.parametrize(
    ("held", "allows_zero", "worth"),
    [
        (44.5, False, 44.5),
        ("12", False, 12.0),
        (0, False, None),
        (0, True, 0.0),
        (None, False, None),
        (None, True, 0.0),
        (-1, True, None),
        ("much", True, None),
        (True, True, None),
        ([5], True, None),
        ("nan", True, None),
        ("inf", True, None),
    ],
)
def test_what_a_member_is_worth(held: Any, allows_zero: bool, worth: float | None) -> None:
    chosen = settings(value_based=True, value_attribute="$ltv", allow_zero_values=allows_zero)
    target = a_target(("email", "a@b.co"), **({} if held is None else {"ltv": held}))

    found = rows(RemoteKind.EMAIL, target, chosen)

    assert found == ([] if worth is None else [Row((EMAIL_SHA,), worth)])


def test_the_worth_is_added_but_not_needed_to_remove() -> None:
    chosen = settings(value_based=True, value_attribute="$ltv")
    target = a_target(("ios_advertising_id", IDFA), ltv=3)
    told = rows(RemoteKind.DEVICE, target, chosen)

    assert meta_rows.added(RemoteKind.DEVICE, told, chosen, "") == {
        "schema": ["MADID", "LOOKALIKE_VALUE"],
        "is_raw": True,
        "data": [[sha(IDFA), 3.0]],
    }
    assert meta_rows.removed(RemoteKind.DEVICE, told, chosen, "")["data"] == [IDFA]


def test_nothing_is_hashed_to_nothing() -> None:
    assert sha256("") == ""


@pytest.mark.parametrize(
    "given",
    [
        {"customer_file_source": "SOMEBODY"},
        {"value_based": True},
        {"value_attribute": "ltv"},
        {"match_on_user_attributes": True},
        {"external_id_type": "customer_id"},
        {"external_email_identity_type": "push_token"},
        {"colour": "red"},
    ],
)
def test_settings_that_make_no_sense_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(given))):
        settings(**given)


def test_the_file_source_is_required() -> None:
    with pytest.raises(ValueError, match="customer_file_source"):
        MetaConnectionSettings()  # type: ignore[call-arg]  # what is tested
