"""What happens in one visit, as wire events: looking around, searching, filling a cart, buying or not."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

from local.shop.catalog import PRODUCTS, SCREENS, SEARCHES, Product
from local.shop.people import Customer, Habit, stable_id
from local.shop.visits import Visit

type Event = dict[str, Any]
CURRENCY = "USD"
# Of those who filled a cart.
BUYERS = {Habit.ENTHUSIAST: 0.75, Habit.NEWCOMER: 0.35, Habit.ONE_OFF: 0.3}
SHOPPERS = {Habit.ENTHUSIAST: 0.45, Habit.NEWCOMER: 0.35}


@dataclass
class Clock:
    """Gives the events of one visit their times and ids."""

    draw: Random
    key: str
    at: int
    start: int
    events: list[Event] = field(default_factory=list)

    def say(self, event_type: str, seconds: tuple[int, int] = (3, 90), **data: Any) -> None:
        """Add an event some seconds after the one before."""
        self.at += self.draw.randint(*seconds) * 1000
        ids = {"timestamp_unixtime_ms": self.at, "source_message_id": stable_id(self.key, len(self.events))}
        session = {"session_uuid": stable_id(self.key), "session_start_unixtime_ms": self.start}
        self.events.append({"event_type": event_type, "data": {**ids, **session, **data}})


def of_visit(draw: Random, customer: Customer, visit: Visit, now_ms: int, key: str) -> list[Event]:
    """All events of a visit, in order of time."""
    start = now_ms - visit.ago_ms
    clock = Clock(draw, key, start, start)
    _arrive(clock, customer, visit)
    _look_around(clock)
    _shop(clock, customer)
    clock.say("session_end", session_duration_ms=clock.at - start)
    return clock.events


def refund_of(purchase: Event, at: int, key: str) -> Event:
    """The last product of a purchase, sent back."""
    action = purchase["data"]["product_action"]
    product = action["products"][-1]
    data = {
        "timestamp_unixtime_ms": at,
        "source_message_id": stable_id(key, "refund"),
        "currency_code": CURRENCY,
        "product_action": {
            "action": "refund",
            "transaction_id": action["transaction_id"],
            "total_amount": product["total_product_amount"],
            "products": [product],
        },
    }
    return {"event_type": "commerce_event", "data": data}


def _arrive(clock: Clock, customer: Customer, visit: Visit) -> None:
    push_token = visit.device.push_token
    place = customer.place
    if push_token and not visit.is_first_on_device and clock.draw.random() < 0.15:
        clock.say("push_message", (0, 0), push_message_type="received", message="Back in stock")
        clock.say("push_message", push_message_type="action", message="Back in stock")
    clock.say(
        "session_start",
        (0, 5),
        location={
            "country_code": place.country,
            "city_name": place.city,
            "latitude": place.latitude,
            "longitude": place.longitude,
        },
    )
    if visit.is_first_on_device:
        kind = "application_initialized"
        clock.say("application_state_transition", (0, 1), application_transition_type=kind, is_first_run=True)
        if push_token:
            clock.say("push_registration", (2, 20), register=True, registration_token=push_token)


def _look_around(clock: Clock) -> None:
    for _ in range(clock.draw.choice((1, 1, 2, 3))):
        clock.say("screen_view", screen_name=clock.draw.choice(SCREENS))
    if clock.draw.random() < 0.3:
        query = {"query": clock.draw.choice(SEARCHES), "results": clock.draw.randint(0, 40)}
        clock.say("custom_event", event_name="Search", custom_event_type="search", custom_attributes=query)
    if clock.draw.random() < 0.004:
        clock.say("crash_report", (0, 2), class_name="CheckoutView", message="index out of range")


def _shop(clock: Clock, customer: Customer) -> None:
    draw = clock.draw
    if draw.random() >= SHOPPERS.get(customer.habit, 0.22):
        return
    lines = [_line(each, draw.choice((1, 1, 1, 2))) for each in draw.sample(PRODUCTS, draw.choice((1, 1, 2, 3)))]
    for line in lines:
        _commerce(clock, "add_to_cart", [line])
    if draw.random() < BUYERS.get(customer.habit, 0.5):
        _commerce(clock, "checkout", lines)
        _commerce(clock, "purchase", lines, transaction_id=f"T-{stable_id(clock.key)[:8]}")


def _commerce(clock: Clock, action: str, lines: list[dict[str, Any]], **more: Any) -> None:
    total = round(sum(each["total_product_amount"] for each in lines), 2)
    product_action = {"action": action, "total_amount": total, "products": lines, **more}
    clock.say("commerce_event", currency_code=CURRENCY, product_action=product_action)


def _line(product: Product, quantity: int) -> dict[str, Any]:
    return {
        "id": product.product_id,
        "name": product.name,
        "category": product.category,
        "price": product.price,
        "quantity": quantity,
        "total_product_amount": round(product.price * quantity, 2),
    }
