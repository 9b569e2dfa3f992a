"""Whatever JSON comes, ingest answers and the pipeline reads."""

import json
from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from audience_core.domain.event import EventBatch
from audience_core.errors import MalformedBatchError
from audience_core.persistence.queues import MAX_BYTES, decode, encode
from audience_core.pipeline.wire.body import parse, size_of
from audience_core.pipeline.wire.identities import SPELLINGS
from audience_core.pipeline.wire.validation import check_batch, check_bulk_batch
from audience_core.pipeline.wire.vocabulary import COMMERCE_PARTS, EVENT_TYPES, PRODUCT_ACTIONS, REQUIRED_TEXTS
from tests.support.batches import accepted, read
from tests.support.long_run import examples

INTEGERS = st.integers() | st.integers(0, 2_000_000_000_000)
LETTERS = st.characters(exclude_categories=()) | st.sampled_from("\ud800\udfff\uffff\x00é😀")
SCALARS = st.none() | st.booleans() | INTEGERS | st.floats(allow_nan=False, allow_infinity=False) | st.text(LETTERS)
NAMES = st.text(LETTERS, max_size=5)
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4))


def objects(fields: list[str], values: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Objects of which some fields are known ones."""
    return st.dictionaries(st.sampled_from(fields) | NAMES, values, max_size=8)


DATA_FIELDS = [
    *(field for fields in REQUIRED_TEXTS.values() for field in fields),
    *COMMERCE_PARTS,
    "custom_attributes",
    "is_first_run",
    "is_opted_out",
    "is_upgrade",
    "location",
    "products",
    "register",
    "screen_name",
    "session_duration_ms",
    "source_message_id",
    "timestamp_unixtime_ms",
]
WORDS = st.sampled_from([*PRODUCT_ACTIONS, "view", "other", "attribution", "action", "application_initialized"])
ACTIONS = st.fixed_dictionaries(
    {"action": WORDS | SCALARS},
    optional={
        "products": JSON | st.lists(objects(["id", "name", "price", "custom_attributes"], JSON), max_size=3),
        "promotions": JSON | st.lists(objects(["id", "name"], JSON), max_size=3),
    },
)
LOCATIONS = objects(["latitude", "longitude", "country_code", "city_name"], SCALARS)
DATA = objects(DATA_FIELDS, JSON | WORDS | ACTIONS | LOCATIONS | st.lists(ACTIONS, max_size=2))
EVENTS = st.fixed_dictionaries({"event_type": st.sampled_from(sorted(EVENT_TYPES)) | SCALARS, "data": DATA | JSON})
IDENTITY_NAMES = [name for spelling in SPELLINGS for name in (spelling.type, *spelling.aliases)]
MAPS = objects([*IDENTITY_NAMES, "platform", "gdpr", "ccpa", "location", "publisher"], JSON)
MAP_FIELDS = (
    "application_info",
    "attribution_info",
    "consent_state",
    "context",
    "device_info",
    "user_attributes",
    "user_identities",
)
BATCHES = st.fixed_dictionaries(
    {},
    optional={
        "events": st.lists(EVENTS | JSON, max_size=5) | JSON,
        "mpid": INTEGERS | JSON,
        "mp_deviceid": SCALARS,
        "environment": st.sampled_from(["production", "development", "unknown"]) | SCALARS,
        "source_request_id": SCALARS,
        "timestamp_unixtime_ms": SCALARS,
        "deleted_user_attributes": st.lists(JSON) | JSON,
    }
    | dict.fromkeys(MAP_FIELDS, MAPS | JSON),
)


def refusal(body: Any) -> str | None:
    try:
        check_batch(body)
    except MalformedBatchError as error:
        return str(error)
    return None


@settings(max_examples=examples(200), deadline=None)
@given(BATCHES | JSON)
@example({"user_identities": {"email": 10**400}})
@example({"events": [{"event_type": "commerce_event", "data": {"product_action": {"action": "purchase"}}}]})
def test_validation_accepts_or_refuses_and_nothing_else(body: Any) -> None:
    message = refusal(body)

    if message is None:
        check_bulk_batch(body)
    else:
        assert message.isascii()


@settings(max_examples=examples(200), deadline=None)
@given(BATCHES)
@example({"user_identities": {"email": 10**400, "other": 1e300}, "timestamp_unixtime_ms": 10**400})
@example({"context": {"location": {"latitude": 10**400, "longitude": -(10**400)}}})
def test_every_object_can_be_read_and_stored(body: dict[str, Any]) -> None:
    batch = read(body)

    assert isinstance(batch, EventBatch)
    assert batch.seen_first <= batch.seen_last <= batch.received_at
    assert all(identity.value.strip() for identity in batch.identities)
    assert repr(batch).encode()
    assert "\ud800" not in json.dumps(dict(batch.attributes), ensure_ascii=False)


@settings(max_examples=examples(100), deadline=None)
@given(BATCHES)
def test_a_queue_message_of_any_body_decodes_to_the_same_batch(body: dict[str, Any]) -> None:
    parsed = parse(json.dumps(body).encode())
    message = accepted(parsed)

    text = encode(message)

    assert decode(text) == message
    assert len(text.encode()) <= 2 * size_of(parsed) + 300 < MAX_BYTES
    assert read(parsed) == read(decode(text).body)  # type: ignore[union-attr]
