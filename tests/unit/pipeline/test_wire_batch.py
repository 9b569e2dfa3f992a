"""What a batch says of its user besides identities and events."""

import logging
from typing import Any

import pytest

from audience_core.domain.event import Environment
from tests.support.batches import RECEIVED_AT, read, wire_event

HOUR = 3_600_000


@pytest.mark.parametrize(
    ("given", "environment"),
    [
        (None, Environment.PRODUCTION),
        ("production", Environment.PRODUCTION),
        ("unknown", Environment.PRODUCTION),
        ("development", Environment.DEVELOPMENT),
        ("Development", Environment.DEVELOPMENT),
    ],
)
def test_only_development_is_kept_apart(given: str | None, environment: Environment) -> None:
    assert read({"environment": given}).environment is environment
    assert read({}).environment is Environment.PRODUCTION


@pytest.mark.parametrize(
    ("given", "mpid"),
    [
        (-1_327_484_737_295_091_692, -1_327_484_737_295_091_692),
        ("-1327484737295091692", -1_327_484_737_295_091_692),
        ("9223372036854775807", 2**63 - 1),
        (0, None),
        ("0", None),
        ("", None),
        (None, None),
        (2**63, None),
        (1.0, None),
        (True, None),
    ],
)
def test_an_mpid_may_be_a_number_or_its_digits(given: Any, mpid: int | None) -> None:
    assert read({"mpid": given}).mpid == mpid


def test_user_attributes_are_scalars_and_lists_of_scalars() -> None:
    batch = read(
        {
            "user_attributes": {
                "tier": "gold",
                "age": 41,
                "is_member": True,
                "left": None,
                "parks": ["Yosemite", 5, None, {"no": 1}, ["no"]],
                "nested": {"a": 1},
                "": "nameless",
            },
            "deleted_user_attributes": ["old", None, "old", 7, {}],
        }
    )

    assert batch.attributes == {
        "tier": "gold",
        "age": 41,
        "is_member": True,
        "left": None,
        "parks": ["Yosemite", 5, None],
    }
    assert batch.deleted_attributes == ("old", "7")


def test_user_attributes_are_kept_within_limits() -> None:
    given: dict[str, Any] = {f"a{number:03}": "v" for number in range(120)}
    given |= {"A" * 300: "x" * 5000, "B": ["y" * 600] * 1100}

    attributes = read({"user_attributes": given}).attributes

    assert len(attributes) == 100
    assert attributes["A" * 256] == "x" * 4096
    assert attributes["B"] == ["y" * 512] * 1000
    assert max(attributes) == "a097"


def test_losses_are_counted_and_never_told(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="audience_core"):
        read({"user_attributes": {"secret": {"a": "hidden"}, "long": "hidden" * 1000}})
        read({"user_attributes": {"tier": "gold"}})

    (record,) = caplog.records
    assert record.__dict__["count"] == 2
    assert "hidden" not in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("attributes", "losses"),
    [
        ({f"a{number}": 1 for number in range(103)}, 3),
        ({"parks": ["x"] * 1004}, 4),
        ({"parks": ["x", {}, []]}, 2),
        ({"parks": ["x" * 513]}, 1),
        ({"n" * 257: 1}, 1),
    ],
)
def test_every_loss_counts(caplog: pytest.LogCaptureFixture, attributes: dict[str, Any], losses: int) -> None:
    with caplog.at_level(logging.INFO, logger="audience_core"):
        read({"user_attributes": attributes})

    assert [record.__dict__["count"] for record in caplog.records] == [losses]


def test_a_user_is_seen_from_the_first_sign_to_the_last() -> None:
    body = {
        "timestamp_unixtime_ms": RECEIVED_AT - HOUR,
        "events": [
            wire_event("breadcrumb", label="x", timestamp_unixtime_ms=RECEIVED_AT - 3 * HOUR),
            wire_event("session_start", timestamp_unixtime_ms=RECEIVED_AT - 2 * HOUR),
            wire_event("session_end", timestamp_unixtime_ms=RECEIVED_AT + HOUR),
        ],
    }

    batch = read(body)

    assert (batch.seen_first, batch.seen_last) == (RECEIVED_AT - 3 * HOUR, RECEIVED_AT - HOUR)


def test_a_batch_without_times_shows_the_user_when_it_was_received() -> None:
    batch = read({"user_attributes": {"tier": "gold"}})

    assert (batch.seen_first, batch.seen_last) == (RECEIVED_AT, RECEIVED_AT)


def test_a_device_is_its_known_fields() -> None:
    batch = read(
        {
            "mp_deviceid": "DAS-1",
            "device_info": {
                "platform": "iOS",
                "os_version": "18.1",
                "is_tablet": False,
                "timezone_offset": -8,
                "network_carrier": None,
                "cpu": "arm",
                "ios_advertising_id": "AB-1",
            },
        }
    )

    assert batch.device == {"platform": "iOS", "os_version": "18.1", "is_tablet": False, "timezone_offset": -8}
    assert batch.device_key == "das-1"


def test_every_field_of_a_device_that_criteria_may_use_is_kept() -> None:
    fields = """
        platform brand product device device_manufacturer device_model os_version network_carrier network_country
        locale_language locale_country timezone_offset is_tablet limit_ad_tracking att_authorization_status
    """
    device = {field: f"a {field}" for field in fields.split()}

    assert read({"device_info": device}).device == device


@pytest.mark.parametrize(
    ("body", "key"),
    [
        ({"mp_deviceid": "das-1"}, ""),
        ({}, ""),
        ({"device_info": {"platform": "Android", "push_token": "t", "android_uuid": "AA"}}, "aa"),
        ({"device_info": {"platform": "iOS", "ios_advertising_id": "0000-0000"}}, "ios"),
        ({"device_info": {"brand": "x"}}, ""),
    ],
)
def test_a_device_is_told_apart_by_its_steadiest_name(body: dict[str, Any], key: str) -> None:
    assert read(body).device_key == key


def test_the_context_tells_the_location_before_events_do() -> None:
    own = {"latitude": 37.7, "longitude": -122.4, "country_code": "US", "city_name": "San Francisco"}
    event = wire_event("session_start", location={"city_name": "Oakland"})

    assert read({"context": {"location": own}, "events": [event]}).location == {
        "latitude": 37.7,
        "longitude": -122.4,
        "country": "US",
        "city": "San Francisco",
    }


def test_the_latest_located_event_tells_the_location() -> None:
    body = {
        "context": {"data_plan": {}, "location": None},
        "events": [
            wire_event(
                "session_start",
                timestamp_unixtime_ms=RECEIVED_AT - HOUR,
                location={"region_code": "CA", "postal_code": 94103, "dma_code": "807", "latitude": 1},
            ),
            wire_event("session_start", timestamp_unixtime_ms=RECEIVED_AT - 2 * HOUR, location={"city_name": "Old"}),
            wire_event("session_start", timestamp_unixtime_ms=RECEIVED_AT, location={}),
        ],
    }

    assert read(body).location == {"region": "CA", "postal_code": "94103", "dma": "807"}


@pytest.mark.parametrize(("latitude", "longitude"), [(91, 0), (0, 181), ("x", 0), (None, 5), (True, 5), (10**400, 0)])
def test_impossible_positions_are_no_position(latitude: Any, longitude: Any) -> None:
    assert read({"context": {"location": {"latitude": latitude, "longitude": longitude}}}).location == {}


def test_consent_is_read_by_regulation_and_purpose() -> None:
    state = {
        "gdpr": {"marketing": {"consented": True, "document": "v1"}, "sale": {"consented": False}, "none": None},
        "ccpa": {"data_sale_opt_out": {"consented": True}},
    }

    assert read({"consent_state": state}).consents == {
        ("gdpr", "marketing"): True,
        ("gdpr", "sale"): False,
        ("ccpa", "data_sale_opt_out"): True,
    }
    assert read({"consent_state": {"gdpr": None, "ccpa": {}}}).consents == {}


def test_the_latest_opt_out_counts() -> None:
    body = {
        "events": [
            wire_event("opt_out", is_opted_out=False, timestamp_unixtime_ms=RECEIVED_AT - HOUR),
            wire_event("opt_out", is_opted_out=True, timestamp_unixtime_ms=RECEIVED_AT - 2 * HOUR),
            wire_event("opt_out"),
        ]
    }

    assert read(body).is_opted_out is False
    assert read(body).consents == {}


def test_install_attribution_is_publisher_and_campaign() -> None:
    info = {"service_provider": "x", "publisher": "Acme Ads", "campaign": "Spring"}

    assert read({"attribution_info": info}).attribution == {"publisher": "Acme Ads", "campaign": "Spring"}
    assert read({"attribution_info": info | {"campaign": None}}).attribution == {"publisher": "Acme Ads"}


def test_the_nulls_of_the_web_client_say_nothing() -> None:
    names = """
        events device_info application_info user_attributes deleted_user_attributes user_identities consent_state
        context mpid mp_deviceid attribution_info timestamp_unixtime_ms environment source_request_id
    """

    batch = read(dict.fromkeys(names.split()))

    assert batch == read({})
    assert (batch.identities, batch.events, dict(batch.device)) == ((), (), {})
