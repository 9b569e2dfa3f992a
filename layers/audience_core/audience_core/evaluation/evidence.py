"""What a criterion saw of a profile: the count, figure or value it compared, and the events that decided."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple, assert_never

from audience_core.domain.definition import (
    AggregateCriterion,
    AggregateFunction,
    AllOf,
    AnyOf,
    AudienceMembershipCriterion,
    CartAbandonmentCriterion,
    ConsentCriterion,
    Criterion,
    DeviceCriterion,
    EventCriterion,
    EventKind,
    EventSelector,
    FirstSeenCriterion,
    IdentityCriterion,
    InstallAttributionCriterion,
    LastSeenCriterion,
    LocationCriterion,
    LocationWithinCriterion,
    Not,
    Occurrence,
    OccurrenceCriterion,
    SequenceCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.event import AttributeValue, Event
from audience_core.domain.ids import NEVER
from audience_core.domain.profile import RegisterKind
from audience_core.evaluation import traits
from audience_core.evaluation.chains import abandoned, chains
from audience_core.evaluation.explanation import DecidingEvent, Saw, moment
from audience_core.evaluation.figures import range_figure, reader
from audience_core.evaluation.leaves import active, active_intervals
from audience_core.evaluation.scope import PRODUCTS, Scope
from audience_core.evaluation.series import compile_series
from audience_core.evaluation.values import MICROS, MISSING
from audience_core.evaluation.view import View
from audience_core.evaluation.windows import Span, event_span, milliseconds

SHOWN_EVENTS = 5
SHOWN_PRODUCTS = 10
NOTHING = Saw(what="nothing")


class Evidence(NamedTuple):
    """Args:
    saw: None for logic, which sees only its parts.
    """

    saw: Saw | None
    deciding: tuple[DecidingEvent, ...] = ()


class Witness:
    """Tells what criteria of one scope see of one profile at an instant (UTC ms)."""

    def __init__(self, view: View, scope: Scope, look_back_ms: int, now: int) -> None:
        self._view, self._scope, self._look_back_ms, self._now = view, scope, look_back_ms, now

    def evidence(self, criterion: Criterion) -> Evidence:  # noqa: C901  (one arm per criterion)
        match criterion:
            case EventCriterion(event=event, window=window):
                found = self._counted(event, event_span(window, self._look_back_ms))
                return Evidence(_count(len(found)), _newest(found, event))
            case AggregateCriterion():
                return self._aggregate(criterion)
            case OccurrenceCriterion():
                return self._occurrence(criterion)
            case SequenceCriterion():
                return self._sequence(criterion)
            case CartAbandonmentCriterion():
                return self._cart_abandonment(criterion)
            case UserAttributeCriterion():
                return Evidence(_value(traits.attribute_reader(criterion, self._scope)(self._view)))
            case IdentityCriterion(identity_type=identity_type):
                held = self._view.identity_values(identity_type)
                return Evidence(_count(len(held)) if isinstance(held, list) else NOTHING)
            case FirstSeenCriterion():
                return Evidence(self._seen(traits.first_seen))
            case LastSeenCriterion():
                return Evidence(self._seen(traits.last_seen))
            case DeviceCriterion(field=field):
                return Evidence(_value(self._view.device_values(field)))
            case LocationCriterion(field=place):
                return Evidence(_value(traits.place_of(self._view).get(place.value, MISSING)))
            case LocationWithinCriterion():
                return Evidence(self._distance(criterion))
            case ConsentCriterion(regulation=regulation, purpose=purpose):
                return Evidence(self._register(RegisterKind.CONSENT, f"{regulation}/{purpose}"))
            case InstallAttributionCriterion(field=field):
                return Evidence(self._register(RegisterKind.ATTRIBUTION, field))
            case AllOf() | AnyOf() | Not() | AudienceMembershipCriterion():
                return Evidence(None)
            case _:
                assert_never(criterion)

    def _counted(self, selector: EventSelector, span: Span) -> list[Event]:
        """The events that count now, ascending."""
        series = compile_series(0, selector, self._scope)
        return active(active_intervals(series.events(self._view.profile), series, span), self._now)

    def _aggregate(self, criterion: AggregateCriterion) -> Evidence:
        events = self._counted(criterion.event, event_span(criterion.window, self._look_back_ms))
        read = reader(criterion.attribute)
        found = [event for event in events if read(event)]
        match criterion.function:
            case AggregateFunction.FIRST_VALUE:
                saw = _value(read(found[0])[0]) if found else NOTHING
                return Evidence(saw, _newest(found[:1], criterion.event, criterion.attribute))
            case AggregateFunction.LAST_VALUE:
                saw = _value(read(found[-1])[-1]) if found else NOTHING
                return Evidence(saw, _newest(found[-1:], criterion.event, criterion.attribute))
            case function:
                figure = range_figure(function)([read(event) for event in found])(0, len(found))
                saw = NOTHING if figure is None else Saw(what="amount", value=float(figure / MICROS))
                return Evidence(saw, _newest(found, criterion.event, criterion.attribute))

    def _occurrence(self, criterion: OccurrenceCriterion) -> Evidence:
        visible = self._counted(criterion.event, Span(older=self._look_back_ms))
        chosen = visible[:1] if criterion.which is Occurrence.FIRST else visible[-1:]
        return Evidence(_instant(chosen[0].at) if chosen else NOTHING, _newest(chosen, criterion.event))

    def _sequence(self, criterion: SequenceCriterion) -> Evidence:
        """The newest chain that got furthest."""
        span = event_span(criterion.window, self._look_back_ms)
        within = milliseconds(criterion.within) if criterion.within else NEVER
        steps = [self._counted(step, span) for step in criterion.steps]
        for length in range(len(steps), 0, -1):
            done = steps[:length]
            whole = [start for start, end in chains([_instants(step) for step in done]) if end - start <= within]
            if whole:
                chain = zip(_chain(done, whole[-1]), criterion.steps, strict=False)
                return Evidence(_count(length), tuple(_shown(event, step, "") for event, step in chain))
        return Evidence(_count(0))

    def _cart_abandonment(self, criterion: CartAbandonmentCriterion) -> Evidence:
        span, after = event_span(criterion.window, self._look_back_ms), milliseconds(criterion.after)
        added, purchased = (EventSelector(kind=EventKind.COMMERCE, name=name) for name in ("add_to_cart", "purchase"))
        everything = Span(older=NEVER)
        purchases = [event.at for event in compile_series(0, purchased, self._scope).events(self._view.profile)]
        left = [
            event
            for event in self._counted(added, everything)
            if (inside := abandoned(event.at, purchases, span, after)) and inside[0] <= self._now <= inside[1]
        ]
        return Evidence(_count(len(left)), _newest(left, added))

    def _seen(self, choose: traits.Sighting) -> Saw:
        seen = [s for workspace in self._scope.workspaces if (s := self._view.profile.seen.get(workspace))]
        return _instant(choose(seen)) if seen else NOTHING

    def _distance(self, criterion: LocationWithinCriterion) -> Saw:
        distance = traits.distance_to_place(self._view, criterion)
        return NOTHING if distance is None else Saw(what="distance", value=distance)

    def _register(self, kind: RegisterKind, name: str) -> Saw:
        return _value(self._view.register(self._scope.workspaces, kind, name))


def _chain(steps: Sequence[Sequence[Event]], start: int) -> list[Event]:
    """The events of the chain that begins at an instant, each the earliest after the one before."""
    chain = [next(event for event in steps[0] if event.at == start)]
    for step in steps[1:]:
        chain.append(next(event for event in step if event.at > chain[-1].at))
    return chain


def _newest(events: Sequence[Event], selector: EventSelector, attribute: str = "") -> tuple[DecidingEvent, ...]:
    return tuple(_shown(event, selector, attribute) for event in reversed(events[-SHOWN_EVENTS:]))


def _shown(event: Event, selector: EventSelector, attribute: str) -> DecidingEvent:
    names, of_products = [each.attribute for each in selector.where], [each.attribute for each in selector.products]
    if attribute.startswith(PRODUCTS):
        of_products.append(attribute.removeprefix(PRODUCTS))
    elif attribute:
        names.append(attribute)
    products = [{n: product[n] for n in of_products if n in product} for product in event.products[:SHOWN_PRODUCTS]]
    return DecidingEvent(
        kind=event.kind.value,
        name=event.name,
        at=moment(event.at),
        attributes={name: event.attributes[name] for name in names if name in event.attributes},
        products=tuple(filter(None, products)),
    )


def _instants(events: Iterable[Event]) -> list[int]:
    return [event.at for event in events]


def _count(count: int) -> Saw:
    return Saw(what="count", value=count)


def _instant(at: int) -> Saw:
    return Saw(what="instant", value=moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z"))


def _value(value: AttributeValue | object) -> Saw:
    return NOTHING if value is MISSING else Saw(what="value", value=value)
