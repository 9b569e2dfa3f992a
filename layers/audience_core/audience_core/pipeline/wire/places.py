"""Where a batch says its user is."""

from collections.abc import Sequence
from typing import Any

from audience_core.domain.event import Scalar
from audience_core.pipeline.wire.events import WireEvent
from audience_core.pipeline.wire.values import MAX_NAME_CHARS, Losses, degrees, mapping, text

_TEXTS = {
    "country_code": "country",
    "region_code": "region",
    "city_name": "city",
    "postal_code": "postal_code",
    "dma_code": "dma",
}
_DEGREES = {"latitude": 90, "longitude": 180}


def read_location(
    body: dict[str, Any], events: Sequence[WireEvent], received_at: int, losses: Losses
) -> dict[str, Scalar]:
    """The location of the batch's context, otherwise that of its latest event which has one; empty: none."""
    if own := _location(mapping(body.get("context")).get("location"), losses):
        return own
    latest_first = sorted(events, key=lambda event: (event.at or received_at, event.position), reverse=True)
    located = (_location(event.data.get("location"), losses) for event in latest_first)
    return next((location for location in located if location), {})


def _location(given: Any, losses: Losses) -> dict[str, Scalar]:
    fields = mapping(given)
    location: dict[str, Scalar] = {
        name: losses.cut(value, MAX_NAME_CHARS) for field, name in _TEXTS.items() if (value := text(fields.get(field)))
    }
    coordinates: dict[str, Scalar] = {name: degrees(fields.get(name), limit) for name, limit in _DEGREES.items()}
    # Half a position is none.
    return location | coordinates if None not in coordinates.values() else location
