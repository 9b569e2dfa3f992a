"""What a client is told about a batch that breaks the contract, and what is let pass."""

from typing import Any

import pytest

from audience_core.errors import MalformedBatchError
from audience_core.pipeline.wire.body import parse, size_of
from audience_core.pipeline.wire.validation import check_batch, check_bulk_batch
from tests.support.batches import wire_event

CUSTOM = wire_event("custom_event", event_name="Play", custom_event_type="other")


def fault(body: Any) -> str:
    with pytest.raises(MalformedBatchError) as raised:
        check_batch(body)
    return str(raised.value)


def event_fault(event: Any) -> str:
    return fault({"events": [CUSTOM, event]})


@pytest.mark.parametrize("body", [None, [], "batch", 5, True])
def test_a_batch_is_an_object(body: Any) -> None:
    assert fault(body) == "A batch must be a JSON object."


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("events", {}, '"events" must be an array.'),
        ("events", "x", '"events" must be an array.'),
        ("source_request_id", 5, '"source_request_id" must be a string.'),
        ("environment", 5, '"environment" must be a string.'),
        ("environment", "staging", '"environment" must be "production" or "development".'),
        ("user_identities", ["a@b.co"], '"user_identities" must be an object.'),
        ("user_identities", {"email": ["a@b.co"]}, '"user_identities.email" must be a string.'),
        ("user_identities", {"email": True}, '"user_identities.email" must be a string.'),
        ("user_attributes", [], '"user_attributes" must be an object.'),
        ("deleted_user_attributes", "tier", '"deleted_user_attributes" must be an array.'),
        ("device_info", "iOS", '"device_info" must be an object.'),
        ("consent_state", 1, '"consent_state" must be an object.'),
        ("mpid", 2**63, '"mpid" must be a signed 64-bit integer.'),
        ("mpid", 1.5, '"mpid" must be a signed 64-bit integer.'),
        ("mpid", "twelve", '"mpid" must be a signed 64-bit integer.'),
        ("mpid", True, '"mpid" must be a signed 64-bit integer.'),
    ],
)
def test_fields_of_a_batch_have_types(field: str, value: Any, message: str) -> None:
    assert fault({field: value}) == message


@pytest.mark.parametrize("event", [{}, {"event_type": None}, {"event_type": ""}, {"event_name": "bare", "data": {}}])
def test_an_event_without_a_type_is_answered_as_documented(event: Any) -> None:
    assert event_fault(event) == 'Required event field "event_type" is missing or empty.'


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (None, '"events[1]" must be an object.'),
        ("session_start", '"events[1]" must be an object.'),
        ({"event_type": 5}, '"events[1].event_type" is not an event type.'),
        ({"event_type": "teleported"}, '"events[1].event_type" is not an event type.'),
        ({"event_type": "session_start", "data": []}, '"events[1].data" must be an object.'),
        (wire_event("session_start", custom_attributes=[]), '"events[1].data.custom_attributes" must be an object.'),
        (wire_event("session_start", location="here"), '"events[1].data.location" must be an object.'),
        (wire_event("session_start", source_message_id=5), '"events[1].data.source_message_id" must be a string.'),
        (
            {"event_type": "custom_event"},
            'Required event field "event_name" is missing or empty ("events[1].data").',
        ),
        (
            wire_event("custom_event", event_name="Play"),
            'Required event field "custom_event_type" is missing or empty ("events[1].data").',
        ),
        (
            wire_event("custom_event", event_name=5, custom_event_type="other"),
            '"events[1].data.event_name" must be a string.',
        ),
        (
            wire_event("application_state_transition"),
            'Required event field "application_transition_type" is missing or empty ("events[1].data").',
        ),
        (wire_event("breadcrumb"), 'Required event field "label" is missing or empty ("events[1].data").'),
        (
            wire_event("push_registration", registration_token="t"),
            'Required event field "register" is missing or empty ("events[1].data").',
        ),
        (
            wire_event("push_registration", registration_token="t", register="yes"),
            '"events[1].data.register" must be true or false.',
        ),
    ],
)
def test_events_name_the_field_at_fault(event: Any, message: str) -> None:
    assert event_fault(event) == message


@pytest.mark.parametrize(
    ("event", "start"),
    [
        (wire_event("custom_event", event_name="a", custom_event_type="b"), '"events[1].data.custom_event_type"'),
        (
            wire_event("application_state_transition", application_transition_type="b"),
            '"events[1].data.application_transition_type"',
        ),
        (wire_event("push_message", push_message_type="b"), '"events[1].data.push_message_type"'),
        (wire_event("commerce_event", product_action={"action": "b"}), '"events[1].data.product_action.action"'),
        (wire_event("commerce_event", promotion_action={"action": "b"}), '"events[1].data.promotion_action.action"'),
    ],
)
def test_closed_sets_are_told_whole(event: Any, start: str) -> None:
    message = event_fault(event)

    assert message.startswith(f"{start} must be one of: ")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"product_action": None, "promotion_action": {}, "product_impressions": []},
        {"product_action": {"action": "click"}, "promotion_action": {"action": "click"}},
        {"product_action": {"action": "click"}, "product_impressions": [{}]},
    ],
)
def test_a_commerce_event_is_exactly_one_thing(data: dict[str, Any]) -> None:
    assert event_fault(wire_event("commerce_event", **data)) == (
        '"events[1].data" must have exactly one of "product_action", "promotion_action" and "product_impressions".'
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"product_action": "buy"}, '"events[1].data.product_action" must be an object.'),
        ({"product_impressions": {"a": 1}}, '"events[1].data.product_impressions" must be an array.'),
        (
            {"product_action": {"products": [{}]}},
            'Required commerce event field "action" is missing or empty ("events[1].data.product_action").',
        ),
        (
            {"product_action": {"action": "click", "products": {}}},
            '"events[1].data.product_action.products" must be an array.',
        ),
        (
            {"product_action": {"action": "click", "products": [{}, 5]}},
            '"events[1].data.product_action.products[1]" must be an object.',
        ),
        (
            {"promotion_action": {"action": "view", "promotions": [5]}},
            '"events[1].data.promotion_action.promotions[0]" must be an object.',
        ),
        ({"product_impressions": [5]}, '"events[1].data.product_impressions[0]" must be an object.'),
        (
            {"product_impressions": [{"products": [5]}]},
            '"events[1].data.product_impressions[0].products[0]" must be an object.',
        ),
    ],
)
def test_parts_of_a_commerce_event_have_types(data: dict[str, Any], message: str) -> None:
    assert event_fault(wire_event("commerce_event", **data)) == message


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"events": None, "mpid": None, "user_identities": None, "device_info": None, "environment": None},
        {"mpid": "-5", "environment": "unknown", "user_identities": {"email": None, "customerid": 5}},
        {"events": [], "consent_state": {"ccpa": {}}, "integration_attributes": None, "ip": None},
        {"events": [{"event_type": "session_start", "data": None}, {"event_type": "uninstall"}]},
        {"events": [wire_event("custom_event", event_name="a", custom_event_type="unknown")]},
        {"events": [wire_event("commerce_event", message="boom", product_action=None)]},
        {"events": [wire_event("commerce_event", product_action={"action": "click", "products": [None]})]},
        {"events": [wire_event("commerce_event", product_impressions=[None, {"products": None}])]},
        {"events": [wire_event("session_start", timestamp_unixtime_ms="soon", custom_attributes=None)]},
        {"events": [wire_event("user_attribute_change", user_attribute_name="a", new=None, old=None)]},
    ],
)
def test_what_real_clients_send_passes(body: dict[str, Any]) -> None:
    check_batch(body)
    check_bulk_batch(body)


def test_in_bulk_an_event_without_a_type_spares_its_batch() -> None:
    check_bulk_batch({"events": [CUSTOM, {"event_name": "bare"}, {"event_type": ""}]})


@pytest.mark.parametrize("event", [None, {"event_type": "teleported"}, wire_event("custom_event")])
def test_in_bulk_other_faults_spoil_the_batch(event: Any) -> None:
    with pytest.raises(MalformedBatchError):
        check_bulk_batch({"events": [event]})


def test_a_message_shows_no_more_of_the_clients_names_than_it_must() -> None:
    message = fault({"user_identities": {"é" * 400: []}})

    assert message.isascii()
    assert len(message) < 300


@pytest.mark.parametrize(
    "body", [b"", b"{", b"{'a':1}", b"\xff\xfe", b'{"a":NaN}', b'{"a":Infinity}', b'{"a":1e999}', b"[" * 100_000]
)
def test_what_is_not_json_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedBatchError, match="not valid JSON"):
        parse(body)


def test_json_nested_too_deeply_is_refused() -> None:
    assert parse(b"[" * 32 + b"]" * 32)
    with pytest.raises(MalformedBatchError, match="nested"):
        parse(b"[" * 33 + b"]" * 33)
    with pytest.raises(MalformedBatchError, match="nested"):
        parse(b'{"a":' * 33 + b"1" + b"}" * 33)


def test_a_byte_order_mark_is_no_fault() -> None:
    assert parse(b'\xef\xbb\xbf{"a":1.5}') == {"a": 1.5}


def test_a_size_is_that_of_the_compact_text() -> None:
    assert size_of(parse(b'{ "a" : "\\u00e9" }')) == len('{"a":"é"}'.encode())
    assert size_of("\ud800") == len('"\\ud800"')
