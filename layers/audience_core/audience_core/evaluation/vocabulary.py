"""What a sample of users knows of what a definition asks for: names of events and attributes, and how values read."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from audience_core.domain.definition import (
    AggregateCriterion,
    AggregateFunction,
    AttributeLevel,
    Criterion,
    DeviceCriterion,
    EventCriterion,
    EventKind,
    EventSelector,
    OccurrenceCriterion,
    SequenceCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.event import AttributeValue, Event
from audience_core.domain.profile import Profile, RegisterKind
from audience_core.domain.value_tests import (
    BooleanTest,
    DateTest,
    ListTest,
    NumberBetweenTest,
    NumberInTest,
    NumberTest,
    Test,
)
from audience_core.evaluation.paths import criteria
from audience_core.evaluation.scope import PRODUCTS, Scope
from audience_core.evaluation.series import compile_series
from audience_core.evaluation.values import instant_of, micros_of, truth_of

# Where a name is looked up: ("user", level), ("device",), ("event" or "product", kind, event name or "").
type Source = tuple[str, ...]
type Reads = Callable[[AttributeValue], bool]

DEVICE: Source = ("device",)
_ANY_VALUE = {AggregateFunction.DISTINCT_COUNT, AggregateFunction.FIRST_VALUE, AggregateFunction.LAST_VALUE}


class Question(NamedTuple):
    """An attribute that a definition reads.

    Args:
        path: JSON pointer of the criterion or condition.
        kind: as what its values must be read: number, truth value, date or list; "" for any.
    """

    path: str
    source: Source
    name: str
    kind: str


@dataclass(slots=True)
class Tally:
    """How many values of an attribute there were, and how many of them can be read as the test needs it."""

    values: int = 0
    readable: int = 0


READS: Mapping[str, Reads] = {
    "number": lambda value: micros_of(value) is not None,
    "truth value": lambda value: truth_of(value) is not None,
    "date": lambda value: instant_of(value) is not None,
    "list": lambda _: False,
}


class Vocabulary:
    """Built for one definition, taught by profiles.

    Args:
        names: source -> attribute names met there; `events`: kind -> event names met in scope; `elsewhere`: those met
            by other inputs or workspaces only; `tallies`: for each question.
    """

    def __init__(self, root: Criterion, scope: Scope) -> None:
        self.questions = tuple(questions(root))
        self.selectors = tuple(selectors(root))
        self.profiles = 0
        self.names: dict[Source, set[str]] = defaultdict(set)
        self.events: dict[EventKind, set[str]] = defaultdict(set)
        self.elsewhere: dict[EventKind, set[str]] = defaultdict(set)
        self.tallies: dict[tuple[Source, str, str], Tally] = {q[1:]: Tally() for q in self.questions}
        self._scope = scope
        self._of: dict[tuple[Source, str], list[tuple[str, Tally]]] = defaultdict(list)
        for (source, name, kind), tally in self.tallies.items():
            self._of[source, name].append((kind, tally))
        self._tracks = {(selector.kind, selector.name) for _, selector in self.selectors}

    def learn(self, profile: Profile) -> None:
        self.profiles += 1
        for key, register in profile.registers.items():
            if register.is_deleted:
                continue
            if key.kind is RegisterKind.DEVICE:
                self._value(DEVICE, key.name.rpartition("/")[2], register.value)
            elif key.kind is RegisterKind.ATTRIBUTE:
                self._value(("user", AttributeLevel.ACCOUNT), key.name, register.value)
                if key.workspace_id in self._scope.workspaces:
                    self._value(("user", AttributeLevel.WORKSPACE), key.name, register.value)
        for (kind, name), track in profile.timeline.items():
            self._events(kind, name, track)

    def _events(self, kind: EventKind, name: str, track: Iterable[Event]) -> None:
        in_scope = compile_series(0, EventSelector(kind=kind), self._scope).matches
        seen = [event for event in track if in_scope(event)]
        (self.events if seen else self.elsewhere)[kind].add(name)
        for wanted in ((kind, name), (kind, None)):
            if wanted in self._tracks:
                for event in seen:
                    self._event(event, wanted[1] or "")

    def _event(self, event: Event, name: str) -> None:
        for attribute, value in event.attributes.items():
            self._value(("event", event.kind, name), attribute, value)
        for product in event.products:
            for attribute, value in product.items():
                self._value(("product", event.kind, name), attribute, value)

    def _value(self, source: Source, name: str, value: AttributeValue) -> None:
        self.names[source].add(name)
        for kind, tally in self._of.get((source, name), ()):
            tally.values += 1
            tally.readable += not kind or _reads(kind, value)


def _reads(kind: str, value: AttributeValue) -> bool:
    if isinstance(value, list):
        return kind == "list" or any(map(READS[kind], value))
    return READS[kind](value)


def selectors(root: Criterion) -> Iterator[tuple[str, EventSelector]]:
    """The choices of events, with their paths."""
    for path, criterion in criteria(root):
        match criterion:
            case EventCriterion(event=event) | AggregateCriterion(event=event) | OccurrenceCriterion(event=event):
                yield f"{path}/event", event
            case SequenceCriterion(steps=steps):
                yield from ((f"{path}/steps/{place}", step) for place, step in enumerate(steps))
            case _:
                continue


def questions(root: Criterion) -> Iterator[Question]:
    """The attributes that a definition reads of users, devices, events and products."""
    for path, criterion in criteria(root):
        match criterion:
            case UserAttributeCriterion(attribute=name, level=level, test=test):
                yield Question(f"{path}/attribute", ("user", level), name, _kind(test))
            case DeviceCriterion(field=name, test=test):
                yield Question(f"{path}/field", DEVICE, name, _kind(test))
            case AggregateCriterion(event=event, attribute=name, function=function, test=test):
                part, name = ("product", name.removeprefix(PRODUCTS)) if name.startswith(PRODUCTS) else ("event", name)
                kind = _kind(test) if function in _ANY_VALUE else "number"
                kind = "" if function is AggregateFunction.DISTINCT_COUNT else kind
                yield Question(f"{path}/attribute", (part, event.kind, event.name or ""), name, kind)
            case _:
                continue
    for path, selector in selectors(root):
        for part, field, conditions in (("event", "where", selector.where), ("product", "products", selector.products)):
            for place, condition in enumerate(conditions):
                source = (part, selector.kind, selector.name or "")
                yield Question(f"{path}/{field}/{place}/attribute", source, condition.attribute, _kind(condition.test))


def _kind(test: Test) -> str:
    match test:
        case NumberTest() | NumberInTest() | NumberBetweenTest():
            return "number"
        case BooleanTest():
            return "truth value"
        case DateTest():
            return "date"
        case ListTest():
            return "list"
        case _:
            return ""
