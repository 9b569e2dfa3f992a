"""Criteria over what a profile is rather than did: attributes, identities, devices, place, consent, sightings."""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache

from audience_core.domain.definition import (
    AttributeLevel,
    Consent,
    ConsentCriterion,
    DeviceCriterion,
    IdentityCriterion,
    InstallAttributionCriterion,
    LocationCriterion,
    LocationWithinCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.event import AttributeValue
from audience_core.domain.ids import NEVER, WorkspaceId
from audience_core.domain.profile import RegisterKind, Seen
from audience_core.domain.value_tests import Test
from audience_core.domain.windows import Window
from audience_core.evaluation.answers import FOREVER, exact
from audience_core.evaluation.distance import distance_km
from audience_core.evaluation.predicates import holds_when_missing, inside_at, intervals, is_moving, recalling
from audience_core.evaluation.scope import Scope
from audience_core.evaluation.values import MISSING
from audience_core.evaluation.view import Leaf, View
from audience_core.evaluation.windows import instants_inside, span_of

type Sighting = Callable[[Collection[Seen]], int]


def value_leaf(test: Test, read: Callable[[View], AttributeValue | object]) -> Leaf:
    """A test of one value of the profile."""
    when_missing = exact(holds_when_missing(test), NEVER)
    if not is_moving(test):
        passes = recalling(test)

        def lasting(view: View, _now: int) -> int:
            value = read(view)
            if value is MISSING:
                return when_missing
            return FOREVER if passes(value) else -FOREVER  # type: ignore[arg-type]  # not MISSING

        return lasting
    when = intervals(test)

    def moving(view: View, now: int) -> int:
        value = read(view)
        if value is MISSING:
            return when_missing
        return exact(*inside_at(when(value), now))  # type: ignore[arg-type]  # not MISSING

    return moving


def attribute_leaf(criterion: UserAttributeCriterion, scope: Scope) -> Leaf:
    return value_leaf(criterion.test, attribute_reader(criterion, scope))


def attribute_reader(criterion: UserAttributeCriterion, scope: Scope) -> Callable[[View], AttributeValue | object]:
    """The attribute's value as the criterion's level reads it; MISSING if there is none."""
    name = criterion.attribute
    if criterion.level is AttributeLevel.ACCOUNT:
        return lambda view: view.register(view.profile.seen.keys(), RegisterKind.ATTRIBUTE, name)
    return _register_reader(scope.workspaces, RegisterKind.ATTRIBUTE, name)


@lru_cache(maxsize=4096)
def _register_reader(
    workspaces: frozenset[WorkspaceId], kind: RegisterKind, name: str
) -> Callable[[View], AttributeValue | object]:
    """One function for all that read the same, so that a view reads it once."""

    def read(view: View) -> AttributeValue | object:
        value = view.values.get(read)
        if value is None:
            value = view.values[read] = view.register(workspaces, kind, name)
        return value

    return read


def identity_leaf(criterion: IdentityCriterion) -> Leaf:
    return value_leaf(criterion.test, lambda view: view.identity_values(criterion.identity_type))


def device_leaf(criterion: DeviceCriterion) -> Leaf:
    return value_leaf(criterion.test, lambda view: view.device_values(criterion.field))


def location_leaf(criterion: LocationCriterion) -> Leaf:
    field = criterion.field.value
    return value_leaf(criterion.test, lambda view: place_of(view).get(field, MISSING))


def place_of(view: View) -> Mapping[str, AttributeValue]:
    """The latest known place in any workspace; empty when none is known."""
    found = view.register(view.profile.seen.keys(), RegisterKind.LOCATION, "")
    return found if isinstance(found, dict) else {}


def location_within_leaf(criterion: LocationWithinCriterion) -> Leaf:
    def leaf(view: View, _now: int) -> int:
        distance = distance_to_place(view, criterion)
        return exact(distance is not None and distance <= criterion.distance_km, NEVER)

    return leaf


def distance_to_place(view: View, criterion: LocationWithinCriterion) -> float | None:
    """From the criterion's point to the latest known place, in km; None when no coordinates are known."""
    place = place_of(view)
    latitude, longitude = place.get("latitude"), place.get("longitude")
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return None
    return distance_km(criterion.latitude, criterion.longitude, latitude, longitude)


def consent_leaf(criterion: ConsentCriterion, scope: Scope) -> Leaf:
    name, is_wanted = f"{criterion.regulation}/{criterion.purpose}", criterion.state is Consent.PRESENT
    workspaces = scope.workspaces
    return lambda view, _now: exact((view.register(workspaces, RegisterKind.CONSENT, name) is True) is is_wanted, NEVER)


def install_attribution_leaf(criterion: InstallAttributionCriterion, scope: Scope) -> Leaf:
    return value_leaf(criterion.test, _register_reader(scope.workspaces, RegisterKind.ATTRIBUTION, criterion.field))


def seen_leaf(window: Window, scope: Scope, read: Sighting) -> Leaf:
    """First or last seen, over the audience's workspaces; a profile not seen there is false."""
    span, workspaces = span_of(window), scope.workspaces

    def leaf(view: View, now: int) -> int:
        seen = [each for workspace in workspaces if (each := view.profile.seen.get(workspace))]
        inside = instants_inside(span, read(seen)) if seen else None
        return exact(*inside_at((inside,) if inside else (), now))

    return leaf


def first_seen(seen: Collection[Seen]) -> int:
    return min(each.first for each in seen)


def last_seen(seen: Collection[Seen]) -> int:
    return max(each.last for each in seen)


def population_leaf(workspaces: Collection[WorkspaceId]) -> Leaf:
    """Only profiles seen in the audience's workspaces belong to its population."""
    scope = frozenset(workspaces)
    return lambda view, _now: exact(not scope.isdisjoint(view.profile.seen), NEVER)
