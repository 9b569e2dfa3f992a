"""A series: the events of a profile that one selector chooses, within one scope."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from heapq import merge

from audience_core.domain.definition import WORKSPACE_KINDS, EventKind, EventSelector
from audience_core.domain.event import Event, Scalar, by_time
from audience_core.domain.profile import Profile
from audience_core.domain.value_tests import Condition
from audience_core.evaluation.predicates import (
    ALWAYS,
    Intervals,
    holds_when_missing,
    intersection,
    intervals,
    is_moving,
    recalling,
    union,
)
from audience_core.evaluation.scope import Scope

type Attributes = Mapping[str, Scalar]


@dataclass(frozen=True, slots=True)
class Series:
    """A compiled selector.

    Args:
        index: its place in the program; equal selectors in equal scopes share one.
        matches: whether an event belongs, conditions that move with time counted as passed.
        when: for a matching event, when its conditions hold (intervals of `now`); None if always.
    """

    index: int
    kind: EventKind
    name: str | None
    matches: Callable[[Event], bool]
    when: Callable[[Event], Intervals] | None

    def events(self, profile: Profile) -> list[Event]:
        """The matching events, ascending by (at, event id)."""
        matches = self.matches
        return [event for event in self._candidates(profile) if matches(event)]

    def instants(self, profile: Profile) -> list[int]:
        """Theirs, ascending."""
        matches = self.matches
        return [event.at for event in self._candidates(profile) if matches(event)]

    def _candidates(self, profile: Profile) -> Iterable[Event]:
        if self.name is not None:
            return profile.timeline.get((self.kind, self.name), ())
        return merge(*(track for (kind, _), track in profile.timeline.items() if kind is self.kind), key=by_time)


def compile_series(index: int, selector: EventSelector, scope: Scope) -> Series:
    where = [compile_condition(each) for each in selector.where if not is_moving(each.test)]
    products = compile_product_match(tuple(each for each in selector.products if not is_moving(each.test)))
    in_scope = _scope_filter(selector.kind, scope)
    # Most events of a name fail the conditions, and few are out of scope.
    matches = in_scope
    if selector.products:
        matches = _product_filter(products, matches)
    for condition in where:
        matches = _filter(condition, matches)
    return Series(index, selector.kind, selector.name, matches, _compile_when(selector))


def _filter(condition: Callable[[Attributes], bool], following: Callable[[Event], bool]) -> Callable[[Event], bool]:
    return lambda event: condition(event.attributes) and following(event)


def _product_filter(
    condition: Callable[[Attributes], bool], following: Callable[[Event], bool]
) -> Callable[[Event], bool]:
    return lambda event: any(map(condition, event.products)) and following(event)


def compile_condition(condition: Condition) -> Callable[[Attributes], bool]:
    name, passes, when_missing = condition.attribute, recalling(condition.test), holds_when_missing(condition.test)
    return lambda attributes: passes(attributes[name]) if name in attributes else when_missing


def compile_product_match(conditions: tuple[Condition, ...]) -> Callable[[Attributes], bool]:
    """Whether one product meets all conditions."""
    tests = [compile_condition(each) for each in conditions]
    return lambda product: all(test(product) for test in tests)


def _scope_filter(kind: EventKind, scope: Scope) -> Callable[[Event], bool]:
    if kind in WORKSPACE_KINDS:
        workspaces = scope.workspaces
        return lambda event: event.workspace_id in workspaces
    inputs = scope.inputs
    return lambda event: event.input_id in inputs


def _compile_when(selector: EventSelector) -> Callable[[Event], Intervals] | None:
    if not any(is_moving(each.test) for each in (*selector.where, *selector.products)):
        return None
    where, products = _all_hold(selector.where), _all_hold(selector.products)

    def when(event: Event) -> Intervals:
        of_event = where(event.attributes)
        if not selector.products:
            return of_event
        of_products = union([part for product in event.products for part in products(product)])
        return intersection(of_event, of_products)

    return when


def _all_hold(conditions: tuple[Condition, ...]) -> Callable[[Attributes], Intervals]:
    compiled = [(each.attribute, intervals(each.test), holds_when_missing(each.test)) for each in conditions]

    def hold(attributes: Attributes) -> Intervals:
        result = ALWAYS
        for name, when, when_missing in compiled:
            part = when(attributes[name]) if name in attributes else ALWAYS if when_missing else ()
            result = intersection(result, part)
        return result

    return hold
