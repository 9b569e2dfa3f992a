"""The sample shop: the same every time, plausible, and telling for its five audiences."""

from collections import Counter, defaultdict
from typing import Any

import pytest

from local.sample_shop import INPUTS, ShopBatch, batches
from local.shop.audiences import AUDIENCES
from local.shop.people import DAY_MS
from local.shop.play import BATCHES_PER_REQUEST, bulk_requests, phases

NOW = 1_795_487_928_000


@pytest.fixture(scope="module")
def shop() -> list[ShopBatch]:
    return batches(NOW)


def events_of(shop: list[ShopBatch]) -> list[dict[str, Any]]:
    return [event for batch in shop for event in batch.body.get("events", [])]


def at(event: dict[str, Any]) -> int:
    return int(event["data"]["timestamp_unixtime_ms"])


def action(event: dict[str, Any]) -> str | None:
    found: str | None = event["data"].get("product_action", {}).get("action")
    return found


def profiles(shop: list[ShopBatch]) -> list[list[ShopBatch]]:
    """Batches by customer: those of a device that never logged in are one of their own."""
    owners = {
        batch.body["mp_deviceid"]: batch.body["user_identities"]["customer_id"]
        for batch in shop
        if "user_identities" in batch.body and "mp_deviceid" in batch.body
    }
    found: dict[str, list[ShopBatch]] = defaultdict(list)
    for batch in shop:
        known = batch.body.get("user_identities", {}).get("customer_id")
        stamp = batch.body.get("mp_deviceid", "")
        found[known or owners.get(stamp, stamp)].append(batch)
    return list(found.values())


def members(shop: list[ShopBatch]) -> list[int]:
    """Sizes of the five audiences, by their descriptions."""
    sizes = [0] * len(AUDIENCES)
    for own in profiles(shop):
        for number, is_member in enumerate(_memberships(own)):
            sizes[number] += is_member
    return sizes


def _memberships(own: list[ShopBatch]) -> tuple[bool, ...]:
    events = events_of(own)

    def last(days: int, what) -> list[dict[str, Any]]:
        return [each for each in events if NOW - days * DAY_MS <= at(each) <= NOW and what(each)]

    def is_session(each: dict[str, Any]) -> bool:
        return bool(each["event_type"] == "session_start")

    installs = last(3, lambda each: each["data"].get("is_first_run"))
    spent = sum(
        each["data"]["product_action"]["total_amount"] for each in last(30, lambda each: action(each) == "purchase")
    )
    attributes = {name: value for each in own for name, value in each.body.get("user_attributes", {}).items()}
    has_email = any("email" in each.body.get("user_identities", {}) for each in own)
    sessions = len(last(30, is_session))
    return (
        bool(installs) and sessions < 3,
        spent >= 250 and sessions >= 4,
        bool(last(3, lambda e: action(e) == "add_to_cart")) and not last(3, lambda e: action(e) == "purchase"),
        sessions >= 3 and not last(7, is_session),
        attributes.get("tier") == "gold" and attributes.get("newsletter") is True and has_email,
    )


def test_the_shop_is_the_same_every_time() -> None:
    assert batches(NOW, customers=40) == batches(NOW, customers=40)


def test_another_now_moves_times_and_keeps_ids() -> None:
    first, later = batches(NOW, customers=40), batches(NOW + 1000, customers=40)

    assert [each.body["source_request_id"] for each in first] == [each.body["source_request_id"] for each in later]
    assert [at(each) + 1000 for each in events_of(first)] == [at(each) for each in events_of(later)]


def test_it_is_as_large_as_it_says(shop: list[ShopBatch]) -> None:
    assert 7_000 <= len(shop) <= 10_000
    assert 30_000 <= len(events_of(shop)) <= 40_000
    assert len(profiles(shop)) == 2000


def test_batches_come_in_order_of_time_and_end_before_now(shop: list[ShopBatch]) -> None:
    times = [each.at for each in shop]

    assert times == sorted(times)
    assert NOW - 60 * DAY_MS < times[0] < NOW - 50 * DAY_MS
    assert NOW - DAY_MS < max(map(at, events_of(shop))) <= NOW


def test_no_id_is_given_twice(shop: list[ShopBatch]) -> None:
    requests = Counter(each.body["source_request_id"] for each in shop)
    messages = Counter(each["data"]["source_message_id"] for each in events_of(shop))

    assert max(requests.values()) == 1
    assert max(messages.values()) == 1


def test_events_of_a_batch_are_in_order(shop: list[ShopBatch]) -> None:
    assert all([*map(at, own)] == sorted(map(at, own)) for each in shop if (own := each.body.get("events", [])))


def test_two_in_three_customers_have_an_email_and_some_two_devices(shop: list[ShopBatch]) -> None:
    own = profiles(shop)
    with_email = sum(any("email" in each.body.get("user_identities", {}) for each in batches) for batches in own)
    with_two = sum(len({each.body.get("mp_deviceid") for each in batches} - {None}) > 1 for batches in own)

    assert 0.6 <= with_email / len(own) <= 0.7
    assert 0.05 <= with_two / len(own) <= 0.25


def test_customers_log_in_after_they_were_anonymous(shop: list[ShopBatch]) -> None:
    converted = [
        own
        for own in profiles(shop)
        if "user_identities" not in own[0].body and any("user_identities" in each.body for each in own)
    ]

    assert len(converted) > 1000


def test_every_kind_of_thing_happens(shop: list[ShopBatch]) -> None:
    kinds = Counter(action(each) or each["event_type"] for each in events_of(shop))

    expected = {"session_start", "session_end", "screen_view", "custom_event", "application_state_transition"}
    expected |= {"add_to_cart", "checkout", "purchase", "refund", "push_message", "push_registration", "uninstall"}
    assert expected <= kinds.keys()
    assert {each.input_name for each in shop} == INPUTS.keys()


def test_each_audience_has_some_members_and_not_most(shop: list[ShopBatch]) -> None:
    assert all(40 <= size <= 500 for size in members(shop)), members(shop)


def test_every_purchase_adds_up(shop: list[ShopBatch]) -> None:
    for event in events_of(shop):
        if action(event) == "purchase":
            bought = event["data"]["product_action"]
            total = sum(each["total_product_amount"] for each in bought["products"])
            assert bought["total_amount"] == pytest.approx(total)


def test_requests_hold_every_batch_once_within_their_limits(shop: list[ShopBatch]) -> None:
    requests = list(bulk_requests(shop))

    assert sum(len(each.batches) for each in requests) == len(shop)
    assert max(len(each.batches) for each in requests) <= BATCHES_PER_REQUEST
    assert max(len(each.body) for each in requests) < 256_000


def test_phases_keep_what_identity_depends_on(shop: list[ShopBatch]) -> None:
    unknown, sign_ups, rest = phases(shop)

    assert len(unknown) + len(sign_ups) + len(rest) == len(shop)
    assert all("user_identities" not in each.body for each in unknown)
    signed_up = {each.body["user_identities"]["customer_id"]: each for each in sign_ups}
    assert all(each.at >= signed_up[each.body["user_identities"]["customer_id"]].at for each in rest)
    # On the device of their first visit: only so do the visits before become theirs.
    first_devices = {own[0].body["mp_deviceid"] for own in profiles(shop)}
    assert {each.body["mp_deviceid"] for each in sign_ups} <= first_devices
