"""The sample shop: sixty days of an outdoor shop's customers, as the batches its apps would have sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random
from typing import Any

from local.shop.actions import Event, of_visit, refund_of
from local.shop.people import DAY_MS, Customer, Habit, a_customer, stable_id
from local.shop.visits import Visit, visits

CUSTOMERS = 2000
SEED = 7
# The feed through which the shop's back office tells what no app knows.
BACK_OFFICE = "back_office"
INPUTS = {"ios": "iOS app", "android": "Android app", "web": "Web shop", BACK_OFFICE: "Back office"}


@dataclass(frozen=True, slots=True)
class ShopBatch:
    """A batch as it goes over the wire.

    Args:
        input_name: a key of `INPUTS`: whose key and secret it is sent with.
        at: UTC ms of its last event, when the app would have sent it.
    """

    input_name: str
    at: int
    body: dict[str, Any]


def batches(now_ms: int, customers: int = CUSTOMERS, seed: int = SEED) -> list[ShopBatch]:
    """Everything up to `now_ms`, in order of time; another now moves all times and changes nothing else."""
    found = [batch for number in range(customers) for batch in _of_customer(a_customer(seed, number), seed, now_ms)]
    return sorted(found, key=lambda batch: (batch.at, batch.body["source_request_id"]))


def _of_customer(customer: Customer, seed: int, now_ms: int) -> Iterator[ShopBatch]:
    draw = Random(f"{seed}/life/{customer.number}")
    known: list[Event] = []
    for visit in visits(draw, customer):
        key = f"{seed}/{customer.number}/{visit.index}"
        events = of_visit(draw, customer, visit, now_ms, key)
        if _is_signed_up(customer, visit, 1):
            known += events
        yield from _of_visit(draw, customer, visit, events, key)
    if known:
        yield from _of_back_office(draw, customer, known, seed, now_ms)


def _of_visit(draw: Random, customer: Customer, visit: Visit, events: list[Event], key: str) -> Iterator[ShopBatch]:
    """One batch, or two when the app was sent to the background in between; the later one knows of a sign-up."""
    cut = len(events) // 2 if draw.random() < 0.04 or visit.index == customer.signs_up_at_visit else len(events)
    for part, some in enumerate(filter(None, (events[:cut], events[cut:]))):
        is_new = visit.is_first_on_device and part == 0
        body = _body(customer, visit, some, is_signed_up=_is_signed_up(customer, visit, part), is_new=is_new)
        yield _batch(visit.device.input_name, body, stable_id(key, "batch", part))


def _is_signed_up(customer: Customer, visit: Visit, part: int) -> bool:
    since = customer.signs_up_at_visit
    return since is not None and (visit.index, part) >= (since, 1)


def _body(customer: Customer, visit: Visit, events: list[Event], *, is_signed_up: bool, is_new: bool) -> dict[str, Any]:
    body: dict[str, Any] = {
        "mp_deviceid": visit.device.stamp,
        "device_info": visit.device.info,
        "application_info": {"application_name": "Trailhead", "application_version": "4.2.0"},
        "events": events,
    }
    if is_new and customer.publisher:
        publisher, campaign = customer.publisher
        body["attribution_info"] = {"service_provider": "Sample", "publisher": publisher, "campaign": campaign}
    if is_signed_up:
        body["user_identities"] = _identities(customer)
        body["user_attributes"] = {"$country": customer.place.country, **customer.attributes}
        body |= _consent(customer, _time(events[0]))
    return body


def _identities(customer: Customer) -> dict[str, str]:
    return {"customer_id": customer.customer_id, **({"email": customer.email} if customer.email else {})}


def _consent(customer: Customer, at: int) -> dict[str, Any]:
    match customer.place.regulation:
        case "gdpr":
            given = {"consented": customer.consents, "timestamp_unixtime_ms": at}
            return {"consent_state": {"gdpr": {"marketing": given}}}
        case "ccpa":
            opted_out = {"consented": not customer.consents, "timestamp_unixtime_ms": at}
            return {"consent_state": {"ccpa": {"data_sale_opt_out": opted_out}}}
        case _:
            return {}


def _of_back_office(
    draw: Random, customer: Customer, known: list[Event], seed: int, now_ms: int
) -> Iterator[ShopBatch]:
    """What the customer database adds after the last visit, and refunds.

    Args:
        known: events of the visits since the sign-up: the office knows no others.
    """
    key = f"{seed}/{customer.number}/office"
    identities: dict[str, Any] = {"user_identities": _identities(customer)}
    known_at = (_time(known[-1]) + now_ms) // 2
    if customer.tier:
        body = {**identities, "user_attributes": {"tier": customer.tier}}
        yield _batch(BACK_OFFICE, body, stable_id(key, "tier"), known_at)
    for purchase in filter(_is_purchase, known):
        at = _time(purchase) + int(draw.uniform(1, 9) * DAY_MS)
        if draw.random() < 0.08 and at < now_ms:
            refund_key = f"{key}/{purchase['data']['source_message_id']}"
            body = {**identities, "events": [refund_of(purchase, at, refund_key)]}
            yield _batch(BACK_OFFICE, body, stable_id(refund_key))
    if customer.habit is Habit.ONE_OFF and draw.random() < 0.2:
        data = {"timestamp_unixtime_ms": known_at, "source_message_id": stable_id(key, "uninstall")}
        body = {**identities, "events": [{"event_type": "uninstall", "data": data}]}
        yield _batch(BACK_OFFICE, body, stable_id(key, "gone"))


def _time(event: Event) -> int:
    at: int = event["data"]["timestamp_unixtime_ms"]
    return at


def _is_purchase(event: Event) -> bool:
    return bool(event["data"].get("product_action", {}).get("action") == "purchase")


def _batch(input_name: str, body: dict[str, Any], request_id: str, at: int = 0) -> ShopBatch:
    """Sent with its last event; without events, at the time given."""
    events = body.get("events")
    sent_at = _time(events[-1]) if events else at
    whole = {"environment": "production", "source_request_id": request_id, "timestamp_unixtime_ms": sent_at, **body}
    return ShopBatch(input_name, sent_at, whole)
