"""One kind and name of events, cut to the time that matters, and the rows of it that a selector chooses."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from functools import cached_property, reduce

import numpy as np

from audience_core.domain.definition import WORKSPACE_KINDS, EventSelector
from audience_core.domain.event import AttributeValue
from audience_core.domain.value_tests import Condition
from audience_core.evaluation.columnar.arrays import Bools, Integers, Runs, runs_of
from audience_core.evaluation.columnar.columns import Codes, Column, is_present, labelled, passing, take
from audience_core.evaluation.columnar.groups import chosen_rows, renumbered, stacked, with_event
from audience_core.evaluation.columnar.shard import EventRange, Group, Key, Shard
from audience_core.evaluation.predicates import holds_when_missing
from audience_core.evaluation.scope import PRODUCTS, Scope

_NO_ROWS = np.zeros(0, np.int32)
_NOBODY = Group(0, {"user": _NO_ROWS, "at": np.zeros(0, np.int64), "tie": _NO_ROWS, "event": _NO_ROWS})
# Until a code is looked up in no values at all, any code is right.
_NO_LABELS = Codes(_NO_ROWS, ())


@dataclass(frozen=True, slots=True)
class Needs:
    """What of a group of events somebody reads.

    Args:
        is_ordered: whether the order of events of one instant matters.
    """

    labels: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    has_products: bool = False
    is_ordered: bool = False

    def __or__(self, other: "Needs") -> "Needs":
        return Needs(
            self.labels | other.labels,
            self.attributes | other.attributes,
            self.products | other.products,
            self.has_products or other.has_products,
            self.is_ordered or other.is_ordered,
        )


def needs_of(selector: EventSelector, attribute: str | None = None, *, is_ordered: bool = False) -> Needs:
    """Those of a selector and of one attribute of its events, `products.<name>` meaning the products'."""
    attributes = {each.attribute for each in selector.where}
    products = {each.attribute for each in selector.products}
    if attribute is not None and attribute.startswith(PRODUCTS):
        products.add(attribute.removeprefix(PRODUCTS))
    elif attribute is not None:
        attributes.add(attribute)
    label = frozenset({label_of(selector)})
    return Needs(label, frozenset(attributes), frozenset(products), bool(products), is_ordered)


def label_of(selector: EventSelector) -> str:
    return "workspace" if selector.kind in WORKSPACE_KINDS else "input"


@dataclass(frozen=True, slots=True, eq=False)
class Series:
    """The events that a selector chooses in a scope; equal ones are one object, so that none is compared twice."""

    selector: EventSelector
    scope: Scope


@dataclass(slots=True)
class Track:
    """Events in time order per user, and their products, `event` in those being a row of `events`.

    Args:
        size: users of the shard.
        now: the instant at which conditions are asked (UTC ms).
        during: that no event lies outside of.
    """

    size: int
    now: int
    during: EventRange
    events: Group
    products: Group
    _chosen: dict[Series, "Selection"] = field(default_factory=dict)
    _inside: dict[tuple[Series, EventRange], "Selection"] = field(default_factory=dict)
    _passed: dict[tuple[bool, Condition], Bools] = field(default_factory=dict)

    def chosen(self, series: Series) -> "Selection":
        """The events of a series; worked out once."""
        found = self._chosen.get(series)
        if found is None:
            rows = np.flatnonzero(self._mask(series.selector, series.scope))
            found = self._chosen[series] = Selection(self, rows)
        return found

    def inside(self, series: Series, during: EventRange) -> "Selection":
        """The events of a series in a time; worked out once, for all that is asked of them."""
        found = self._inside.get((series, during))
        if found is None:
            found = self._inside[series, during] = self._cut(self.chosen(series), during)
        return found

    def forget(self) -> None:
        """Let go of all selections: they refer to the track, and it would stay until somebody looks for cycles."""
        self._chosen.clear()
        self._inside.clear()

    def _cut(self, chosen: "Selection", during: EventRange) -> "Selection":
        masks = []
        if during.first > self.during.first:
            masks.append(chosen.at >= during.first)
        if during.last < self.during.last:
            masks.append(chosen.at <= during.last)
        if not masks:
            return chosen
        return Selection(self, chosen.rows.take(np.flatnonzero(reduce(np.logical_and, masks))))

    def integers(self, name: str, rows: Integers) -> Integers:
        column = self.events.integers[name]
        return column if len(rows) == len(column) else column.take(rows)

    def _mask(self, selector: EventSelector, scope: Scope) -> Bools:
        masks = [self._in_scope(label_of(selector), scope)]
        masks += [self._condition(self.events, each) for each in selector.where]
        if selector.products:
            masks.append(self._with_product(selector.products))
        return reduce(np.logical_and, masks)

    def _in_scope(self, label: str, scope: Scope) -> Bools:
        ids: Collection[AttributeValue] = scope.workspaces if label == "workspace" else scope.inputs
        return labelled(self.events.labels.get(label, _NO_LABELS), ids)

    def _with_product(self, conditions: Sequence[Condition]) -> Bools:
        """Events of which one product meets all conditions."""
        meets = reduce(np.logical_and, [self._condition(self.products, each) for each in conditions])
        found = np.zeros(self.events.rows, bool)
        found[self.products.integers["event"][meets]] = True
        return found

    def _condition(self, group: Group, condition: Condition) -> Bools:
        key = (group is self.products, condition)
        found = self._passed.get(key)
        if found is None:
            found = self._passed[key] = _passing(group, condition, self.now)
        return found


def _passing(group: Group, condition: Condition, now: int) -> Bools:
    column = group.values.get(condition.attribute)
    if column is None:
        return np.full(group.rows, holds_when_missing(condition.test))
    return passing(column, condition.test, now)


@dataclass(frozen=True)
class Selection:
    """Some events of a track: `rows` ascending."""

    track: Track
    rows: Integers

    @cached_property
    def user(self) -> Integers:
        return self.track.integers("user", self.rows)

    @cached_property
    def at(self) -> Integers:
        return self.track.integers("at", self.rows)

    @cached_property
    def runs(self) -> Runs:
        return runs_of(self.user)

    def cells(self, attribute: str) -> tuple[Integers, Column]:
        """(users, values) of the events that have the attribute, or of their products, in order."""
        name = attribute.removeprefix(PRODUCTS)
        group, rows = (self.track.events, self.rows) if name == attribute else self._of_products()
        column = group.values.get(name)
        if column is None:
            return _NO_ROWS, Codes(_NO_ROWS, ())
        user = self.track.events.integers["user"]
        found = rows.compress(is_present(column).take(rows))
        return user[found if name == attribute else group.integers["event"][found]], take(column, found)

    def _of_products(self) -> tuple[Group, Integers]:
        is_chosen = np.zeros(self.track.events.rows, bool)
        is_chosen[self.rows] = True
        return self.track.products, np.flatnonzero(is_chosen[self.track.products.integers["event"]])


def read_track(shard: Shard, keys: Sequence[Key], needs: Needs, during: EventRange, now: int) -> Track:
    """The events of some groups within a time, as one track."""
    parts = [_read(shard, key, needs, during) for key in keys]
    if not parts:
        return Track(shard.size, now, during, _NOBODY, _NOBODY)
    events, products = parts[0] if len(parts) == 1 else _merged(parts)
    return Track(shard.size, now, during, _indexed(events), products)


def _indexed(events: Group) -> Group:
    """With users as numpy indexes arrays: it would convert them each time they are used."""
    user = events.integers["user"].astype(np.intp)
    return Group(events.rows, {**events.integers, "user": user}, events.labels, events.values)


def _read(shard: Shard, key: Key, needs: Needs, during: EventRange) -> tuple[Group, Group]:
    integers = ("user", "at", "tie") if needs.is_ordered else ("user", "at")
    events = _only(shard.events.read(key, integers, needs.labels, needs.attributes), integers, needs.attributes)
    products = _NOBODY
    if needs.has_products and key in shard.products.sizes:
        products = _only(shard.products.read(key, ("event",), (), needs.products), ("event",), needs.products)
    at = events.integers["at"]
    keep = np.flatnonzero((at >= during.first) & (at <= during.last))
    if len(keep) == events.rows:
        return events, products
    return chosen_rows(events, keep), renumbered(products, keep, events.rows)


def _only(group: Group, integers: Collection[str], values: Collection[str]) -> Group:
    """A group in memory gives all it has; what nobody asked for need not be cut and merged."""
    return Group(
        group.rows,
        {name: group.integers[name] for name in integers},
        group.labels,
        {name: column for name, column in group.values.items() if name in values},
    )


def _merged(parts: Sequence[tuple[Group, Group]]) -> tuple[Group, Group]:
    """Events of several names in one order; those of one instant by their ties."""
    events = stacked([part[0] for part in parts])
    offsets = np.cumsum([0, *(part[0].rows for part in parts)])
    shifted = [
        with_event(products, products.integers["event"] + int(offset))
        for (_, products), offset in zip(parts, offsets, strict=False)
    ]
    keys = [events.integers[name] for name in ("tie", "at", "user") if name in events.integers]
    order = np.lexsort(keys)
    return chosen_rows(events, order), renumbered(stacked(shifted), order, events.rows)
