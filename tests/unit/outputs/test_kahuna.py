"""The Kahuna connector against a Kahuna on loopback."""

from collections.abc import Iterator
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Receipt, Rejection, Subscription
from audience_core.outputs.connectors.kahuna import KahunaConnector, KahunaSettings
from tests.support.fake_servers import Answer
from tests.support.kahuna import HOST, KEYS, FakeKahuna
from tests.support.redirect import Redirected

NOW = 1_795_430_000_000
FANS = Subscription(AccountId(7), AudienceId(4411), "Fans", {}, "1.1")
ANN, BOB = Mpid(8), Mpid(16)
UNKNOWN = "Kahuna knows no such user"
IN, OUT = {"mp_audience_4411": "true"}, {"mp_audience_4411": "false"}


@pytest.fixture
def partner() -> Iterator[FakeKahuna]:
    with FakeKahuna().serving() as partner:
        yield partner


def connector(partner: FakeKahuna, **given: Any) -> KahunaConnector:
    keys = {"secret_key": KEYS[0], "api_key": KEYS[1]}
    return KahunaConnector(KahunaSettings(**keys | given), Redirected({HOST: partner.url}))


def forward(partner: FakeKahuna, *changes: Forward, **given: Any) -> Receipt:
    return connector(partner, **given).forward(FANS, changes, NOW)


def user(user_id: str = "", email: str = "") -> Target:
    given = (Identity("customer_id", user_id), Identity("email", email))
    return Target(tuple(each for each in given if each.value))


def test_members_are_marked_and_marked_off(partner: FakeKahuna) -> None:
    ann, bob = partner.know("ann", "ann@example.com"), partner.know("bob", "bob@example.com")

    forward(
        partner, Forward(ANN, None, user("ann", "ann@example.com")), Forward(BOB, user(email="bob@example.com"), None)
    )

    assert (ann, bob) == (IN, OUT)


def test_a_request_says_who_and_what_in_kahunas_words(partner: FakeKahuna) -> None:
    forward(partner, Forward(ANN, None, user("ann", "ann@example.com")), environment="sandbox")

    (heard,) = partner.heard
    assert (heard.method, heard.path, heard.query) == ("POST", "/api/userattributes", {"env": "s"})
    entry = {"target": {"user_id": "ann", "email": "ann@example.com"}, "attributes": IN}
    assert heard.json == {"user_attributes_array": [entry]}


def test_a_changed_identity_loses_its_mark(partner: FakeKahuna) -> None:
    old, new = partner.know("old", "ann@example.com"), partner.know("new", "new@example.com")

    forward(partner, Forward(ANN, user("old", "same@example.com"), user("new", "same@example.com")))

    assert (old, new) == (OUT, IN)


def test_an_identity_that_moves_to_another_member_keeps_its_mark(partner: FakeKahuna) -> None:
    ann = partner.know("ann", "ann@example.com")

    forward(partner, Forward(ANN, None, user("ann")), Forward(BOB, user("ann"), None))

    assert ann == IN


def test_more_marks_than_a_request_holds_are_sent_in_chunks(partner: FakeKahuna) -> None:
    known = [partner.know(f"u{n}", "") for n in range(150)]

    receipt = forward(partner, *(Forward(Mpid(n), None, user(f"u{n}")) for n in range(150)))

    assert (receipt, len(partner.heard)) == (Receipt(), 2)
    assert known == [IN] * 150


def test_an_unknown_user_is_skipped_and_the_others_told_of(partner: FakeKahuna) -> None:
    ann = partner.know("ann", "")
    partner.know("odd", "")
    partner.refusals["odd"] = 422

    receipt = forward(partner, *(Forward(Mpid(n), None, user(who)) for n, who in enumerate(["nobody", "ann", "odd"])))

    assert receipt.rejected == (Rejection(Mpid(0), UNKNOWN), Rejection(Mpid(2), "Kahuna refuses this user"))
    assert ann == IN


def test_a_member_refused_twice_is_one_rejection(partner: FakeKahuna) -> None:
    partner.know("old", "")
    partner.refusals["old"] = 422

    receipt = forward(partner, Forward(ANN, user("old"), user("new")))

    assert receipt.rejected == (Rejection(ANN, UNKNOWN),)


def test_a_member_of_whom_one_mark_was_set_is_rejected_in_part(partner: FakeKahuna) -> None:
    partner.know("old", "")

    receipt = forward(partner, Forward(ANN, user("old"), user("new")))

    assert receipt.rejected == (Rejection(ANN, UNKNOWN, is_partial=True),)


def test_whom_kahuna_does_not_know_has_no_mark_to_take_off(partner: FakeKahuna) -> None:
    new = partner.know("new", "")

    receipt = forward(partner, Forward(ANN, user("old"), user("new")), Forward(BOB, user("nobody"), None))

    assert (receipt, new) == (Receipt(), IN)


@pytest.mark.parametrize(
    ("code", "raised", "fault"),
    [
        (401, TerminalDeliveryError, "authentication"),
        (409, TerminalDeliveryError, "permissions"),
        (429, RetryableDeliveryError, "rate_limit"),
        (503, RetryableDeliveryError, "partner_error"),
    ],
)
@pytest.mark.parametrize("is_hidden", [True, False])
def test_faults_of_all_are_raised_even_when_a_success_hides_them(
    partner: FakeKahuna, code: int, raised: type[Any], fault: str, is_hidden: bool
) -> None:
    partner.know("ann", "")
    if is_hidden:
        partner.refusals["ann"] = code
    else:
        partner.replies.append(Answer(code, b"{}"))

    with pytest.raises(raised) as error:
        forward(partner, Forward(ANN, None, user("ann")))

    assert error.value.fault_kind == fault
    assert "ann" not in str(error.value)


def test_testing_an_output_asks_whether_its_keys_are_good(partner: FakeKahuna) -> None:
    assert forward(partner) == Receipt()
    assert [each.json for each in partner.heard] == [{"user_attributes_array": []}]

    with pytest.raises(TerminalDeliveryError) as error:
        forward(partner, api_key="wrong")

    assert error.value.fault_kind == "authentication"


@pytest.mark.parametrize("given", [{"secret_key": None}, {"api_key": None}])
def test_an_output_without_keys_says_so_and_sends_nothing(partner: FakeKahuna, given: dict[str, None]) -> None:
    with pytest.raises(TerminalDeliveryError, match="api_key") as error:
        forward(partner, **given)

    assert (error.value.fault_kind, partner.heard) == ("authentication", [])


@pytest.mark.parametrize("given", [{"secret_key": "a:b"}, {"api_key": ""}, {"environment": "p"}, {"colour": "red"}])
def test_unusable_settings_are_refused(given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        KahunaSettings(**given)
