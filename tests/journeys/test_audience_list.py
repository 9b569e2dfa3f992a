"""What the list of audiences shows follows what happens to them."""

import time
from functools import partial

import pytest

from tests.support.shop import Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]

BOUGHT = {"type": "event", "event": {"kind": "custom_event", "name": "Buy"}}


def test_figures_in_the_list_come_to_those_of_the_audience(shop: Shop) -> None:
    audience = shop.audience("Buyers", BOUGHT)
    shop.audience("Others", {"type": "event", "event": {"kind": "custom_event", "name": "Sell"}})

    for customers in (range(4), range(4, 9)):
        shop.send(*(_bought(customer) for customer in customers))
        shop.wait_until(partial(_shows, shop, customers.stop))

    row, other = shop.get("/v1/audiences?sort=-size")["items"]
    assert (row["id"], row["adds_24h"], row["drops_24h"], row["volatility"]) == (audience, 9, 0, 1.0)
    assert (other["size"], other["volatility"]) == (0, None)


def _shows(shop: Shop, size: int) -> bool:
    return bool(shop.get("/v1/audiences?sort=-size")["items"][0]["size"] == size)


def _bought(customer: int) -> dict[str, object]:
    data = {"event_name": "Buy", "custom_event_type": "other", "timestamp_unixtime_ms": time.time_ns() // 1_000_000}
    return {
        "source_request_id": f"buy-{customer}",
        "user_identities": {"customer_id": f"buyer-{customer}"},
        "events": [{"event_type": "custom_event", "data": data}],
    }
