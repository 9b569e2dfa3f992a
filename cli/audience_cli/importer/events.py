"""One event on the wire, with an id that is the same in every run over the same rows."""

import json
import uuid
from collections.abc import Mapping
from typing import Any

from audience_cli.importer.grouping import Group
from audience_cli.importer.mapping import EventMapping, Sum
from audience_cli.importer.values import DECIMALS

# Of all ids this importer gives; never to be changed, or a repeated import would create its events again.
NAMESPACE = uuid.UUID("6f2b0c5e-2a5d-5c56-9a39-0f5f8f6d3c11")
to_json = json.JSONEncoder(separators=(",", ":"), allow_nan=False, default=str).encode


def event_json(event: EventMapping, group: Group, shift_ms: int) -> tuple[str, str]:
    """(id, JSON) of the group's event. The id knows nothing of the shift, which may differ between runs."""
    body = to_json({"event_type": event.type, "data": _data(event, group)})
    event_id = _event_id(event, group, body)
    stamp = f'"timestamp_unixtime_ms":{group.at + shift_ms},"source_message_id":"{event_id}"'
    is_empty = body.endswith("{}}")
    return event_id, f"{body[:-2]}{'' if is_empty else ','}{stamp}}}}}"


def derived_id(*parts: object) -> str:
    """A UUID made of the parts alone."""
    return str(uuid.uuid5(NAMESPACE, to_json(parts)))


def _event_id(event: EventMapping, group: Group, body: str) -> str:
    if event.id:
        values = [each if isinstance(each, str | int | float | bool) else str(each) for each in group.head.event_id]
        return derived_id("id", event.type, group.is_negative, *values)
    return derived_id(group.first, group.at, group.head.identities, body)


def _data(event: EventMapping, group: Group) -> dict[str, Any]:
    head = group.head
    data: dict[str, Any] = dict(head.data)
    match event.type:
        case "custom_event":
            data["event_name"] = _name(event, group) or head.name
            data["custom_event_type"] = event.custom_type
        case "screen_view":
            data["screen_name"] = head.name
        case "commerce_event":
            data["product_action"] = _product_action(event, group)
    if head.custom:
        data["custom_attributes"] = head.custom
    return data


def _name(event: EventMapping, group: Group) -> str | None:
    return event.sign.negative if event.sign and group.is_negative else None


def _product_action(event: EventMapping, group: Group) -> dict[str, Any]:
    action = {"action": _name(event, group) or event.action, **group.head.action_data}
    products = group.products
    if isinstance(event.total_amount, Sum):
        action["total_amount"] = round(sum(each.get(event.total_amount.sum, 0) for each in products), DECIMALS)
    if group.is_negative:
        action = _positive(action)
        products = [_positive(each) for each in products]
    return {**action, "products": products} if products else action


def _positive(figures: Mapping[str, Any]) -> dict[str, Any]:
    """A refund of 3 is 3 products refunded, not minus 3."""
    return {name: abs(value) if _is_number(value) else value for name, value in figures.items()}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
