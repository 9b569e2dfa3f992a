"""A naive evaluator that reads like docs/semantics.md and shares no code with the real ones.

It looks at every event for every criterion, knows nothing of incremental state, and finds changes in time by asking at
every instant at which anything could turn.
"""

import math
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from audience_core.domain import definition as d
from audience_core.domain.audience import Audience
from audience_core.domain.event import Event
from audience_core.domain.ids import AudienceId
from audience_core.domain.profile import Profile, RegisterKind
from tests.support.oracle_values import (
    as_instant,
    as_number,
    as_text,
    as_truth,
    compare,
    cross,
    fold,
    length,
    midnight,
    rounded,
    text_matches,
    unit_vector,
    values_of,
)

DAY = 24 * 60 * 60 * 1000
ABSENT = object()


def is_member(
    audience: Audience, others: Mapping[AudienceId, Audience], profile: Profile, now: int, look_back: int
) -> bool:
    if not any(workspace in profile.seen for workspace in audience.workspaces):
        return False
    return Oracle(audience, others, profile, now, look_back).holds(audience.definition.root)


class Oracle:
    def __init__(
        self, audience: Audience, others: Mapping[AudienceId, Audience], profile: Profile, now: int, look_back: int
    ) -> None:
        self.audience, self.others, self.profile, self.now, self.look_back = audience, others, profile, now, look_back

    def holds(self, node: Any) -> bool:
        return bool(getattr(self, f"_{node.type}")(node))

    def _all_of(self, node: d.AllOf) -> bool:
        return all(self.holds(each) for each in node.criteria)

    def _any_of(self, node: d.AnyOf) -> bool:
        return any(self.holds(each) for each in node.criteria)

    def _not(self, node: d.Not) -> bool:
        return not self.holds(node.criterion)

    def _audience_membership(self, node: d.AudienceMembershipCriterion) -> bool:
        other = self.others.get(AudienceId(node.audience_id))
        return other is not None and is_member(other, self.others, self.profile, self.now, self.look_back)

    # Events

    def visible(self, selector: d.EventSelector) -> list[Event]:
        events = [event for track in self.profile.timeline.values() for event in track]
        found = [event for event in events if self.selects(selector, event)]
        return sorted(found, key=lambda event: (event.at, event.event_id))

    def selects(self, selector: d.EventSelector, event: Event) -> bool:
        if event.kind != selector.kind or (selector.name is not None and event.name != selector.name):
            return False
        if event.kind in ("crash_report", "install", "upgrade", "uninstall"):
            if event.workspace_id not in self.audience.workspaces:
                return False
        elif event.input_id not in self.audience.inputs:
            return False
        if event.at > self.now or event.at < self.now - self.look_back * DAY:
            return False
        if not all(self.passes(c.test, event.attributes.get(c.attribute, ABSENT)) for c in selector.where):
            return False
        return not selector.products or any(
            all(self.passes(c.test, product.get(c.attribute, ABSENT)) for c in selector.products)
            for product in event.products
        )

    def inside(self, window: Any, at: int) -> bool:
        match window.type:
            case "within_last":
                return self.now - length(window.duration) <= at <= self.now
            case "between_ago":
                return self.now - length(window.older) <= at <= self.now - length(window.newer)
            case "before":
                return at < midnight(window.date)
            case "after":
                return at >= midnight(window.date) + (0 if window.inclusive else DAY)
            case "on":
                return midnight(window.date) <= at < midnight(window.date) + DAY
            case "between_dates":
                return midnight(window.start) <= at < midnight(window.end) + DAY
        raise AssertionError(window)

    def counted(self, selector: d.EventSelector, window: Any) -> list[Event]:
        return [event for event in self.visible(selector) if self.inside(window, event.at)]

    def _event(self, node: d.EventCriterion) -> bool:
        count = len(self.counted(node.event, node.window))
        if isinstance(node.frequency, d.CountBetween):
            return node.frequency.min <= count <= node.frequency.max
        return compare(node.frequency.operator, count, node.frequency.value)

    def _aggregate(self, node: d.AggregateCriterion) -> bool:  # noqa: C901  (one arm per function)
        values = [v for event in self.counted(node.event, node.window) for v in values_of(event, node.attribute)]
        numbers = [number for value in values if (number := as_number(value)) is not None]
        match node.function:
            case "first_value":
                return bool(values) and self.passes(node.test, values[0])
            case "last_value":
                return bool(values) and self.passes(node.test, values[-1])
            case "sum":
                return self.figure(node.test, sum(numbers, Decimal(0)))
            case "distinct_count":
                return self.figure(node.test, Decimal(len({fold(t) for v in values if (t := as_text(v)) is not None})))
        if not numbers:
            return False
        match node.function:
            case "min":
                return self.figure(node.test, min(numbers))
            case "max":
                return self.figure(node.test, max(numbers))
            case "average":
                return self.figure(node.test, sum(numbers, Decimal(0)), len(numbers))
        raise AssertionError(node)

    @staticmethod
    def figure(test: Any, total: Decimal, count: int = 1) -> bool:
        """`total / count` against a number test, without dividing."""
        match test.type:
            case "number":
                return compare(test.operator, total, rounded(test.value) * count)
            case "number_between":
                return rounded(test.min) * count <= total <= rounded(test.max) * count
            case "number_in":
                is_in = any(total == rounded(value) * count for value in test.values)
                return is_in is (test.operator == "in_list")
        raise AssertionError(test)

    def _occurrence(self, node: d.OccurrenceCriterion) -> bool:
        events = self.visible(node.event)
        return bool(events) and self.inside(node.window, events[0 if node.which == "first" else -1].at)

    def _sequence(self, node: d.SequenceCriterion) -> bool:
        steps = [[event.at for event in self.counted(step, node.window)] for step in node.steps]
        longest = length(node.within) if node.within else math.inf

        def goes_on(at: int, step: int, start: int) -> bool:
            if step == len(steps):
                return at - start <= longest
            following = [later for later in steps[step] if later > at]
            return bool(following) and goes_on(min(following), step + 1, start)

        return any(goes_on(start, 1, start) for start in steps[0])

    def _cart_abandonment(self, node: d.CartAbandonmentCriterion) -> bool:
        adds = self.counted(d.EventSelector(kind=d.EventKind.COMMERCE, name="add_to_cart"), node.window)
        purchases = self.visible(d.EventSelector(kind=d.EventKind.COMMERCE, name="purchase"))
        wait = length(node.after)
        return any(
            add.at + wait <= self.now and not any(add.at <= bought.at <= add.at + wait for bought in purchases)
            for add in adds
        )

    # The profile

    def register(self, workspaces: Iterable[str], kind: RegisterKind, name: str) -> Any:
        found = [
            (register.at, repr(register.value), register.value)
            for key, register in self.profile.registers.items()
            if key.workspace_id in workspaces and key.kind == kind and key.name == name and not register.is_deleted
        ]
        return max(found, key=lambda each: each[:2])[2] if found else ABSENT

    def _user_attribute(self, node: d.UserAttributeCriterion) -> bool:
        workspaces = self.profile.seen if node.level == "account" else self.audience.workspaces
        return self.passes(node.test, self.register(workspaces, RegisterKind.ATTRIBUTE, node.attribute))

    def _identity(self, node: d.IdentityCriterion) -> bool:
        values = [each.value for each in self.profile.identities if each.type == node.identity_type]
        return self.passes(node.test, values or ABSENT)

    def _device(self, node: d.DeviceCriterion) -> bool:
        values = [
            register.value
            for key, register in self.profile.registers.items()
            if key.kind == RegisterKind.DEVICE and key.name.split("/")[-1] == node.field and not register.is_deleted
        ]
        return self.passes(node.test, values or ABSENT)

    def _location(self, node: d.LocationCriterion) -> bool:
        place = self.register(self.profile.seen, RegisterKind.LOCATION, "")
        return self.passes(node.test, ABSENT if place is ABSENT else place.get(node.field.value, ABSENT))

    def _location_within(self, node: d.LocationWithinCriterion) -> bool:
        place = self.register(self.profile.seen, RegisterKind.LOCATION, "")
        if place is ABSENT or "latitude" not in place or "longitude" not in place:
            return False
        a, b = (unit_vector(node.latitude, node.longitude), unit_vector(place["latitude"], place["longitude"]))
        angle = math.atan2(math.dist(cross(a, b), (0, 0, 0)), sum(x * y for x, y in zip(a, b, strict=True)))
        return 6371.0088 * angle <= node.distance_km

    def _consent(self, node: d.ConsentCriterion) -> bool:
        given = self.register(self.audience.workspaces, RegisterKind.CONSENT, f"{node.regulation}/{node.purpose}")
        return (given is True) is (node.state == "present")

    def _install_attribution(self, node: d.InstallAttributionCriterion) -> bool:
        value = self.register(self.audience.workspaces, RegisterKind.ATTRIBUTION, node.field)
        return self.passes(node.test, value)

    def sightings(self) -> list[Any]:
        return [self.profile.seen[w] for w in self.audience.workspaces if w in self.profile.seen]

    def _first_seen(self, node: d.FirstSeenCriterion) -> bool:
        seen = self.sightings()
        return bool(seen) and self.inside(node.window, min(each.first for each in seen))

    def _last_seen(self, node: d.LastSeenCriterion) -> bool:
        seen = self.sightings()
        return bool(seen) and self.inside(node.window, max(each.last for each in seen))

    # Values

    def passes(self, test: Any, value: Any) -> bool:
        if value is ABSENT:
            return bool(test.type == "presence" and test.operator == "not_exists")
        if test.type == "presence":
            is_empty = value is None or value == "" or value == []
            return bool(
                {"exists": True, "not_exists": False, "empty": is_empty, "not_empty": not is_empty}[test.operator]
            )
        if test.type == "list":
            if not isinstance(value, list):
                return False
            texts = [fold(text) for each in value if (text := as_text(each)) is not None]
            is_found = any(
                fold(test.value) in t if "partial" in test.operator else fold(test.value) == t for t in texts
            )
            return is_found is not test.operator.startswith("not_")
        read, matches, is_negative = self.reading(test)
        if isinstance(value, list):
            is_found = any(matches(read(each)) for each in value if read(each) is not None)
            return is_found is not is_negative
        known = read(value)
        return known is not None and matches(known) is not is_negative

    def reading(self, test: Any) -> tuple[Callable[[Any], Any], Callable[[Any], bool], bool]:
        """How to read a value for the test, what the positive form asks of it, and whether the test is negative."""
        match test.type:
            case "string":
                name = test.operator.removeprefix("not_")
                return as_text, lambda t: text_matches(name, fold(t), test.value), test.operator != name
            case "string_in":
                wanted = {fold(each) for each in test.values}
                return as_text, lambda t: fold(t) in wanted, test.operator == "not_in_list"
            case "number":
                name = test.operator.removeprefix("not_")
                return as_number, lambda n: compare(name, n, rounded(test.value)), test.operator != name
            case "number_between":
                return as_number, lambda n: rounded(test.min) <= n <= rounded(test.max), False
            case "number_in":
                numbers = {rounded(each) for each in test.values}
                return as_number, lambda n: n in numbers, test.operator == "not_in_list"
            case "boolean":
                return as_truth, lambda t: t is test.value, False
            case "date":
                return as_instant, lambda at: self.inside(test.window, at), False
        raise AssertionError(test)
