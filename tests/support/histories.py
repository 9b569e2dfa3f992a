"""Random histories of one user, drawn fast: what arrives when, and what is asked in between.

They speak the vocabulary of `worlds`. What arrives is late, early, repeated, contradictory, of the wrong type and,
above all, at the edges of the windows that the definitions use.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from random import Random
from typing import Any

from audience_core.domain import windows as w
from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event, EventBatch, Identity, Source
from audience_core.domain.ids import AccountId, InputId, WorkspaceId
from tests.support.oracle_values import length, midnight
from tests.support.worlds import (
    ACTIONS,
    ATTRIBUTES,
    DAY,
    IDENTITY_TYPES,
    INPUT_WORKSPACE,
    INPUTS,
    LOOK_BACK_DAYS,
    NAMES,
    NOW,
    NUMBERS,
    TEXTS,
    TYPED_TEXTS,
    UNNAMED_KINDS,
)

TRACKS = (
    *((EventKind.CUSTOM, name) for name in (*NAMES, *NAMES, "other")),
    *((EventKind.COMMERCE, name) for name in (*ACTIONS, *ACTIONS, "other")),
    *((kind, "") for kind in UNNAMED_KINDS),
)
CITIES = ("London", "Paris", *TEXTS[:6])


@dataclass(frozen=True, slots=True)
class Step:
    """The clock moves on, and something may arrive.

    Args:
        visits: so many of the instants at which the profile is due before `at` are visited.
        portfolio: which of the world's portfolios is active from now on.
    """

    at: int
    visits: int = 0
    batch: EventBatch | None = None
    portfolio: int = 0
    prunes: bool = False


@dataclass(frozen=True, slots=True)
class Edges:
    """Where answers turn: the lengths of time (ms) and the dates (UTC ms) in definitions.

    Args:
        moments: instants (UTC ms) at which all users are asked about.
    """

    lengths: tuple[int, ...]
    dates: tuple[int, ...]
    moments: tuple[int, ...]


def edges(definitions: Sequence[Any], moments: Sequence[int]) -> Edges:
    """Of dumped definitions."""
    found = [each for definition in definitions for each in _edges(definition)]
    lengths = {length(each) for each in found if isinstance(each, w.Duration)} | {0, LOOK_BACK_DAYS * DAY}
    dates = {midnight(each) + days * DAY for each in found if isinstance(each, date) for days in (0, 1)}
    return Edges(tuple(sorted(lengths)), tuple(sorted(dates)), tuple(moments))


def _edges(part: Any) -> Iterator[w.Duration | date]:
    if isinstance(part, date):
        yield part
    elif isinstance(part, dict) and part.keys() == {"amount", "unit"}:
        yield w.Duration(**part)
    elif isinstance(part, dict | list | tuple):
        for each in part.values() if isinstance(part, dict) else part:
            yield from _edges(each)


def history(random: Random, where: Edges) -> tuple[Step, ...]:
    return _Drawer(random, where).steps()


class _Drawer:
    """Draws one history; what was drawn so far is what later events repeat or come close to."""

    def __init__(self, random: Random, where: Edges) -> None:
        self._random, self._where, self._now = random, where, NOW
        self._events: list[Event] = []
        # Few kinds of events, so that there are several of each.
        self._tracks = random.choices(TRACKS, k=random.choice((1, 2, 3, 8)))

    def steps(self) -> tuple[Step, ...]:
        random = self._random
        edit = random.randrange(-6, 8)
        lived = [self._step(0 if number <= edit else 1) for number in range(random.randint(1, 7))]
        # Then nothing more happens, until all has passed out of sight.
        return (*lived, Step(self._now + 40 * DAY, random.choice((0, 3, 6, 12)), portfolio=lived[-1].portfolio))

    def _step(self, portfolio: int) -> Step:
        random = self._random
        self._now += random.choice((0, 1, *(random.randrange(days * DAY) for days in (1, 5, 25))))
        batch = self._batch() if not self._events or random.random() < 0.8 else None
        return Step(self._now, random.choice((0, 0, 1, 2, 4)), batch, portfolio, random.random() < 0.3)

    def _batch(self) -> EventBatch:
        random, source_input = self._random, self._random.choice(INPUTS)
        source = Source(AccountId(1), WorkspaceId(INPUT_WORKSPACE[source_input]), InputId(source_input))
        seen_first, seen_last = sorted(min(self._instant(), self._now) for _ in range(2))
        return EventBatch(
            source,
            Environment.PRODUCTION,
            "",
            # A retry comes late.
            self._now - random.choice((0, 0, 1, random.randrange(DAY))),
            seen_first,
            seen_last,
            events=tuple(self._event(source) for _ in range(random.choice((0, 1, 2, 3, 4, 8)))),
            **(self._traits() if random.random() < 0.5 else {}),
        )

    def _event(self, source: Source) -> Event:
        random = self._random
        if self._events and random.random() < 0.2:
            earlier = random.choice(self._events)
            if random.random() < 0.5:
                return earlier
            event_id = earlier.event_id  # another story under the same id
        else:
            event_id = random.randrange(2**40).to_bytes(8)
        kind, name = random.choice(self._tracks)
        is_commerce = kind is EventKind.COMMERCE
        products = tuple(self._attributes(self._scalar) for _ in range(random.randrange(3))) if is_commerce else ()
        workspace, input_id = source.workspace_id, source.input_id
        attributes = self._attributes(self._scalar)
        event = Event(kind, name, self._instant(), event_id, workspace, input_id, attributes, products)
        self._events.append(event)
        return event

    def _instant(self) -> int:
        """Near the clock, a moment, an earlier event or a date; to the millisecond on an edge more often than not."""
        random, where = self._random, self._where
        earlier = [random.choice(self._events).at] if self._events else []
        base = random.choice((self._now, self._now, *where.moments, *earlier))
        match random.randrange(8):
            case 0:
                return base
            case 1 | 2 | 3:
                return base - random.choice(where.lengths) + random.choice((-1, 0, 1))
            case 4:
                return base + random.choice(where.lengths) - random.choice(where.lengths) + random.choice((-1, 0, 1))
            case 5 if where.dates:
                return random.choice(where.dates) + random.choice((-1, 0, 1))
            case 6:
                return base + random.randrange(-DAY, DAY)
        return self._now - random.randrange(35 * DAY)

    def _traits(self) -> dict[str, Any]:
        random, maybe = self._random, self._random.random
        place = {"city": random.choice(CITIES), "latitude": random.choice((51.5, 48.85)), "longitude": -0.1}
        identity = Identity(random.choice(IDENTITY_TYPES), random.choice(TEXTS[1:]))
        return {
            "attributes": self._attributes(self._value),
            "deleted_attributes": (random.choice(ATTRIBUTES),) if maybe() < 0.3 else (),
            "device_key": random.choice(("d1", "d2")),
            "device": {random.choice(("platform", "os_version")): self._scalar()} if maybe() < 0.5 else {},
            "location": {name: place[name] for name in place if maybe() < 0.8} if maybe() < 0.4 else {},
            "consents": {("gdpr", "ads"): maybe() < 0.5} if maybe() < 0.4 else {},
            "attribution": {random.choice(("publisher", "campaign")): self._scalar()} if maybe() < 0.3 else {},
            "identities": (identity,) if maybe() < 0.5 else (),
        }

    def _attributes(self, value: Any) -> dict[str, Any]:
        names = self._random.sample(ATTRIBUTES, self._random.choice((0, 1, 1, 2, 3)))
        return {name: self._time() if name == "when" and self._random.random() < 0.7 else value() for name in names}

    def _value(self) -> Any:
        if self._random.random() < 0.3:
            return [self._scalar() for _ in range(self._random.randrange(4))]
        return self._scalar()

    def _scalar(self) -> Any:
        random = self._random
        match random.randrange(8):
            case 0 | 1 | 2:
                return random.choice(TEXTS)
            case 3:
                return random.randint(-5, 20)
            case 4:
                return random.choice((None, True, False, *TYPED_TEXTS))
            case 5:
                return random.choice(NUMBERS)
        return self._time()

    def _time(self) -> Any:
        at = self._instant()
        return at if self._random.random() < 0.5 else datetime.fromtimestamp(at / 1000, UTC).isoformat()
