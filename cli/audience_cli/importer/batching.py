"""Chunks of events as ingest batches, one or more per user, and batches as requests of the size the API takes."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from audience_cli.importer import mapping as m
from audience_cli.importer.events import derived_id, event_json, to_json
from audience_cli.importer.grouping import Chunk

# kB as 1000 bytes, to stay below the limit however it is meant.
MAX_REQUEST_BYTES = 256_000
MAX_BATCH_BYTES = 128_000
MAX_BATCHES = 100
# Of the braces, names and id that surround the events of a batch.
ENVELOPE_BYTES = 200
TOO_LARGE = "an event larger than 128 kB"


@dataclass(frozen=True, slots=True)
class Request:
    """The body of one bulk request, ready to be sent."""

    body: bytes
    batches: int
    events: int


@dataclass(frozen=True, slots=True)
class WireEvent:
    """An event as JSON; `rows` of the file are in it."""

    event_id: str
    text: str
    rows: int


@dataclass(slots=True)
class User:
    """What a chunk says of one user, first in row `first`."""

    identities: dict[str, str]
    first: int
    attributes: dict[str, Any] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    events: list[WireEvent] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Batch:
    text: str
    events: int


def users(mapping: m.Mapping, chunk: Chunk, shift_ms: int) -> list[User]:
    """The chunk's users in the order of their first rows; of an attribute given twice, the last value."""
    found: dict[tuple[tuple[str, str], ...], User] = {}
    for group in chunk.groups:
        key = tuple(group.head.identities.items())
        user = found.get(key)
        if user is None:
            user = found[key] = User(group.head.identities, group.first)
        user.attributes.update(group.head.attributes)
        user.device.update(group.head.device)
        if mapping.event:
            user.events.append(WireEvent(*event_json(mapping.event, group, shift_ms), group.size))
    return list(found.values())


def batches(mapping: m.Mapping, user: User, skipped: Counter[str]) -> Iterator[Batch]:
    """As few batches as hold the user's events, each with everything known of the user: their order is of no matter.

    Args:
        skipped: reason -> rows; an event that no batch can hold is counted here.
    """
    profile = _profile(mapping, user)
    room = MAX_BATCH_BYTES - ENVELOPE_BYTES - len(profile)
    fitting = [each for each in user.events if len(each.text) <= room]
    if lost := sum(each.rows for each in user.events) - sum(each.rows for each in fitting):
        skipped[TOO_LARGE] += lost
    if not fitting and user.events:
        return
    for events in _split(fitting, room):
        batch_id = derived_id(profile, *([each.event_id for each in events] or [str(user.first)]))
        listed = ",".join(each.text for each in events)
        ending = f',"events":[{listed}]' if events else ""
        yield Batch(f'{profile[:-1]},"source_request_id":"{batch_id}"{ending}}}', len(events))


def _split(events: list[WireEvent], room: int) -> Iterator[list[WireEvent]]:
    some: list[WireEvent] = []
    size = 0
    for event in events:
        if some and size + len(event.text) + 1 > room:
            yield some
            some, size = [], 0
        some.append(event)
        size += len(event.text) + 1
    yield some


def _profile(mapping: m.Mapping, user: User) -> str:
    """The batch without id and events, as a JSON object."""
    top = {name: value for name, value in user.identities.items() if name in m.TOP_LEVEL_IDENTITIES}
    of_device = {name: value for name, value in user.identities.items() if name in m.DEVICE_IDENTITIES}
    of_user = {name: value for name, value in user.identities.items() if name in m.USER_IDENTITIES}
    parts = {
        "user_identities": of_user,
        "device_info": {**user.device, **of_device},
        "user_attributes": user.attributes,
    }
    filled = {name: value for name, value in parts.items() if value}
    return to_json({"environment": mapping.source.environment, **top, **filled})


def requests(found: Iterable[Batch]) -> Iterator[Request]:
    """Batches in order, as many per request as it may hold."""
    some: list[Batch] = []
    size = 2
    for batch in found:
        if some and (len(some) == MAX_BATCHES or size + len(batch.text) + 1 > MAX_REQUEST_BYTES):
            yield _request(some)
            some, size = [], 2
        some.append(batch)
        size += len(batch.text) + 1
    if some:
        yield _request(some)


def _request(some: list[Batch]) -> Request:
    body = "[" + ",".join(each.text for each in some) + "]"
    return Request(body.encode(), len(some), sum(each.events for each in some))
