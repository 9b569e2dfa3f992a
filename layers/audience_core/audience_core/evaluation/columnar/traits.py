"""Criteria over what a user is rather than did, for all users of a shard at once."""

from collections.abc import Collection
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from audience_core.domain.definition import (
    AttributeLevel,
    Consent,
    ConsentCriterion,
    DeviceCriterion,
    FirstSeenCriterion,
    IdentityCriterion,
    InstallAttributionCriterion,
    LastSeenCriterion,
    LocationCriterion,
    LocationWithinCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.event import AttributeValue
from audience_core.domain.profile import RegisterKind
from audience_core.domain.value_tests import Test
from audience_core.domain.windows import Window
from audience_core.evaluation.columnar.arrays import Bits, Bools, Integers, constant, runs_of, scattered
from audience_core.evaluation.columnar.columns import Codes, Column, as_codes, holds, labelled, of_values, passing, take
from audience_core.evaluation.columnar.shard import (
    IDENTITY,
    SEEN,
    VALUE,
    EventRange,
    Group,
    Key,
    Shard,
    moving_range,
)
from audience_core.evaluation.distance import distance_km
from audience_core.evaluation.predicates import holds_when_missing
from audience_core.evaluation.scope import Scope
from audience_core.evaluation.windows import span_of

type TraitCriterion = (
    UserAttributeCriterion
    | IdentityCriterion
    | FirstSeenCriterion
    | LastSeenCriterion
    | DeviceCriterion
    | LocationCriterion
    | LocationWithinCriterion
    | ConsentCriterion
    | InstallAttributionCriterion
)

_NOBODY = Group(
    0,
    {name: np.zeros(0, np.int64) for name in ("user", "first", "last")},
    {"workspace": Codes(np.zeros(0, np.int32), ())},
)
# (users, their values; None: no user has one).
type _Values = tuple[Integers, Column | None]
_COORDINATES = ("latitude", "longitude")


@dataclass(frozen=True, slots=True)
class Trait:
    """A criterion over what a user is, or None: the user was seen in the scope's workspaces."""

    criterion: TraitCriterion | None
    scope: Scope


@dataclass(slots=True)
class Users:
    """The users of a shard as of `now` (UTC ms); groups are read once."""

    shard: Shard
    now: int
    _groups: dict[tuple[Key, tuple[str, ...], tuple[str, ...]], Group] = field(default_factory=dict)
    _winners: dict[tuple[Key, frozenset[str] | None, str], _Values] = field(default_factory=dict)

    def truth(self, trait: Trait) -> Bits:
        scope = trait.scope
        match trait.criterion:
            case None:
                return self._population(scope.workspaces)
            case FirstSeenCriterion(window=window):
                return self._seen(window, scope, np.minimum, "first")
            case LastSeenCriterion(window=window):
                return self._seen(window, scope, np.maximum, "last")
            case IdentityCriterion(identity_type=identity_type, test=test):
                return self._any(self._group((IDENTITY, identity_type), ("user",), (VALUE,)), test)
            case DeviceCriterion(field=name, test=test):
                return self._any(self._group((RegisterKind.DEVICE, name), ("user",), (VALUE,)), test)
            case LocationWithinCriterion():
                return self._near(trait.criterion)
            case _:
                return self._register(trait.criterion, scope)

    def _register(
        self,
        criterion: UserAttributeCriterion | LocationCriterion | ConsentCriterion | InstallAttributionCriterion,
        scope: Scope,
    ) -> Bits:
        match criterion:
            case UserAttributeCriterion(attribute=name, level=level, test=test):
                workspaces = None if level is AttributeLevel.ACCOUNT else scope.workspaces
                return self._value((RegisterKind.ATTRIBUTE, name), workspaces, VALUE, test)
            case LocationCriterion(field=place_field, test=test):
                return self._value((RegisterKind.LOCATION, ""), None, place_field.value, test)
            case ConsentCriterion():
                return self._consent(criterion, scope)
            case InstallAttributionCriterion(field=name, test=test):
                return self._value((RegisterKind.ATTRIBUTION, name), scope.workspaces, VALUE, test)

    def _population(self, workspaces: Collection[str]) -> Bits:
        """Who was seen in one of the workspaces; no bit is set after the last user's."""
        found = [scattered(self.shard.size, self._sightings(each).integers["user"], True, False) for each in workspaces]
        return reduce(np.bitwise_or, found, constant(self.shard.size, False))

    def _value(self, key: Key, workspaces: frozenset[str] | None, name: str, test: Test) -> Bits:
        """The winning registers' test; workspaces None: all in which the user was seen."""
        user, column = self._winning(key, workspaces, name)
        when_missing = holds_when_missing(test)
        truths: Bools | bool = when_missing if column is None else passing(column, test, self.now)
        if isinstance(truths, np.ndarray) and len(user) == self.shard.size:
            return np.packbits(truths)  # each user has one winner
        return scattered(self.shard.size, user, truths, when_missing)

    def _consent(self, criterion: ConsentCriterion, scope: Scope) -> Bits:
        key = (RegisterKind.CONSENT, f"{criterion.regulation}/{criterion.purpose}")
        user, column = self._winning(key, scope.workspaces, VALUE)
        is_given = of_values(as_codes(column), lambda value: value is True, False) if column is not None else False
        bits = scattered(self.shard.size, user, is_given, False)
        return bits if criterion.state is Consent.PRESENT else ~bits

    def _near(self, criterion: LocationWithinCriterion) -> Bits:
        key = (RegisterKind.LOCATION, "")
        user, latitude = self._winning(key, None, _COORDINATES[0])
        _, longitude = self._winning(key, None, _COORDINATES[1])
        if latitude is None or longitude is None:
            return constant(self.shard.size, False)
        pairs, inverse = np.unique(
            np.stack([as_codes(latitude).codes, as_codes(longitude).codes]), axis=1, return_inverse=True
        )
        values = (*as_codes(latitude).values, None), (*as_codes(longitude).values, None)
        truths = [_is_near(criterion, values[0][each[0]], values[1][each[1]]) for each in pairs.T.tolist()]
        return scattered(self.shard.size, user, np.array(truths, bool)[inverse.reshape(-1)], False)

    def _any(self, group: Group, test: Test) -> Bits:
        """A test of the list of each user's values: some pass, or for a negative test all do; no values: missing."""
        runs = runs_of(group.integers["user"])
        if not len(runs.users):
            return constant(self.shard.size, holds_when_missing(test))
        passes = holds(test, self.now)
        alone = of_values(as_codes(group.values[VALUE]), lambda value: passes([value]), False)  # type: ignore[list-item]  # devices hold scalars
        is_negative = str(getattr(test, "operator", "")).startswith("not_")
        combined = (np.logical_and if is_negative else np.logical_or).reduceat(alone, runs.starts)
        return scattered(self.shard.size, runs.users, combined, holds_when_missing(test))

    def _seen(self, window: Window, scope: Scope, choose: np.ufunc, name: str) -> Bits:
        groups = [self._sightings(each, name) for each in sorted(scope.workspaces)]
        user = np.concatenate([group.integers["user"] for group in groups])
        at = np.concatenate([group.integers[name] for group in groups])
        order = np.argsort(user, kind="stable")
        runs = runs_of(user[order])
        if not len(runs.users):
            return constant(self.shard.size, False)
        chosen, span = choose.reduceat(at[order], runs.starts), span_of(window)
        # A date is a date: it does not matter whether it is already past.
        inside = moving_range(span, self.now) if span.is_moving else EventRange(span.first, span.last)
        return scattered(self.shard.size, runs.users, (chosen >= inside.first) & (chosen <= inside.last), False)

    def _winning(self, key: Key, workspaces: frozenset[str] | None, name: str) -> _Values:
        """(users, values) of the registers that win; None when no user has a value of that name."""
        found = self._winners.get((key, workspaces, name))
        if found is None:
            group = self._group(key, ("user",), (name,))
            rows, column = self._winning_rows(group, workspaces), group.values.get(name)
            user = group.integers["user"]
            if rows is not None:
                user, column = user[rows], None if column is None else take(column, rows)
            found = self._winners[key, workspaces, name] = user, column
        return found

    def _winning_rows(self, group: Group, workspaces: frozenset[str] | None) -> Integers | None:
        """None: all of them."""
        labels, user = group.labels["workspace"], group.integers["user"]
        if workspaces is None:
            allowed = self._was_seen(labels.values)[labels.codes, user]
        else:
            allowed = labelled(labels, workspaces)
        if allowed.all() and np.all(user[1:] > user[:-1]):
            return None
        rows = np.flatnonzero(allowed)
        runs = runs_of(user[rows])
        winners: Integers = rows[runs.starts + runs.counts - 1]
        return winners

    def _was_seen(self, workspaces: Collection[AttributeValue]) -> Bools:
        """bool[workspace, user]."""
        table = np.zeros((len(workspaces), self.shard.size), bool)
        for row, workspace in enumerate(workspaces):
            table[row, self._sightings(str(workspace)).integers["user"]] = True
        return table

    def _sightings(self, workspace: str, *names: str) -> Group:
        return self._group((SEEN, workspace), ("user", *names), ())

    def _group(self, key: Key, integers: tuple[str, ...], values: tuple[str, ...]) -> Group:
        found = self._groups.get((key, integers, values))
        if found is None:
            labels = () if key[0] in (SEEN, IDENTITY, RegisterKind.DEVICE) else ("workspace",)
            is_there = key in self.shard.users.sizes
            found = self.shard.users.read(key, integers, labels, values) if is_there else _NOBODY
            self._groups[key, integers, values] = found
        return found


def _is_near(criterion: LocationWithinCriterion, latitude: AttributeValue, longitude: AttributeValue) -> bool:
    if not isinstance(latitude, int | float) or not isinstance(longitude, int | float):
        return False
    return distance_km(criterion.latitude, criterion.longitude, latitude, longitude) <= criterion.distance_km
