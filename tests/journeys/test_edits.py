"""Activating, editing and restoring an audience on the running product, whatever happens to the workers."""

import time
from typing import Any

import pytest

from tests.journeys.test_backbone import a_view, viewed
from tests.support.shop import Json, Shop, kill_workers

pytestmark = [pytest.mark.stack, pytest.mark.long]

PEOPLE = 40


def bought() -> Json:
    return {"type": "event", "event": {"kind": "custom_event", "name": "Buy"}}


def a_purchase(customer: int, at: int) -> dict[str, Any]:
    data = {
        "event_name": "Buy",
        "custom_event_type": "other",
        "timestamp_unixtime_ms": at,
        "source_message_id": f"buy-{customer}-{at}",
    }
    identities = {"customer_id": f"c-{customer}", "email": f"c{customer}@shop.example"}
    return {
        "source_request_id": f"buy-{customer}-{at}",
        "user_identities": identities,
        "events": [{"event_type": "custom_event", "data": data}],
    }


def edit(shop: Shop, audience: int, root: Json, query: str = "") -> Json:
    answer = shop.api.patch(
        f"/v1/audiences/{audience}{query}",
        json={"definition": {"version": 1, "root": root}},
        headers={"If-Match": "*"},
    )
    assert answer.is_success, answer.text
    found: Json = answer.json()
    return found


def is_complete(shop: Shop, audience: int) -> bool:
    shown = shop.get(f"/v1/audiences/{audience}")
    return shown["staged_version"] is None and shown["calculating"] is None


def test_edits_take_over_at_once_and_partners_hear_only_of_true_changes(shop: Shop) -> None:
    everybody = shop.audience("Everybody", {"type": "any_of", "criteria": [viewed(30), bought()]})
    shop.wait_until(lambda: is_complete(shop, everybody), patience_s=240)
    now = time.time_ns() // 1_000_000
    shop.send(*[a_view(n, now, f"r-{n}") for n in range(PEOPLE)])
    shop.send(*[a_purchase(n, now) for n in range(PEOPLE - 10, PEOPLE + 10)])
    shop.wait_until(lambda: shop.size(everybody) == PEOPLE + 10, patience_s=240)

    audience = shop.audience("Fans", viewed(7))
    shop.connect(audience)
    shop.wait_until(lambda: is_complete(shop, audience) and len(shop.told(audience)) == PEOPLE, patience_s=240)
    viewers = shop.members(audience)

    tried = edit(shop, audience, bought(), "?dry_run=true")
    assert (tried["joins"]["count"], tried["leaves"]["count"], tried["is_exact"]) == (10, PEOPLE - 10, True)
    edit(shop, audience, bought())
    killed = 0
    seen = {frozenset(shop.members(audience))}
    worker = shop.stack.outputs["BackfillPageFunction"]
    while not is_complete(shop, audience):
        killed += kill_workers(shop.stack, worker) if killed < 2 else 0
        seen.add(frozenset(shop.members(audience)))
        shop.send(a_view(0, time.time_ns() // 1_000_000, f"again-{time.time_ns()}"))
    buyers = shop.members(audience)

    assert killed
    assert len(buyers) == 20
    assert seen <= {frozenset(viewers), frozenset(buyers)}
    shop.wait_until(lambda: shop.told(audience) == buyers, patience_s=240)

    shop.post(f"/v1/audiences/{audience}/restore", {"version": 1})
    shop.wait_until(lambda: is_complete(shop, audience), patience_s=240)
    assert shop.members(audience) == viewers
    shop.wait_until(lambda: shop.told(audience) == viewers, patience_s=240)
    jobs = shop.get("/v1/jobs")["items"]
    assert {(job["state"], job["progress"]) for job in jobs[:2]} == {("succeeded", 1.0)}
