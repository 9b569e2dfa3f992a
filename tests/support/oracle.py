"""A naive evaluator that reads like docs/semantics.md and shares no code with the real ones.

It looks at every event for every criterion, knows nothing of incremental state, and finds changes in time by asking at
every instant at which anything could turn.
"""

import math
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from functools import cache
from typing import Any

from audience_core.domain import definition as d
from audience_core.domain import windows as w
from audience_core.domain.audience import Audience
from audience_core.domain.event import Event
from audience_core.domain.ids import AudienceId
from audience_core.domain.profile import Profile, RegisterKind

DAY = 24 * 60 * 60 * 1000
MINUTES = {"minutes": 1, "hours": 60, "days": 24 * 60, "weeks": 7 * 24 * 60}
ABSENT = object()
LIMIT = Decimal(10) ** 12


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


def length(duration: w.Duration) -> int:
    return duration.amount * MINUTES[duration.unit] * 60_000


def midnight(day: Any) -> int:
    return (datetime.combine(day, time(), UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def compare(operator: str, a: Any, b: Any) -> bool:
    answers: dict[str, bool] = {
        "equals": a == b,
        "not_equals": a != b,
        "greater_than": a > b,
        "greater_or_equal": a >= b,
        "less_than": a < b,
        "less_or_equal": a <= b,
    }
    return answers[operator]


def values_of(event: Event, attribute: str) -> list[Any]:
    if attribute.startswith("products."):
        name = attribute[len("products.") :]
        return [product[name] for product in event.products if name in product]
    return [event.attributes[attribute]] if attribute in event.attributes else []


def fold(text: str) -> str:
    return unicodedata.normalize("NFC", text).casefold()


def as_text(value: Any) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and math.isfinite(value):
        return as_javascript(value)
    return None if value is None or isinstance(value, list | dict) else str(value)


def as_javascript(value: float) -> str:
    """The steps of ECMAScript's Number::toString."""
    if value == 0:
        return "0"
    sign, places, exponent = Decimal(repr(value)).normalize().as_tuple()
    digits, k = "".join(map(str, places)), len(places)
    n = int(exponent) + k
    if k <= n <= 21:
        text = digits + "0" * (n - k)
    elif 0 < n <= 21:
        text = f"{digits[:n]}.{digits[n:]}"
    elif -6 < n <= 0:
        text = f"0.{'0' * -n}{digits}"
    else:
        text = f"{digits[0]}{'.' if k > 1 else ''}{digits[1:]}e{'+' if n > 0 else '-'}{abs(n - 1)}"
    return f"{'-' if sign else ''}{text}"


def rounded(value: Any) -> Decimal:
    return Decimal(repr(value)).quantize(Decimal("0.000001"), ROUND_HALF_EVEN)


def as_number(value: Any) -> Decimal | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, str):
        value = value.strip(" \t\r\n")
        if not re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,3})?", value):
            return None
        number = Decimal(value)
    elif isinstance(value, float) and not math.isfinite(value):
        return None
    else:
        number = Decimal(repr(value))
    return None if not -LIMIT <= number <= LIMIT else number.quantize(Decimal("0.000001"), ROUND_HALF_EVEN)


def as_truth(value: Any) -> bool | None:
    if isinstance(value, str) and value.strip().casefold() in ("true", "false"):
        return value.strip().casefold() == "true"
    return value if isinstance(value, bool) else None


def as_instant(value: Any) -> int | None:
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, int | float):
        return math.trunc(value) if math.isfinite(value) else None
    value = value.strip()
    if re.fullmatch(r"[0-9]{11,}", value):
        return int(value) if len(value) <= 18 else None
    try:
        moment = datetime.fromisoformat(value)
    except ValueError:
        return None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)


def text_matches(operator: str, text: str, wanted: str) -> bool:
    match operator:
        case "equals":
            return text == fold(wanted)
        case "contains":
            return fold(wanted) in text
        case "starts_with":
            return text.startswith(fold(wanted))
        case "ends_with":
            return text.endswith(fold(wanted))
        case "pattern":
            return glob(tokens(wanted), text)
    raise AssertionError(operator)


def tokens(pattern: str) -> tuple[tuple[str, str], ...]:
    found: list[tuple[str, str]] = []
    rest = list(unicodedata.normalize("NFC", pattern))
    while rest:
        character = rest.pop(0)
        if character in "*?":
            found.append((character, ""))
        else:
            literal = (rest.pop(0) if rest else "\\") if character == "\\" else character
            found += [("=", each) for each in fold(literal)]
    return tuple(found)


def glob(pattern: tuple[tuple[str, str], ...], text: str) -> bool:
    @cache
    def matches(p: int, t: int) -> bool:
        if p == len(pattern):
            return t == len(text)
        kind, character = pattern[p]
        if kind == "*":
            return matches(p + 1, t) or (t < len(text) and matches(p, t + 1))
        return t < len(text) and (kind == "?" or text[t] == character) and matches(p + 1, t + 1)

    return matches(0, 0)


def unit_vector(latitude: float, longitude: float) -> tuple[float, float, float]:
    phi, theta = math.radians(latitude), math.radians(longitude)
    return math.cos(phi) * math.cos(theta), math.cos(phi) * math.sin(theta), math.sin(phi)


def cross(a: tuple[float, ...], b: tuple[float, ...]) -> tuple[float, float, float]:
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]
