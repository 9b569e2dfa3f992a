"""Years of history become an archive, and lifetime audiences over it, on the running product."""

import time
from collections.abc import Iterator

import pytest

from local.stack import Stack
from tests.journeys.test_backbone import a_view, now_ms
from tests.support.partners import FaultyPartner
from tests.support.shop import Json, Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]

DAY_MS = 86_400_000
HISTORY = "/v2/bulkevents/historical"
PEOPLE = 30


@pytest.fixture
def premium(stack: Stack, partner: FaultyPartner) -> Iterator[Shop]:
    opened = Shop(stack, partner, has_lifetime_audiences=True)
    yield opened
    opened.close()


def seen_often(times: int) -> Json:
    return {
        "type": "event",
        "event": {"kind": "screen_view", "name": "Offer"},
        "window": {"type": "within_last", "duration": {"amount": 4000, "unit": "days"}},
        "frequency": {"type": "compare", "operator": "greater_or_equal", "value": times},
    }


def drafted(shop: Shop, name: str, root: Json) -> int:
    body = {
        "name": name,
        "kind": "lifetime",
        "workspaces": [shop.workspace],
        "inputs": [shop.input["id"]],
        "definition": {"version": 1, "root": root},
    }
    return int(shop.post("/v1/audiences", body)["id"])


def compacted(shop: Shop, events: int) -> None:
    """Compact until the archive holds so many events."""

    def is_there() -> bool:
        shop.post("/v1/archive/compactions")
        time.sleep(3)
        return bool(shop.get("/v1/archive")["events"] == events)

    shop.wait_until(is_there, 240)


def test_history_and_today_are_calculated_together(premium: Shop) -> None:
    now = now_ms()
    old = [a_view(each, now - (400 + each) * DAY_MS, f"old-{each}") for each in range(PEOPLE)]
    live = [a_view(each, now - each * 1000, f"new-{each}") for each in range(0, PEOPLE, 3)]
    premium.send(*old, path=HISTORY)
    premium.send(*live)
    recent = premium.audience("Recent", {"type": "event", "event": {"kind": "screen_view", "name": "Offer"}})
    premium.wait_until(lambda: premium.size(recent) == len(live))
    compacted(premium, PEOPLE + len(live))
    once, twice = drafted(premium, "Once", seen_often(1)), drafted(premium, "Twice", seen_often(2))
    nested = {"type": "all_of", "criteria": [seen_often(2), {"type": "audience_membership", "audience_id": recent}]}
    both = drafted(premium, "Both", nested)

    started = premium.post("/v1/lifetime-calculations", {"audience_ids": [once, twice, both]})
    premium.wait_until(lambda: premium.get(f"/v1/jobs/{started['id']}")["state"] in ("succeeded", "failed"), 240)

    calculation = premium.get(f"/v1/lifetime-calculations/{started['id']}")
    assert (calculation["state"], calculation["error"]) == ("succeeded", None)
    assert (len(premium.members(once)), len(premium.members(twice))) == (PEOPLE, len(live))
    assert premium.members(twice) == premium.members(recent) == premium.members(both)
    row = premium.get(f"/v1/audiences/{once}")
    assert (row["status"], row["size"]) == ("ready", PEOPLE)
    assert premium.get("/v1/lifetime-calculations/quota")["used"] == calculation["credits"] == 2
    assert sent(premium, once) == "sent"
    # Most of them were never here but in the past, and have no profile.
    assert premium.told(once) == premium.members(once)


def sent(shop: Shop, audience: int) -> str:
    """What became of its only connection, which is made for it."""
    connected = shop.post(f"/v1/audiences/{audience}/connections", {"output_id": shop.output["id"]})
    assert connected["status"] == "inactive"
    job = shop.post(f"/v1/audiences/{audience}/send")
    shop.wait_until(lambda: shop.get(f"/v1/jobs/{job['id']}")["state"] in ("succeeded", "failed"), 120)
    found = shop.get(f"/v1/jobs/{job['id']}")
    assert (found["state"], found["progress"]) == ("succeeded", 1.0), found
    (result,) = found["results"]
    return str(result["code"])
