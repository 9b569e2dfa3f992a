"""Chunks of events as ingest batches, one or more per user, and batches as requests of the size the API takes."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from audience_cli.importer import mapping as m
from audience_cli.importer.events import derived_id, event_json, to_json
from audience_cli.importer.grouping import Chunk, Group

# kB as 1000 bytes, to stay below the limit however it is meant.
MAX_REQUEST_BYTES = 256_000
MAX_BATCH_BYTES = 128_000
MAX_BATCHES = 100
# Of the braces, names and id that surround the events of a batch.
ENVELOPE_BYTES = 200


@dataclass(frozen=True, slots=True)
class Request:
    """The body of one bulk request, ready to be sent."""

    body: bytes
    batches: int
    events: int


@dataclass(slots=True)
class User:
    """What a chunk says of one user; `events` are (id, JSON) pairs."""

    identities: dict[str, str]
    attributes: dict[str, Any] = field(default_factory=dict)
    device: dict[str, Any] = field(default_factory=dict)
    events: list[tuple[str, str]] = field(default_factory=list)
    first: int = 0


@dataclass(frozen=True, slots=True)
class Batch:
    text: str
    events: int


class TooLargeError(Exception):
    """One event alone is larger than a batch may be; `rows` are lost with it."""

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows


def users(mapping: m.Mapping, chunk: Chunk, shift_ms: int, too_large: list[int]) -> list[User]:
    """The chunk's users in the order of their first rows; of an attribute given twice, the last value.

    Args:
        too_large: receives the number of rows of each event that no batch can hold.
    """
    found: dict[tuple[tuple[str, str], ...], User] = {}
    for group in chunk.groups:
        key = tuple(group.head.identities.items())
        user = found.get(key)
        if user is None:
            user = found[key] = User(group.head.identities, first=group.first)
        user.attributes.update(group.head.attributes)
        user.device.update(group.head.device)
        _add_event(mapping, user, group, shift_ms, too_large)
    return list(found.values())


def _add_event(mapping: m.Mapping, user: User, group: Group, shift_ms: int, too_large: list[int]) -> None:
    if mapping.event is None:
        return
    event = event_json(mapping.event, group, shift_ms)
    if len(event[1]) > MAX_BATCH_BYTES - ENVELOPE_BYTES - len(_profile(mapping, user)):
        too_large.append(group.size)
    else:
        user.events.append(event)


def batches(mapping: m.Mapping, user: User) -> Iterator[Batch]:
    """As few batches as hold the user's events, each with everything known of the user: their order is of no matter."""
    profile = _profile(mapping, user)
    room = MAX_BATCH_BYTES - ENVELOPE_BYTES - len(profile)
    for events in _split(user.events, room):
        batch_id = derived_id(profile, *([each for each, _ in events] or [user.first]))
        listed = ",".join(text for _, text in events)
        ending = f',"events":[{listed}]' if events else ""
        yield Batch(f'{profile[:-1]},"source_request_id":"{batch_id}"{ending}}}', len(events))


def _split(events: list[tuple[str, str]], room: int) -> Iterator[list[tuple[str, str]]]:
    some: list[tuple[str, str]] = []
    size = 0
    for event in events:
        if some and size + len(event[1]) + 1 > room:
            yield some
            some, size = [], 0
        some.append(event)
        size += len(event[1]) + 1
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
