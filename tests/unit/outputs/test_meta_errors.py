"""What Meta's errors mean, and what an output for Meta may be set to."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.output import Forward
from audience_core.errors import DeliveryError, RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connectors.meta import MetaConnector
from audience_core.outputs.connectors.meta_settings import MetaSettings
from audience_core.outputs.http import HttpSend
from tests.support.fake_servers import Answer, hanging_up, losing_the_answer
from tests.support.meta_connection import ANN, FANS, NOW, SOURCE, connect, email, hashed, subscribed
from tests.support.meta_partner import ACCOUNT, TOKEN, MetaPartner, graph_error


@pytest.fixture
def partner() -> Iterator[MetaPartner]:
    with MetaPartner().serving() as partner:
        yield partner


def test_a_check_asks_for_the_account_alone(partner: MetaPartner) -> None:
    connect(partner).forward(replace(FANS, settings={}), (), NOW)
    with pytest.raises(TerminalDeliveryError):
        connect(partner, ad_account_id="act_99").forward(replace(FANS, settings={}), (), NOW)

    assert [each.path for each in partner.heard] == [f"/v26.0/act_{ACCOUNT}", "/v26.0/act_99"]


@pytest.mark.parametrize(
    ("code", "subcode", "fault"),
    [
        (190, 463, "authentication"),
        (190, 460, "authentication"),
        (102, None, "authentication"),
        (3, None, "permissions"),
        (10, None, "permissions"),
        (200, None, "permissions"),
        (294, None, "permissions"),
        (100, 1713230, "configuration"),
        (100, 33, "configuration"),
        (368, None, "partner_error"),
    ],
)
@pytest.mark.parametrize("status", [200, 400, 403])
def test_lasting_errors(partner: MetaPartner, code: int, subcode: int | None, fault: str, status: int) -> None:
    error = failure(partner, graph_error(code, subcode, status))

    assert isinstance(error, TerminalDeliveryError)
    assert error.fault_kind == fault
    assert f"error {code}" in str(error)
    assert "ann" not in str(error)


@pytest.mark.parametrize("code", [4, 17, 613, 80000, 80003, 80014])
@pytest.mark.parametrize("status", [200, 400, 403, 429])
def test_throttles_are_waited_out_as_long_as_meta_asks(partner: MetaPartner, code: int, status: int) -> None:
    usage = '{"1001":[{"type":"ads_management","estimated_time_to_regain_access":0},' + (
        '{"type":"custom_audience","call_count":100,"estimated_time_to_regain_access":19}]}'
    )
    error = failure(partner, graph_error(code, None, status, X_Business_Use_Case_Usage=usage))

    assert isinstance(error, RetryableDeliveryError)
    assert (error.fault_kind, error.retry_after_s) == ("rate_limit", 19 * 60)


@pytest.mark.parametrize("usage", ["", "[]", "{", '{"1":[{}]}', '{"1":[{"estimated_time_to_regain_access":0}]}'])
def test_without_a_usable_header_the_usual_one_counts(partner: MetaPartner, usage: str) -> None:
    error = failure(partner, graph_error(17, 2446079, 400, X_Business_Use_Case_Usage=usage, Retry_After="7"))

    assert isinstance(error, RetryableDeliveryError)
    assert error.retry_after_s == 7


@pytest.mark.parametrize(
    "answer",
    [
        graph_error(1, None, 500),
        graph_error(2, None, 400),
        graph_error(9999, None, 503),
        Answer(400, {"error": {"code": 9999, "is_transient": True}}),
        Answer(500),
        Answer(200, b"<html>Service Unavailable</html>"),
        Answer(200, {"success": False}),
    ],
)
def test_passing_errors_are_tried_again(partner: MetaPartner, answer: Any) -> None:
    error = failure(partner, answer)

    assert isinstance(error, RetryableDeliveryError)
    assert error.fault_kind == "partner_error"


def failure(partner: MetaPartner, answer: Any) -> DeliveryError:
    connector = connect(partner)
    fans = subscribed(connector)
    partner.faults.append(lambda heard, obey: answer)
    with pytest.raises(DeliveryError) as error:
        connector.forward(fans, [Forward(ANN, None, email("ann"))], NOW)
    return error.value


def test_a_send_of_unknown_outcome_is_repeated_whole(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    change = [Forward(ANN, None, email("ann"))]
    for fault in (losing_the_answer, hanging_up):
        partner.faults.append(fault)
        with pytest.raises(RetryableDeliveryError):
            connector.forward(fans, change, NOW)

    connector.forward(fans, change, NOW)

    assert partner.named("Fans (email)").values("EMAIL") == hashed("ann")


@pytest.mark.parametrize("url", ["https://graph.example.com", "http://localhost:80", "http://10.0.0.1", "file:///etc"])
def test_the_graph_can_be_replaced_on_this_machine_alone(url: str) -> None:
    with pytest.raises(ValueError, match="graph_url"):
        MetaSettings(ad_account_id=ACCOUNT, access_token=TOKEN, graph_url=url)


def test_where_private_addresses_are_refused_so_is_the_replacement(partner: MetaPartner) -> None:
    settings = MetaSettings(ad_account_id=ACCOUNT, access_token=TOKEN, graph_url=partner.url)

    with pytest.raises(TerminalDeliveryError):
        MetaConnector(settings, HttpSend()).subscribe(FANS, NOW)

    assert partner.heard == []


@pytest.mark.parametrize("account", ["", "me", "1/../2", "act_", "act_1?x=1"])
def test_an_account_is_digits(account: str) -> None:
    with pytest.raises(ValueError, match="ad_account_id"):
        MetaSettings(ad_account_id=account, access_token=TOKEN)


def test_what_a_connection_forwards_follows_its_settings(partner: MetaPartner) -> None:
    plain = connect(partner, app_id="").wanted(SOURCE)
    rich = connect(partner).wanted(
        {
            **SOURCE,
            "forward_phones": False,
            "forward_gaids": False,
            "external_email_identity_type": "other",
            "multi_key": True,
            "external_id_type": "customer_id",
            "match_on_user_attributes": True,
            "value_based": True,
            "value_attribute": "ltv",
        }
    )

    assert plain.accepted_identities == connect(partner, app_id="").accepted_identities
    assert plain.attributes == {"$Mobile"}
    assert rich.accepted_identities == {"other", "customer_id", "facebook", "ios_advertising_id"}
    assert rich.attributes == {"$FirstName", "$LastName", "$City", "$State", "$Zip", "$Country", "$Gender", "ltv"}
