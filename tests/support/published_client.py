"""Runs the published Python client as its users do; a script, because a 429 blocks the whole process it runs in.

Usage: published_client.py BASE_URL KEY SECRET SCENARIO; prints a JSON array of what each call came to.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import mparticle

START = 1_795_428_000_000


def a_purchase() -> Any:
    product = mparticle.Product(id="boot-2", name="Boot", price=84.5, quantity=1)
    action = mparticle.ProductAction("purchase", transaction_id="T-9", total_amount=84.5, products=[product])
    return mparticle.CommerceEvent(product_action=action, currency_code="USD", timestamp_unixtime_ms=START + 1)


def a_full_batch() -> Any:
    batch = mparticle.Batch(environment="production", source_request_id="full-1", mpid=-(2**62))
    batch.user_identities = mparticle.UserIdentities(customerid="hiker-77", email=" Nell@Trail.example")
    batch.device_info = mparticle.DeviceInformation(
        platform="iOS", ios_advertising_id="2B1F6F2C-8A0E-4A3E-9B62-7A1A6F2F0C55"
    )
    batch.user_attributes = {"tier": "gold", "age": 41, "parks": ["Yosemite", "Zion"]}
    batch.consent_state = mparticle.ConsentState()
    batch.consent_state.gdpr = {"marketing": mparticle.GDPRConsentState(consented=True)}
    played = mparticle.AppEvent("Play Video", "other", timestamp_unixtime_ms=START)
    played.custom_attributes = {"length": 12.5, "muted": False}
    batch.events = [
        mparticle.SessionStartEvent(timestamp_unixtime_ms=START),
        played,
        a_purchase(),
        mparticle.CrashReportEvent(message="boom", timestamp_unixtime_ms=START + 2),
        mparticle.SessionEndEvent(session_duration_ms=9000, timestamp_unixtime_ms=START + 3),
    ]
    return batch


def a_bare_batch() -> Any:
    """What `append` makes: an event that is not wrapped, so that it has no type."""
    batch = mparticle.Batch(environment="production")
    batch.events = []
    batch.events.append(mparticle.AppEvent("Play Video", "other"))
    return batch


def outcome(call: Callable[[Any], Any], body: Any) -> dict[str, Any]:
    try:
        _, status, headers = call(body)
    except mparticle.rest.ApiException as error:
        return {"status": error.status, "body": error.body, "headers": dict(error.headers)}
    return {"status": status, "headers": dict(headers)}


def play(api: Any, scenario: str) -> list[dict[str, Any]]:
    match scenario:
        case "full":
            return [outcome(api.upload_events, a_full_batch()), outcome(api.upload_events, a_full_batch())]
        case "bulk":
            second = mparticle.Batch(environment="development", source_request_id="second")
            return [outcome(api.bulk_upload_events, [a_full_batch(), second])]
        case "bare":
            return [outcome(api.upload_events, a_bare_batch()), outcome(api.bulk_upload_events, [a_bare_batch()])]
        case "throttled":
            return [outcome(api.upload_events, mparticle.Batch(environment="production")) for _ in range(3)]
        case _:
            raise SystemExit(f"no scenario {scenario}")


def main(base_url: str, key: str, secret: str, scenario: str) -> None:
    configuration = mparticle.Configuration()
    configuration.host = f"{base_url}/v2"
    configuration.api_key, configuration.api_secret = key, secret
    print(json.dumps(play(mparticle.EventsApi(configuration), scenario)))


if __name__ == "__main__":
    main(*sys.argv[1:])
