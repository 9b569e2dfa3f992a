"""Meta's connector against a Graph API on loopback that keeps Meta's rules, and breaks down in Meta's ways."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.output import Forward
from audience_core.errors import RetryableDeliveryError
from audience_core.outputs.connectors.meta import BATCH_SIZE, MAX_URL_BYTES
from tests.support.fake_servers import losing_the_answer, obeying
from tests.support.meta_connection import (
    ANN,
    BOB,
    FANS,
    IDFA,
    NOW,
    SOURCE,
    a_target,
    connect,
    email,
    hashed,
    subscribed,
    with_settings,
)
from tests.support.meta_partner import MetaPartner, sha


@pytest.fixture
def partner() -> Iterator[MetaPartner]:
    with MetaPartner().serving() as partner:
        yield partner


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
