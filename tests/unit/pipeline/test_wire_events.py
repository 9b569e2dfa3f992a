"""Events of the wire as the events that audiences speak of."""

from typing import Any

import pytest

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Event
from tests.support.batches import RECEIVED_AT, SOURCE, read, wire_event


def events(*wire: Any, **body: Any) -> tuple[Event, ...]:
    return read({"events": list(wire), **body}).events


def only(*wire: Any, **body: Any) -> Event:
    (event,) = events(*wire, **body)
    return event


def test_a_custom_event_keeps_its_name_type_and_attributes() -> None:
    event = only(
        wire_event(
            "custom_event",
            event_name="Play Video",
            custom_event_type="media",
            timestamp_unixtime_ms=1_795_428_000_000,
            custom_attributes={"length": 12.5, "title": "Alps", "muted": False, "skipped": None},
        )
    )

    assert (event.kind, event.name, event.at) == (EventKind.CUSTOM, "Play Video", 1_795_428_000_000)
    assert (event.workspace_id, event.input_id) == (SOURCE.workspace_id, SOURCE.input_id)
    assert event.attributes == {
        "length": 12.5,
        "title": "Alps",
        "muted": False,
        "skipped": None,
        "$custom_event_type": "media",
    }


def test_a_custom_event_of_type_attribution_is_an_attribution() -> None:
    event = only(wire_event("custom_event", event_name="re-engagement", custom_event_type="attribution"))

    assert (event.kind, event.name) == (EventKind.ATTRIBUTION, "re-engagement")
    assert event.attributes == {"$custom_event_type": "attribution"}


def test_a_purchase_keeps_its_figures_and_products() -> None:
    action = {
        "action": "purchase",
        "transaction_id": "T-9",
        "total_amount": 84.5,
        "tax_amount": 4,
        "shipping_amount": 2.5,
        "coupon_code": "SPRING",
        "affiliation": "web",
        "checkout_step": 3,
        "product_action_list": "recommended",
        "product_list_source": "home",
        "products": [
            {
                "id": "boot-2",
                "name": "Boot",
                "brand": "Ridge",
                "category": "shoes",
                "variant": "red",
                "position": 1,
                "price": 84.5,
                "quantity": 1,
                "coupon_code": "BOOT",
                "total_product_amount": 84.5,
                "custom_attributes": {"size": 44, "name": "not this"},
            },
            None,
        ],
    }

    event = only(wire_event("commerce_event", product_action=action, currency_code="USD", screen_name="Cart"))

    assert (event.kind, event.name) == (EventKind.COMMERCE, "purchase")
    assert event.attributes == {
        "$transaction_id": "T-9",
        "$total_amount": 84.5,
        "$tax_amount": 4,
        "$shipping_amount": 2.5,
        "$coupon_code": "SPRING",
        "$affiliation": "web",
        "$checkout_step": 3,
        "$product_action_list": "recommended",
        "$product_list_source": "home",
        "$currency": "USD",
        "$screen_name": "Cart",
    }
    assert event.products == (
        {
            "id": "boot-2",
            "name": "Boot",
            "brand": "Ridge",
            "category": "shoes",
            "variant": "red",
            "position": 1,
            "price": 84.5,
            "quantity": 1,
            "coupon_code": "BOOT",
            "total_amount": 84.5,
            "size": 44,
        },
    )


def test_a_total_that_nobody_told_is_not_made_up() -> None:
    product = {"id": "boot-2", "price": 84.5, "quantity": 2}

    event = only(wire_event("commerce_event", product_action={"action": "refund", "products": [product]}))

    assert event.attributes == {}
    assert event.products == (product,)


@pytest.mark.parametrize(("action", "name"), [("view", "promotion_view"), ("click", "promotion_click")])
def test_promotions_stand_where_products_do(action: str, name: str) -> None:
    promotion = {"id": "p-1", "name": "Spring", "creative": "banner", "position": "top"}

    event = only(wire_event("commerce_event", promotion_action={"action": action, "promotions": [promotion]}))

    assert (event.name, event.products) == (name, (promotion,))


def test_the_products_of_all_impressions_are_products() -> None:
    impressions = [{"products": [{"id": "a"}]}, {"products": [{"id": "b"}, {"id": "c"}]}, {"products": None}]

    event = only(wire_event("commerce_event", product_impressions=impressions))

    assert (event.name, event.products) == ("impression", ({"id": "a"}, {"id": "b"}, {"id": "c"}))


def test_a_crash_that_calls_itself_commerce_is_a_crash() -> None:
    event = only(wire_event("commerce_event", class_name="NullPointer", severity="error"))

    assert event.kind is EventKind.CRASH


@pytest.mark.parametrize(
    ("wire", "kind"),
    [
        (wire_event("session_start"), EventKind.SESSION_START),
        (wire_event("crash_report", message="boom"), EventKind.CRASH),
        (wire_event("uninstall"), EventKind.UNINSTALL),
        (wire_event("first_run"), EventKind.INSTALL),
        (wire_event("push_reaction"), EventKind.PUSH_OPENED),
        (wire_event("push_message", push_message_type="action"), EventKind.PUSH_OPENED),
    ],
)
def test_events_without_names(wire: dict[str, Any], kind: EventKind) -> None:
    event = only(wire)

    assert (event.kind, event.name) == (kind, "")


def test_a_screen_view_is_named_after_its_screen() -> None:
    event = only(wire_event("screen_view", screen_name="Home"))

    assert (event.kind, event.name) == (EventKind.SCREEN_VIEW, "Home")


def test_the_end_of_a_session_tells_its_length() -> None:
    event = only(wire_event("session_end", session_duration_ms=90_000))

    assert (event.kind, event.attributes) == (EventKind.SESSION_END, {"$session_duration_ms": 90_000})


def test_a_first_start_is_an_install_and_a_start_after_upgrading_an_upgrade() -> None:
    both = events(
        wire_event(
            "application_state_transition",
            application_transition_type="application_initialized",
            is_first_run=True,
            is_upgrade=True,
            source_message_id="m-1",
        )
    )

    assert [event.kind for event in both] == [EventKind.INSTALL, EventKind.UPGRADE]
    assert len({event.event_id for event in both}) == 2


@pytest.mark.parametrize(
    "wire",
    [
        wire_event("application_state_transition", application_transition_type="application_exit", is_first_run=True),
        wire_event("application_state_transition", application_transition_type="application_initialized"),
        wire_event("push_message", push_message_type="received"),
        wire_event("breadcrumb", label="here"),
        wire_event("network_performance"),
        wire_event("user_attribute_change", user_attribute_name="tier", new="gold", old=None),
        wire_event("profile", profile_event_type="signup"),
        {"timestamp_unixtime_ms": 5, "event_name": "bare"},
        None,
    ],
)
def test_what_audiences_cannot_speak_of_is_left_to_the_archive(wire: Any) -> None:
    assert events(wire) == ()


def test_every_event_tells_application_and_platform() -> None:
    event = only(
        wire_event("session_start", custom_attributes={"$platform": "mine", "x": 1}),
        application_info={"application_version": "4.2", "application_build_number": "421", "package": "co.shop"},
        device_info={"platform": "iOS"},
    )

    assert event.attributes == {"x": 1, "$app_version": "4.2", "$app_build": "421", "$platform": "iOS"}


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", -5, 0, True, 10**18, [1]])
def test_an_event_without_a_usable_time_happened_when_it_was_received(timestamp: Any) -> None:
    assert only(wire_event("session_start", timestamp_unixtime_ms=timestamp)).at == RECEIVED_AT


@pytest.mark.parametrize("timestamp", ["1795428000000", 1_795_428_000_000.0])
def test_a_time_may_be_written_as_text_or_with_a_fraction(timestamp: Any) -> None:
    assert only(wire_event("session_start", timestamp_unixtime_ms=timestamp)).at == 1_795_428_000_000


def test_an_event_told_twice_has_one_id() -> None:
    wire = wire_event("session_start", source_message_id="m-1")

    first = only(wire)
    again = read({"events": [None, wire]}, batch_id="request-2").events[0]

    assert first.event_id == again.event_id
    assert len(first.event_id) == 8


def test_events_without_an_id_are_told_apart_by_batch_place_and_input() -> None:
    wire = wire_event("session_start")
    other_input = type(SOURCE)(SOURCE.account_id, SOURCE.workspace_id, type(SOURCE.input_id)("i-2"))

    seen = [
        *read({"events": [wire, wire]}).events,
        *read({"events": [wire]}, batch_id="request-2").events,
        *read({"events": [wire]}, source=other_input).events,
    ]

    assert len({event.event_id for event in seen}) == 4
    assert read({"events": [wire, wire]}).events == tuple(seen[:2])


def test_event_attributes_are_kept_within_limits() -> None:
    given: dict[str, Any] = {f"a{number:03}": number for number in range(150)}
    given |= {"A" * 300: "x" * 5000, "B": {"b": 2, "a": [1]}, "C": 2**80, "D": "\ud83d"}

    attributes = only(wire_event("screen_view", screen_name="s" * 300, custom_attributes=given)).attributes

    assert len(attributes) == 100
    assert attributes["A" * 256] == "x" * 4096
    assert attributes["B"] == '{"a":[1],"b":2}'
    assert attributes["C"] == str(2**80)
    assert attributes["D"] == "\ufffd"
    assert sorted(attributes)[-1] == "a095"


def test_names_are_kept_within_limits() -> None:
    assert only(wire_event("screen_view", screen_name="s" * 300)).name == "s" * 256
