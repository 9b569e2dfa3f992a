"""Reads one JSON batch, in whichever of its spellings, into the domain's `EventBatch`."""

import logging
from collections.abc import Sequence
from typing import Any

from audience_core.domain.event import Environment, EventBatch, Identity, Scalar
from audience_core.domain.identities import DEVICE_STAMP, DEVICE_TYPES, PUSH_TOKEN
from audience_core.domain.ids import Mpid
from audience_core.domain.messages import AcceptedBatch
from audience_core.pipeline.wire.commerce import picked
from audience_core.pipeline.wire.events import EventReader, WireEvent, built_ins, wire_events
from audience_core.pipeline.wire.identities import read_identities, read_identity
from audience_core.pipeline.wire.places import read_location
from audience_core.pipeline.wire.values import Losses, instant, int64, mapping, names, text, truth, user_attributes

logger = logging.getLogger(__name__)

_DEVICE_FIELDS = {
    name: name
    for name in (
        "platform",
        "brand",
        "product",
        "device",
        "device_manufacturer",
        "device_model",
        "os_version",
        "network_carrier",
        "network_country",
        "locale_language",
        "locale_country",
        "timezone_offset",
        "is_tablet",
        "limit_ad_tracking",
        "att_authorization_status",
    )
}
_ATTRIBUTION_FIELDS = {"publisher": "publisher", "campaign": "campaign"}


def read_batch(message: AcceptedBatch) -> EventBatch:
    """Everything in the batch that audiences can use, normalised and within the limits; never raises."""
    body, losses = message.body, Losses()
    events = wire_events(body)
    shared = built_ins(body, losses)
    reader = EventReader(message.source, message.batch_id, message.received_at, shared, losses)
    seen_first, seen_last = _seen(message, events)
    batch = EventBatch(
        source=message.source,
        environment=Environment.told_by(body.get("environment")),
        batch_id=message.batch_id,
        received_at=message.received_at,
        seen_first=seen_first,
        seen_last=seen_last,
        mpid=_mpid(body),
        identities=_identities(body, events, losses),
        attributes=user_attributes(body.get("user_attributes"), losses),
        deleted_attributes=names(body.get("deleted_user_attributes"), losses),
        device_key=_device_key(body),
        device=picked(mapping(body.get("device_info")), _DEVICE_FIELDS, losses),
        location=read_location(body, events, message.received_at, losses),
        consents=_consents(body),
        is_opted_out=_is_opted_out(events, message.received_at),
        attribution=_attribution(body, losses),
        events=tuple(event for wire in events for event in reader.read(wire)),
    )
    if losses.count:
        logger.info("values over the limits of ingest cut or left out", extra={"count": losses.count})
    return batch


def _mpid(body: dict[str, Any]) -> Mpid | None:
    # Clients that have not been told their mpid yet send 0.
    return Mpid(given) if (given := int64(body.get("mpid"))) else None


def _seen(message: AcceptedBatch, events: Sequence[WireEvent]) -> tuple[int, int]:
    own = instant(message.body.get("timestamp_unixtime_ms"))
    told = [event.at for event in events if event.at is not None] + ([] if own is None else [own])
    past = [at for at in told if at <= message.received_at]
    return min([message.received_at, *told]), max(past, default=message.received_at)


def _identities(body: dict[str, Any], events: Sequence[WireEvent], losses: Losses) -> tuple[Identity, ...]:
    user, device = body.get("user_identities"), body.get("device_info")
    found = read_identities(user, device, body.get("mp_deviceid"), losses)
    registered = (
        read_identity(PUSH_TOKEN, event.data.get("registration_token"), losses)
        for event in events
        if event.type == "push_registration" and truth(event.data.get("register"))
    )
    return tuple(dict.fromkeys([*found, *(token for token in registered if token is not None)]))


def _device_key(body: dict[str, Any]) -> str:
    """The steadiest name that the batch has for the device; "" when it speaks of none."""
    device = mapping(body.get("device_info"))
    if not device:
        return ""
    held = {each.type: each.value for each in read_identities(None, device, body.get("mp_deviceid"), Losses())}
    names_of_device = [held[each] for each in (DEVICE_STAMP, *DEVICE_TYPES) if each in held]
    return names_of_device[0] if names_of_device else text(device.get("platform")).lower()


def _consents(body: dict[str, Any]) -> dict[tuple[str, str], bool]:
    state = mapping(body.get("consent_state"))
    consents = {}
    for regulation in ("gdpr", "ccpa"):
        for purpose, given in mapping(state.get(regulation)).items():
            consented = truth(given.get("consented") if isinstance(given, dict) else given)
            if consented is not None and text(purpose):
                consents[regulation, text(purpose)] = consented
    return consents


def _is_opted_out(events: Sequence[WireEvent], received_at: int) -> bool | None:
    """What the latest opt-out event says; None when there is none."""
    told = [
        (received_at if event.at is None else event.at, event.position, opted)
        for event in events
        if event.type == "opt_out" and (opted := truth(event.data.get("is_opted_out"))) is not None
    ]
    return max(told)[2] if told else None


def _attribution(body: dict[str, Any], losses: Losses) -> dict[str, Scalar]:
    return picked(mapping(body.get("attribution_info")), _ATTRIBUTION_FIELDS, losses)
