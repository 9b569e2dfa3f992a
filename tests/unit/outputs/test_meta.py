"""Meta's connector against a Graph API on loopback that keeps Meta's rules, and breaks down in Meta's ways."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.errors import DeliveryError, RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.meta import BATCH_SIZE, MAX_URL_BYTES, MetaConnector
from audience_core.outputs.connectors.meta_settings import MetaSettings
from audience_core.outputs.http import HttpSend, TimeLimits
from tests.support.fake_servers import Answer, hanging_up, losing_the_answer, obeying
from tests.support.meta_partner import ACCOUNT, TOKEN, MetaPartner, graph_error, sha

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
NOW = 1_795_430_000_000
SOURCE = {"customer_file_source": "USER_PROVIDED_ONLY"}
FANS = Subscription(AccountId(7), AudienceId(1), "Fans", SOURCE, "1.1", ConnectionId("c-1"))
ANN, BOB = Mpid(8), Mpid(-16)
IDFA = "2b1f6f2c-8a0e-4a3e-9b62-7a1a6f2f0c55"


@pytest.fixture
def partner() -> Iterator[MetaPartner]:
    with MetaPartner().serving() as partner:
        yield partner


def connect(partner: MetaPartner, **given: Any) -> MetaConnector:
    settings = {"ad_account_id": ACCOUNT, "access_token": TOKEN, "app_id": "55", "graph_url": partner.url}
    return MetaConnector(MetaSettings(**settings | given), SEND)


def with_settings(**given: str) -> Subscription:
    return replace(FANS, settings={**SOURCE, **given})


def subscribed(connector: MetaConnector, subscription: Subscription = FANS) -> Subscription:
    return replace(subscription, settings={**subscription.settings, **connector.subscribe(subscription, NOW)})


def a_target(*identities: tuple[str, str], attributes: Mapping[str, Any] | None = None) -> Target:
    return Target(tuple(sorted(Identity(*each) for each in identities)), tuple(sorted((attributes or {}).items())))


def email(who: str) -> Target:
    return a_target(("email", f"{who}@example.com"))


def hashed(*who: str) -> set[str]:
    return {sha(f"{each}@example.com") for each in who}


def test_each_kind_of_identity_has_an_audience_of_its_own(partner: MetaPartner) -> None:
    connector = connect(partner)

    fans = subscribed(connector)

    assert partner.names == ["Fans (IDFA/GAID)", "Fans (email)", "Fans (fb id)", "Fans (phone)"]
    assert {fans.settings[f"remote_{kind}"] for kind in ("email", "facebook", "device", "phone")} == set(
        partner.audiences
    )
    made = partner.named("Fans (email)").fields
    assert (made["subtype"], made["customer_file_source"]) == ("CUSTOM", "USER_PROVIDED_ONLY")
    assert "is_value_based" not in made


def test_only_chosen_kinds_have_one(partner: MetaPartner) -> None:
    chosen = with_settings(forward_emails="false", forward_idfas="false", forward_phones="false", multi_key="true")

    subscribed(connect(partner, app_id=""), chosen)

    # Facebook ids need an application.
    assert partner.names == ["Fans (IDFA/GAID)", "Fans (multi-key)"]


def test_subscribing_again_after_a_lost_answer_makes_no_second_audience(partner: MetaPartner) -> None:
    connector = connect(partner)
    partner.faults.extend([obeying, obeying, losing_the_answer])
    with pytest.raises(RetryableDeliveryError):
        connector.subscribe(FANS, NOW)
    assert len(partner.audiences) == 2

    fans = subscribed(connector)

    assert partner.names == ["Fans (IDFA/GAID)", "Fans (email)", "Fans (fb id)", "Fans (phone)"]
    assert connector.subscribe(FANS, NOW) == {k: v for k, v in fans.settings.items() if k.startswith("remote_")}
    assert len(partner.audiences) == 4


def test_audiences_are_found_again_among_many_and_under_another_name(partner: MetaPartner) -> None:
    connector = connect(partner)
    for number in range(120):
        connector.subscribe(replace(FANS, connection_id=ConnectionId(f"c-x{number // 4}")), NOW)
    known = connector.subscribe(FANS, NOW)
    partner.audiences[known["remote_email"]].name = "Renamed by hand (email)"

    again = connector.subscribe(FANS, NOW)

    assert again == known
    assert partner.audiences[known["remote_email"]].name == "Fans (email)"


def test_another_connection_of_the_same_audience_has_audiences_of_its_own(partner: MetaPartner) -> None:
    connector = connect(partner)

    one, other = subscribed(connector), subscribed(connector, replace(FANS, connection_id=ConnectionId("c-2")))

    assert not set(one.settings.values()) & set(other.settings.values()) - set(SOURCE.values())
    assert len(partner.audiences) == 8


def test_a_renamed_audience_is_renamed_there(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)

    echoed = connector.update(replace(FANS, audience_name="Friends"), fans.settings, NOW)

    assert partner.names == ["Friends (IDFA/GAID)", "Friends (email)", "Friends (fb id)", "Friends (phone)"]
    assert {**SOURCE, **echoed} == fans.settings


def test_a_kind_switched_off_loses_its_audience_and_one_switched_on_gets_one(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector, with_settings(forward_phones="false"))

    echoed = connector.update(with_settings(forward_emails="false"), fans.settings, NOW)

    assert partner.names == ["Fans (IDFA/GAID)", "Fans (fb id)", "Fans (phone)"]
    assert set(echoed) == {"remote_facebook", "remote_device", "remote_phone"}


def test_unsubscribing_deletes_every_audience_and_may_be_repeated(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    del partner.audiences[fans.settings["remote_phone"]]
    partner.faults.extend([obeying, losing_the_answer])
    with pytest.raises(RetryableDeliveryError):
        connector.unsubscribe(fans, NOW)

    connector.unsubscribe(fans, NOW)
    connector.unsubscribe(fans, NOW)

    assert partner.audiences == {}


def test_unsubscribing_deletes_what_was_made_but_not_remembered(partner: MetaPartner) -> None:
    connector = connect(partner)
    subscribed(connector)
    kept = subscribed(connector, replace(FANS, connection_id=ConnectionId("c-2")))

    connector.unsubscribe(FANS, NOW)

    assert set(partner.audiences) == {v for k, v in kept.settings.items() if k.startswith("remote_")}


def test_members_come_change_and_leave(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    ann = a_target(("email", "Ann@example.com"), ("facebook", "1001"), ("ios_advertising_id", IDFA.upper()))

    connector.forward(fans, [Forward(ANN, None, ann), Forward(BOB, None, email("bob"))], NOW)
    assert partner.named("Fans (email)").values("EMAIL") == hashed("ann", "bob")
    assert partner.named("Fans (fb id)").values("UID") == {"1001"}
    assert partner.named("Fans (IDFA/GAID)").values("MADID") == {sha(IDFA)}

    connector.forward(fans, [Forward(ANN, ann, email("anna")), Forward(BOB, email("bob"), None)], NOW)
    assert partner.named("Fans (email)").values("EMAIL") == hashed("anna")
    assert partner.named("Fans (fb id)").entries == {}
    assert partner.named("Fans (IDFA/GAID)").entries == {}


def test_all_that_a_member_should_have_is_added_since_it_may_have_been_lost_before(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    both = a_target(("email", "ann@example.com"), ("email", "anna@example.com"))

    connector.forward(fans, [Forward(ANN, email("ann"), both)], NOW)

    assert partner.named("Fans (email)").values("EMAIL") == hashed("ann", "anna")


@pytest.mark.parametrize("is_told", [False, True])
def test_an_identity_that_another_member_of_the_batch_has_stays(partner: MetaPartner, is_told: bool) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    connector.forward(fans, [Forward(ANN, None, email("ann"))], NOW)
    # In another spelling, which is the same entry there.
    shared = a_target(("email", " ANN@example.com"))
    more = a_target(("email", " ANN@example.com"), ("email", "bob@example.com"))

    connector.forward(fans, [Forward(BOB, shared if is_told else None, more), Forward(ANN, email("ann"), None)], NOW)

    assert partner.named("Fans (email)").values("EMAIL") == hashed("ann", "bob")
    assert not any(each.method == "DELETE" for each in partner.heard)


def test_removals_are_cut_to_short_urls_and_additions_are_not(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    members = [(Mpid(n), email(f"member{n}")) for n in range(1, BATCH_SIZE + 1)]

    connector.forward(fans, [Forward(mpid, None, target) for mpid, target in members], NOW)
    assert len(partner.named("Fans (email)").entries) == BATCH_SIZE
    assert sum(each.path.endswith("/users") for each in partner.heard) == 1

    connector.forward(fans, [Forward(mpid, target, None) for mpid, target in members], NOW)
    assert partner.named("Fans (email)").entries == {}
    removals = [len(each.target) for each in partner.heard if each.method == "DELETE"]
    assert max(removals) <= MAX_URL_BYTES < 2 * max(removals)


def test_no_request_holds_more_rows_than_meta_takes(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    many = [a_target(*(("email", f"{n}.{i}@example.com") for i in range(21))) for n in range(500)]

    connector.forward(fans, [Forward(Mpid(n + 1), None, each) for n, each in enumerate(many)], NOW)

    assert len(partner.named("Fans (email)").entries) == 10_500


def test_a_multi_key_row_is_replaced_as_a_whole(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector, with_settings(multi_key="true", match_on_user_attributes="true"))
    before = a_target(("email", "ann@example.com"), attributes={"$FirstName": "Ann"})
    after = a_target(("email", "ann@example.com"), ("mobile_number", "+1 555"), attributes={"$FirstName": "Ann"})

    connector.forward(fans, [Forward(ANN, None, before)], NOW)
    connector.forward(fans, [Forward(ANN, before, after)], NOW)

    (entry,) = partner.named("Fans (multi-key)").entries
    assert dict(entry) == {"EMAIL": sha("ann@example.com"), "PHONE": sha("1555"), "FN": sha("ann")}

    connector.forward(fans, [Forward(ANN, after, None)], NOW)
    assert partner.named("Fans (multi-key)").entries == {}


def test_a_value_based_audience_is_told_what_members_are_worth(partner: MetaPartner) -> None:
    connector = connect(partner)
    fans = subscribed(connector, with_settings(value_based="true", value_attribute="ltv"))
    worth = {n: a_target(("email", "ann@example.com"), attributes={"ltv": n}) for n in (0, 5, 7.5)}
    audience = partner.named("Fans (email)")
    assert audience.fields["is_value_based"] == "true"

    connector.forward(fans, [Forward(ANN, None, worth[5])], NOW)
    connector.forward(fans, [Forward(ANN, worth[5], worth[7.5])], NOW)
    assert list(audience.entries.values()) == [7.5]

    connector.forward(fans, [Forward(ANN, worth[7.5], worth[0])], NOW)
    assert audience.entries == {}


def test_entries_that_meta_names_are_rejections_and_the_rest_a_count(
    partner: MetaPartner, caplog: pytest.LogCaptureFixture
) -> None:
    connector = connect(partner)
    fans = subscribed(connector)
    broken = [Forward(Mpid(n), None, a_target(("ios_advertising_id", f"broken-{n}"))) for n in range(1, 6)]

    receipt = connector.forward(fans, [*broken, Forward(ANN, None, a_target(("ios_advertising_id", IDFA)))], NOW)

    # The partner samples three of five.
    assert [each.mpid for each in receipt.rejected] == [Mpid(1), Mpid(2), Mpid(3)]
    assert all(each.is_partial for each in receipt.rejected)
    assert "broken" not in str(receipt) + caplog.text
    (record,) = [each for each in caplog.records if each.message == "entries were invalid"]
    assert (vars(record)["count"], vars(record)["named"]) == (5, 3)
    assert partner.named("Fans (IDFA/GAID)").values("MADID") == {sha(IDFA)}


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
