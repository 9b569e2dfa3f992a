"""Tells a client what is wrong with its batch; as lenient as real clients need it to be."""

from collections.abc import Set
from typing import Any

from audience_core.errors import MalformedBatchError
from audience_core.pipeline.wire.values import int64
from audience_core.pipeline.wire.vocabulary import (
    CLOSED_SETS,
    COMMERCE_PARTS,
    ENVIRONMENTS,
    EVENT_TYPES,
    PRODUCT_ACTIONS,
    PROMOTION_ACTIONS,
    REQUIRED_TEXTS,
    is_crash_in_disguise,
)

_NAMES = {dict: "an object", list: "an array", str: "a string", bool: "true or false"}

# Any of these may be absent or null, as may most fields further down: clients write null for what they do not know.
_TOP: tuple[tuple[str, type], ...] = (
    ("events", list),
    ("source_request_id", str),
    ("environment", str),
    ("mp_deviceid", str),
    ("device_info", dict),
    ("application_info", dict),
    ("user_attributes", dict),
    ("deleted_user_attributes", list),
    ("user_identities", dict),
    ("consent_state", dict),
    ("attribution_info", dict),
    ("context", dict),
)
_DATA: tuple[tuple[str, type], ...] = (
    ("custom_attributes", dict),
    ("location", dict),
    ("source_message_id", str),
)
_COMMERCE: tuple[tuple[str, type], ...] = (
    ("product_action", dict),
    ("promotion_action", dict),
    ("product_impressions", list),
)


def check_batch(body: Any) -> None:
    """Raise `MalformedBatchError` with what to tell the client about the first fault found."""
    for position, event in enumerate(_checked_events(body)):
        _check_event(event, f"events[{position}]")


def check_bulk_batch(body: Any) -> None:
    """As `check_batch`, but events without a type pass: in bulk they are left out and their batch is kept."""
    for position, event in enumerate(_checked_events(body)):
        if not (isinstance(event, dict) and event.get("event_type") in (None, "")):
            _check_event(event, f"events[{position}]")


def _checked_events(body: Any) -> list[Any]:
    if not isinstance(body, dict):
        raise MalformedBatchError("A batch must be a JSON object.")
    _check_types(body, _TOP, "")
    _check_mpid(body.get("mpid"))
    if (environment := body.get("environment")) and environment.strip().lower() not in ENVIRONMENTS:
        raise MalformedBatchError('"environment" must be "production" or "development".')
    for name, value in (body.get("user_identities") or {}).items():
        if isinstance(value, dict | list | bool):
            raise MalformedBatchError(f'"user_identities.{_shown(name)}" must be a string.')
    events: list[Any] = body.get("events") or []
    return events


def _check_mpid(value: Any) -> None:
    if value not in (None, "") and int64(value) is None:
        raise MalformedBatchError('"mpid" must be a signed 64-bit integer.')


def _check_event(event: Any, path: str) -> None:
    if not isinstance(event, dict):
        raise MalformedBatchError(f'"{path}" must be an object.')
    event_type = event.get("event_type")
    if event_type in (None, ""):
        raise MalformedBatchError('Required event field "event_type" is missing or empty.')
    if not isinstance(event_type, str) or event_type not in EVENT_TYPES:
        raise MalformedBatchError(f'"{path}.event_type" is not an event type.')
    _check_types(event, (("data", dict),), f"{path}.")
    _check_data(event_type, event.get("data") or {}, f"{path}.data")


def _check_data(event_type: str, data: dict[str, Any], path: str) -> None:
    _check_types(data, _DATA, f"{path}.")
    for field in REQUIRED_TEXTS.get(event_type, ()):
        _check_required(data, field, path, "event")
        _check_word(data[field], CLOSED_SETS.get(field), f"{path}.{field}")
    if event_type == "push_registration":
        _check_register(data, path)
    if event_type == "commerce_event" and not is_crash_in_disguise(data):
        _check_commerce(data, path)


def _check_register(data: dict[str, Any], path: str) -> None:
    if data.get("register") is None:
        raise MalformedBatchError(f'Required event field "register" is missing or empty ("{path}").')
    _check_types(data, (("register", bool),), f"{path}.")


def _check_commerce(data: dict[str, Any], path: str) -> None:
    parts = [part for part in COMMERCE_PARTS if data.get(part)]
    if len(parts) != 1:
        raise MalformedBatchError(
            f'"{path}" must have exactly one of "product_action", "promotion_action" and "product_impressions".'
        )
    _check_types(data, _COMMERCE, f"{path}.")
    match parts[0]:
        case "product_action":
            _check_action(data["product_action"], PRODUCT_ACTIONS, "products", f"{path}.product_action")
        case "promotion_action":
            _check_action(data["promotion_action"], PROMOTION_ACTIONS, "promotions", f"{path}.promotion_action")
        case _:
            _check_impressions(data["product_impressions"], f"{path}.product_impressions")


def _check_action(action: dict[str, Any], words: Set[str], things: str, path: str) -> None:
    _check_required(action, "action", path, "commerce event")
    _check_word(action["action"], words, f"{path}.action")
    _check_types(action, ((things, list),), f"{path}.")
    _check_objects(action.get(things), f"{path}.{things}")


def _check_impressions(impressions: list[Any], path: str) -> None:
    _check_objects(impressions, path)
    for position, impression in enumerate(impressions):
        _check_types(impression or {}, (("products", list),), f"{path}[{position}].")
        _check_objects((impression or {}).get("products"), f"{path}[{position}].products")


def _check_objects(values: list[Any] | None, path: str) -> None:
    for position, value in enumerate(values or ()):
        if value is not None and not isinstance(value, dict):
            raise MalformedBatchError(f'"{path}[{position}]" must be an object.')


def _check_required(given: dict[str, Any], field: str, path: str, owner: str) -> None:
    if given.get(field) in (None, ""):
        raise MalformedBatchError(f'Required {owner} field "{field}" is missing or empty ("{path}").')
    _check_types(given, ((field, str),), f"{path}.")


def _check_word(value: str, words: Set[str] | None, path: str) -> None:
    if words is not None and value.lower() not in words:
        raise MalformedBatchError(f'"{path}" must be one of: {", ".join(sorted(words))}.')


def _check_types(given: dict[str, Any], fields: tuple[tuple[str, type], ...], path: str) -> None:
    for field, expected in fields:
        value = given.get(field)
        if value is not None and not isinstance(value, expected):
            raise MalformedBatchError(f'"{path}{field}" must be {_NAMES[expected]}.')


def _shown(name: str) -> str:
    """A name from the client as it may stand in a message."""
    return name[:50].encode("ascii", "backslashreplace").decode()
