"""An account's active definitions, compiled together: equal criteria in equal scopes are worked out once."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

from audience_core.domain.audience import Audience
from audience_core.domain.definition import (
    AggregateCriterion,
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
    OccurrenceCriterion,
    SequenceCriterion,
    UserAttributeCriterion,
)
from audience_core.domain.ids import DAY_MS, NEVER, AudienceId, WorkspaceId
from audience_core.domain.profile import RegisterKind, TrackKey
from audience_core.evaluation import chains, figures, leaves, traits
from audience_core.evaluation.logic import all_of, any_of, negation, remembered
from audience_core.evaluation.predicates import is_moving
from audience_core.evaluation.series import Scope, Series, compile_series
from audience_core.evaluation.view import Leaf, View, blank_view
from audience_core.evaluation.windows import span_of

# What a leaf depends on: ("series", index), ("register", kind, name), ("identity", type) or ("seen",).
type Read = tuple[str | int | RegisterKind, ...]
SEEN: Read = ("seen",)


@dataclass(frozen=True, slots=True)
class LeafUse:
    """A criterion that one or more audiences contain.

    Args:
        blank: its value for a user of whom nothing is known, which it keeps for all time.
        is_moving: whether time alone can turn it.
        is_monotone: whether more events can only move it away from its blank value.
    """

    leaf: Leaf
    blank: bool
    is_moving: bool
    is_monotone: bool
    audiences: frozenset[AudienceId]


@dataclass(frozen=True, slots=True)
class Program:
    """Every active audience of an account as one function of a profile and an instant.

    Args:
        version: of the account's set of active definitions; profiles remember the one they were evaluated with.
        trees: audience -> the truth of its definition; who is not of its population is no member all the same.
        blank_members: audiences whose criteria hold for a user of whom nothing is known ("fewer than 3 sessions").
        series_by_track: (kind, name; None: any name) -> the series that read such events.
        audiences_by_read: what an audience depends on -> those that do; `leaves_by_read`: the criteria that do.
        audiences_by_workspace: workspace -> audiences whose population it feeds.
    """

    version: int
    look_back_ms: int
    trees: Mapping[AudienceId, Leaf]
    blank_members: frozenset[AudienceId]
    series_by_track: Mapping[tuple[EventKind, str | None], tuple[Series, ...]]
    audiences_by_read: Mapping[Read, frozenset[AudienceId]]
    leaves_by_read: Mapping[Read, tuple[LeafUse, ...]]
    audiences_by_workspace: Mapping[WorkspaceId, frozenset[AudienceId]]

    def next_change(self, audience_id: AudienceId, view: View, now: int) -> tuple[bool, int]:
        """The definition's truth at `now` and the exact instant at which it next changes if nothing happens.

        A tree's `until` is a lower bound of its next change: whichever child turns first need not turn the tree. So the
        tree is asked again at that bound until it answers differently, or never will.
        """
        tree = self.trees[audience_id]
        value, until = tree(view, now)
        while until < NEVER:
            again, after = tree(view, until)
            if again is not value:
                return value, until
            until = after
        return value, NEVER


def compile_program(version: int, audiences: Iterable[Audience], look_back_days: int) -> Program:
    """Compile the active audiences of one account; an audience may refer to others among them."""
    return _Compiler({each.audience_id: each for each in audiences}, look_back_days * DAY_MS).compile(version)


@dataclass(slots=True)
class _Compiled:
    leaf: Leaf
    reads: frozenset[Read]
    is_moving: bool
    is_monotone: bool
    audiences: set[AudienceId] = field(default_factory=set)


def _only_track(criterion: Criterion) -> TrackKey | None:
    match criterion:
        case EventCriterion(event=event) | AggregateCriterion(event=event) | OccurrenceCriterion(event=event):
            return (event.kind, event.name) if event.name is not None else None
        case _:
            return None


def _is_moving(criterion: Criterion) -> bool:
    """Every criterion over events is: they pass out of the look-back. Of the others, those that test recency."""
    match criterion:
        case FirstSeenCriterion(window=window) | LastSeenCriterion(window=window):
            return span_of(window).is_moving
        case ConsentCriterion() | LocationWithinCriterion():
            return False
        case (
            UserAttributeCriterion(test=test)
            | IdentityCriterion(test=test)
            | DeviceCriterion(test=test)
            | LocationCriterion(test=test)
            | InstallAttributionCriterion(test=test)
        ):
            return is_moving(test)
        case _:
            return True


def _is_monotone(criterion: Criterion) -> bool:
    match criterion:
        case EventCriterion(frequency=frequency):
            return leaves.threshold(frequency) is not None
        case _:
            return isinstance(criterion, SequenceCriterion)


def _cost(criterion: Criterion) -> int:
    """What time cannot change comes first: when it decides, it decides for good. Then the cheap before the dear."""
    match criterion:
        case AllOf() | AnyOf() | Not() | AudienceMembershipCriterion():
            return 3
        case EventCriterion() | FirstSeenCriterion() | LastSeenCriterion():
            return 1
        case _:
            return 2 if _is_moving(criterion) else 0


def _scope(audience: Audience) -> Scope:
    return Scope(frozenset(audience.workspaces), frozenset(audience.inputs))


class _Compiler:
    def __init__(self, audiences: Mapping[AudienceId, Audience], look_back_ms: int) -> None:
        self._audiences = audiences
        self._look_back_ms = look_back_ms
        self._series: dict[tuple[EventSelector, Scope], Series] = {}
        self._leaves: dict[tuple[Criterion, Scope] | str, _Compiled] = {}
        self._blank: set[AudienceId] = set()
        self._audience_id = AudienceId(0)
        self._reads: set[Read] = set()

    def compile(self, version: int) -> Program:
        trees: dict[AudienceId, Leaf] = {}
        by_workspace: dict[WorkspaceId, set[AudienceId]] = defaultdict(set)
        for audience_id, audience in self._audiences.items():
            self._audience_id = audience_id
            trees[audience_id] = self._audience(audience)
            for workspace in audience.workspaces:
                by_workspace[workspace].add(audience_id)
        by_track: dict[tuple[EventKind, str | None], list[Series]] = defaultdict(list)
        for series in self._series.values():
            by_track[series.kind, series.name].append(series)
        uses = self._uses()
        return Program(
            version,
            self._look_back_ms,
            trees,
            frozenset(self._blank),
            {track: tuple(series) for track, series in by_track.items()},
            {read: frozenset().union(*(use.audiences for use in found)) for read, found in uses.items()},
            {read: tuple(found) for read, found in uses.items()},
            {workspace: frozenset(ids) for workspace, ids in by_workspace.items()},
        )

    def _uses(self) -> dict[Read, list[LeafUse]]:
        uses: dict[Read, list[LeafUse]] = defaultdict(list)
        for compiled in self._leaves.values():
            blank, _ = compiled.leaf(blank_view(), 0)
            audiences = frozenset(compiled.audiences)
            use = LeafUse(compiled.leaf, blank, compiled.is_moving, compiled.is_monotone, audiences)
            for read in compiled.reads:
                uses[read].append(use)
        return uses

    def _audience(self, audience: Audience) -> Leaf:
        criterion = self._criterion(audience.definition.root, _scope(audience))
        if criterion(blank_view(), 0)[0]:
            self._blank.add(audience.audience_id)
        return criterion

    def _criterion(self, criterion: Criterion, scope: Scope) -> Leaf:
        match criterion:
            case AllOf(criteria=criteria):
                return all_of([self._criterion(each, scope) for each in sorted(criteria, key=_cost)])
            case AnyOf(criteria=criteria):
                return any_of([self._criterion(each, scope) for each in sorted(criteria, key=_cost)])
            case Not(criterion=inner):
                return negation(self._criterion(inner, scope))
            case AudienceMembershipCriterion(audience_id=audience_id):
                return self._membership(AudienceId(audience_id))
            case _:
                return self._leaf(criterion, scope)

    def _membership(self, audience_id: AudienceId) -> Leaf:
        """The other audience's own tree in its own scope: so its changes in time are this one's, to the millisecond."""
        nested = self._audiences.get(audience_id)
        if nested is None:  # not active: nobody is in it
            return lambda _view, _now: (False, NEVER)
        return all_of([self._population(nested.workspaces), self._criterion(nested.definition.root, _scope(nested))])

    def _population(self, workspaces: Sequence[WorkspaceId]) -> Leaf:
        """As a criterion of another audience, it turns when the profile is first seen there."""
        leaf = traits.population_leaf(workspaces)
        key = f"population {sorted(workspaces)}"
        self._leaves.setdefault(
            key, _Compiled(leaf, frozenset({SEEN}), is_moving=False, is_monotone=False)
        ).audiences.add(self._audience_id)
        return leaf

    def _leaf(self, criterion: Criterion, scope: Scope) -> Leaf:
        compiled = self._leaves.get((criterion, scope))
        if compiled is None:
            self._reads = set()
            leaf = self._compile_leaf(criterion, scope)
            if not leaves.is_light(criterion):
                leaf = remembered(len(self._leaves), leaf, _only_track(criterion))
            compiled = _Compiled(leaf, frozenset(self._reads), _is_moving(criterion), _is_monotone(criterion))
            self._leaves[criterion, scope] = compiled
        compiled.audiences.add(self._audience_id)
        return compiled.leaf

    def _compile_leaf(self, criterion: Criterion, scope: Scope) -> Leaf:  # noqa: C901  (one arm per criterion)
        match criterion:
            case EventCriterion(event=event):
                return leaves.count_leaf(criterion, self._select(event, scope), self._look_back_ms)
            case AggregateCriterion(event=event):
                return figures.aggregate_leaf(criterion, self._select(event, scope), self._look_back_ms)
            case OccurrenceCriterion(event=event):
                return leaves.occurrence_leaf(criterion, self._select(event, scope), self._look_back_ms)
            case SequenceCriterion(steps=steps):
                return chains.sequence_leaf(criterion, [self._select(e, scope) for e in steps], self._look_back_ms)
            case CartAbandonmentCriterion():
                added, purchased = (self._select(_commerce(name), scope) for name in ("add_to_cart", "purchase"))
                return chains.cart_abandonment_leaf(criterion, added, purchased, self._look_back_ms)
            case UserAttributeCriterion(attribute=name):
                self._reads.add(("register", RegisterKind.ATTRIBUTE, name))
                return traits.attribute_leaf(criterion, scope)
            case IdentityCriterion(identity_type=identity_type):
                self._reads.add(("identity", identity_type))
                return traits.identity_leaf(criterion)
            case FirstSeenCriterion(window=window):
                self._reads.add(SEEN)
                return traits.seen_leaf(window, scope, traits.first_seen)
            case LastSeenCriterion(window=window):
                self._reads.add(SEEN)
                return traits.seen_leaf(window, scope, traits.last_seen)
            case DeviceCriterion(field=field):
                self._reads.add(("register", RegisterKind.DEVICE, field))
                return traits.device_leaf(criterion)
            case LocationCriterion():
                self._reads.add(("register", RegisterKind.LOCATION, ""))
                return traits.location_leaf(criterion)
            case LocationWithinCriterion():
                self._reads.add(("register", RegisterKind.LOCATION, ""))
                return traits.location_within_leaf(criterion)
            case ConsentCriterion(regulation=regulation, purpose=purpose):
                self._reads.add(("register", RegisterKind.CONSENT, f"{regulation}/{purpose}"))
                return traits.consent_leaf(criterion, scope)
            case InstallAttributionCriterion(field=field):
                self._reads.add(("register", RegisterKind.ATTRIBUTION, field))
                return traits.install_attribution_leaf(criterion, scope)
            case AllOf() | AnyOf() | Not() | AudienceMembershipCriterion():
                raise TypeError(f"{criterion.type} is no leaf")
            case _:
                assert_never(criterion)

    def _select(self, selector: EventSelector, scope: Scope) -> Series:
        series = self._series.get((selector, scope))
        if series is None:
            series = self._series[selector, scope] = compile_series(len(self._series), selector, scope)
        self._reads.add(("series", series.index))
        return series


def _commerce(action: str) -> EventSelector:
    return EventSelector(kind=EventKind.COMMERCE, name=action)
