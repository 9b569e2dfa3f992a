"""From a client's call to the partner's ear, on the real template with real handlers."""

import json
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from local.app import ROOT
from local.stack import Stack
from tests.support.shop import Shop, kill_workers

pytestmark = pytest.mark.stack

EVENTS = Path(__file__).parents[2] / "events"
AWS_COMMAND = ROOT / ".tools" / "sam" / "bin" / "aws"

BOUGHT = {"type": "event", "event": {"kind": "commerce_event", "name": "purchase"}}
CLIENT = """
import sys, time, mparticle
url, key, secret = sys.argv[1:]
configuration = mparticle.Configuration()
configuration.host, configuration.api_key, configuration.api_secret = url + "/v2", key, secret
batch = mparticle.Batch(environment="production")
batch.user_identities = mparticle.UserIdentities(customerid="hiker-77", email="Nell@Trail.example")
product = mparticle.Product(id="boot-2", name="Boot", price=84.5, quantity=1)
action = mparticle.ProductAction("purchase", total_amount=84.5, products=[product])
batch.events = [mparticle.CommerceEvent(product_action=action, timestamp_unixtime_ms=int(time.time() * 1000))]
print(mparticle.EventsApi(configuration).upload_events_with_http_info(batch)[1])
"""


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def instant_ms(entry: dict[str, Any]) -> int:
    return round(datetime.fromisoformat(entry["at"]).timestamp() * 1000)


def viewed(days: int) -> dict[str, Any]:
    window = {"type": "within_last", "duration": {"amount": days, "unit": "days"}}
    return {"type": "event", "event": {"kind": "screen_view", "name": "Offer"}, "window": window}


def a_view(customer: int, at: int, request: str) -> dict[str, Any]:
    data = {"screen_name": "Offer", "timestamp_unixtime_ms": at, "source_message_id": f"view-{customer}-{at}"}
    identities = {"customer_id": f"c-{customer}", "email": f"c{customer}@shop.example"}
    return {
        "source_request_id": request,
        "user_identities": identities,
        "user_attributes": {"seen": at},
        "events": [{"event_type": "screen_view", "data": data}],
    }


def test_the_published_client_makes_a_member_and_the_partner_is_told(shop: Shop) -> None:
    buyers = shop.audience("Buyers", BOUGHT)
    shop.connect(buyers)

    sent = subprocess.run(
        [sys.executable, "-c", CLIENT, shop.stack.outputs["ApiUrl"], *shop.credential],
        capture_output=True,
        text=True,
        check=True,
    )

    assert sent.stdout.strip() == "202"
    shop.wait_until(lambda: bool(shop.told(buyers)))
    ((mpid, identities),) = shop.partner.members(buyers).items()
    assert identities == {("customer", "hiker-77"), ("email", "nell@trail.example")}
    assert shop.members(buyers) == {mpid}
    # Sizes are counted by a reader of their own, which nobody waits for.
    shop.wait_until(lambda: shop.size(buyers) == 1)


def test_an_audience_activated_later_finds_the_users_of_before(shop: Shop) -> None:
    shop.send(*[a_view(n, now_ms(), f"r-{n}") for n in range(30)])
    everybody = shop.audience("Viewers", viewed(30))
    shop.wait_until(lambda: shop.size(everybody) == 30)

    late = shop.audience("Viewers, again", viewed(7))
    shop.connect(late)

    shop.wait_until(lambda: (shop.size(late), len(shop.told(late))) == (30, 30))
    assert shop.told(late) == shop.members(everybody)


def test_time_alone_ends_a_membership_and_the_partner_hears_of_it(shop: Shop) -> None:
    recent = shop.audience("Seen today", viewed(1))
    shop.connect(recent)
    leaves_at = now_ms() + 20_000
    shop.send(a_view(1, leaves_at - 86_400_001, "r-1"), a_view(2, now_ms(), "r-2"))
    shop.wait_until(lambda: len(shop.told(recent)) == 2, patience_s=19)
    before = shop.members(recent)

    shop.wait_until(lambda: len(shop.members(recent)) == 1, patience_s=75)

    assert leaves_at <= now_ms() < leaves_at + 60_000
    shop.wait_until(lambda: len(shop.told(recent)) == 1)
    shop.wait_until(lambda: shop.size(recent) == 1)
    assert shop.members(recent) == shop.told(recent)
    (gone,) = before - shop.members(recent)
    last, first = shop.get(f"/v1/audiences/{recent}/history?mpid={gone}")["items"]
    assert (last["change"], last["reason"], instant_ms(last)) == ("left", "time", leaves_at)
    assert (first["change"], first["reason"]) == ("joined", "event")
    assert shop.members_at(recent, leaves_at - 1) == before
    assert shop.members_at(recent, leaves_at) == before - {gone}


def test_killed_workers_repeats_and_reversed_order_change_no_final_state(shop: Shop) -> None:
    viewers = shop.audience("Viewers", viewed(30))
    shop.connect(viewers)
    batches = [a_view(n % 40, now_ms() - n * 1000, f"r-{n}") for n in range(160)]
    worker = shop.stack.outputs["ProcessEventsFunction"]

    killed = 0
    for start in range(0, 160, 40):
        shop.send(*batches[start : start + 40])
        shop.wait_until(lambda: kill_workers(shop.stack, worker) > 0, patience_s=20)
        killed += 1
    shop.send(*reversed(batches[:100]))
    shop.send(*[{**batch, "source_request_id": f"again-{n}"} for n, batch in enumerate(reversed(batches[60:]))])

    assert killed == 4
    shop.wait_until(lambda: (shop.size(viewers), len(shop.told(viewers))) == (40, 40), patience_s=120)
    assert shop.told(viewers) == shop.members(viewers)
    figures, entries = shop.get(f"/v1/audiences/{viewers}"), shop.get(f"/v1/audiences/{viewers}/history")["items"]
    assert (figures["adds_24h"], figures["drops_24h"]) == (40, 0)
    assert sorted(entry["mpid"] for entry in entries) == sorted(shop.members(viewers))


def test_sample_events_run_one_function_from_the_command_line(stack: Stack, tmp_path: Path) -> None:
    answer = tmp_path / "answer.json"
    payload = EVENTS / "accounts_admin_create_account.json"
    environment = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local", "AWS_DEFAULT_REGION": "us-east-1"}

    function = stack.outputs["AccountsAdminFunction"]
    command = [str(AWS_COMMAND), "--endpoint-url", stack.endpoint, "lambda", "invoke", "--function-name", function]
    subprocess.run(
        [*command, "--payload", f"fileb://{payload}", str(answer)], env=environment, check=True, capture_output=True
    )

    assert json.loads(answer.read_text())["client_id"]
