"""Events from the wire: which of them audiences can speak of, and as what."""

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from audience_core.domain.definition import EventKind
from audience_core.domain.event import Event, Scalar, Source
from audience_core.pipeline.wire.commerce import commerce_attributes, commerce_name, commerce_products, picked
from audience_core.pipeline.wire.values import (
    MAX_NAME_CHARS,
    Losses,
    event_attributes,
    instant,
    mapping,
    sequence,
    text,
    truth,
)
from audience_core.pipeline.wire.vocabulary import is_crash_in_disguise

_KINDS = {
    "session_start": EventKind.SESSION_START,
    "session_end": EventKind.SESSION_END,
    "screen_view": EventKind.SCREEN_VIEW,
    "crash_report": EventKind.CRASH,
    "first_run": EventKind.INSTALL,
    "uninstall": EventKind.UNINSTALL,
    "push_reaction": EventKind.PUSH_OPENED,
}
_CUSTOM_TYPE = {"custom_event_type": "$custom_event_type"}
_DURATION = {"session_duration_ms": "$session_duration_ms"}
_BUILT_INS = {
    EventKind.CUSTOM: _CUSTOM_TYPE,
    EventKind.ATTRIBUTION: _CUSTOM_TYPE,
    EventKind.SESSION_END: _DURATION,
}
_APPLICATION = {"application_version": "$app_version", "application_build_number": "$app_build"}
_DEVICE = {"platform": "$platform"}


@dataclass(frozen=True, slots=True)
class WireEvent:
    """A typed event of a batch.

    Args:
        position: its place in the batch, events without a type counted.
        at: UTC ms of its own clock, or None.
    """

    position: int
    type: str
    data: dict[str, Any]
    at: int | None


def wire_events(body: dict[str, Any]) -> list[WireEvent]:
    """All events that have a type, whether audiences can speak of them or not."""
    events = []
    for position, given in enumerate(sequence(body.get("events"))):
        if event_type := text(mapping(given).get("event_type")):
            data = mapping(given.get("data"))
            events.append(WireEvent(position, event_type, data, instant(data.get("timestamp_unixtime_ms"))))
    return events


@dataclass(frozen=True, slots=True)
class EventReader:
    """Makes domain events of the events of one batch.

    Args:
        shared: built-in attributes that every event of the batch has.
    """

    source: Source
    batch_id: str
    received_at: int
    shared: dict[str, Scalar]
    losses: Losses

    def read(self, wire: WireEvent) -> Iterator[Event]:
        """None, one, or two: an application may start both for the first time and upgraded."""
        for kind in _kinds(wire.type, wire.data):
            yield Event(
                kind=kind,
                name=self._name(kind, wire.data),
                at=self.received_at if wire.at is None else wire.at,
                event_id=self._event_id(wire, kind),
                workspace_id=self.source.workspace_id,
                input_id=self.source.input_id,
                attributes=self._attributes(kind, wire.data),
                products=commerce_products(wire.data, self.losses) if kind is EventKind.COMMERCE else (),
            )

    def _name(self, kind: EventKind, data: dict[str, Any]) -> str:
        match kind:
            case EventKind.CUSTOM | EventKind.ATTRIBUTION:
                name = text(data.get("event_name"))
            case EventKind.SCREEN_VIEW:
                name = text(data.get("screen_name"))
            case EventKind.COMMERCE:
                name = commerce_name(data)
            case _:
                name = ""
        return self.losses.cut(name, MAX_NAME_CHARS)

    def _attributes(self, kind: EventKind, data: dict[str, Any]) -> dict[str, Scalar]:
        attributes = event_attributes(data.get("custom_attributes"), self.losses)
        attributes |= picked(data, _BUILT_INS.get(kind, {}), self.losses)
        if kind is EventKind.COMMERCE:
            attributes |= commerce_attributes(data, self.losses)
        return attributes | self.shared

    def _event_id(self, wire: WireEvent, kind: EventKind) -> bytes:
        """The same whenever the event is told again: by its own id, otherwise by its place in its batch."""
        parts: tuple[str, ...] = ("place", self.source.input_id, self.batch_id, str(wire.position))
        if given := text(wire.data.get("source_message_id")):
            parts = ("message", given)
        # An upgrade may share its wire event with an install; everything else has its event for itself.
        parts += ("upgrade",) if kind is EventKind.UPGRADE else ()
        # Each part's length keeps ("a", "bc") and ("ab", "c") apart.
        told = "".join(f"{len(part)}:{part}" for part in parts)
        return blake2b(told.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def built_ins(body: dict[str, Any], losses: Losses) -> dict[str, Scalar]:
    """What every event of a batch tells: version and build of the application, platform of the device."""
    application = picked(mapping(body.get("application_info")), _APPLICATION, losses)
    return application | picked(mapping(body.get("device_info")), _DEVICE, losses)


def _kinds(event_type: str, data: dict[str, Any]) -> tuple[EventKind, ...]:
    match event_type:
        case "custom_event":
            is_attribution = text(data.get("custom_event_type")).lower() == "attribution"
            return (EventKind.ATTRIBUTION if is_attribution else EventKind.CUSTOM,)
        case "commerce_event":
            return (EventKind.CRASH if is_crash_in_disguise(data) else EventKind.COMMERCE,)
        case "application_state_transition":
            return _kinds_of_transition(data)
        case "push_message":
            is_opened = text(data.get("push_message_type")).lower() == "action"
            return (EventKind.PUSH_OPENED,) if is_opened else ()
        case _:
            kind = _KINDS.get(event_type)
            return () if kind is None else (kind,)


def _kinds_of_transition(data: dict[str, Any]) -> tuple[EventKind, ...]:
    if text(data.get("application_transition_type")).lower() != "application_initialized":
        return ()
    flags = (("is_first_run", EventKind.INSTALL), ("is_upgrade", EventKind.UPGRADE))
    return tuple(kind for flag, kind in flags if truth(data.get(flag)))
