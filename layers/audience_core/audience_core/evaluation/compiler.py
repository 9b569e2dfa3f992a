"""Compiles an account's active definitions together: equal criteria in equal scopes are worked out once."""

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
from audience_core.domain.ids import DAY_MS, AudienceId, WorkspaceId
from audience_core.domain.profile import RegisterKind
from audience_core.evaluation import chains, figures, leaves, logic, traits
from audience_core.evaluation.logic import Node, group, needs_of
from audience_core.evaluation.moment import Moment
from audience_core.evaluation.predicates import is_moving
from audience_core.evaluation.program import SEEN, LeafUse, Program, Read, Reader, Tree
from audience_core.evaluation.scope import PRODUCTS, Scope
from audience_core.evaluation.series import Series, compile_series
from audience_core.evaluation.view import Leaf, Source, blank_view
from audience_core.evaluation.windows import span_of


def compile_program(version: int, audiences: Iterable[Audience], look_back_days: int) -> Program:
    """Compile the active audiences of one account; an audience may refer to others among them."""
    return _Compiler({each.audience_id: each for each in audiences}, look_back_days * DAY_MS).compile(version)


@dataclass(slots=True)
class _Compiled:
    node: logic.Criterion
    reads: frozenset[Read]
    attribute: str | None = None
    audiences: set[AudienceId] = field(default_factory=set)


def _sources(criterion: Criterion) -> frozenset[Source]:
    """Events of which it needs each to be anything else than for a blank user."""
    match criterion:
        case EventCriterion(event=event) | AggregateCriterion(event=event) | OccurrenceCriterion(event=event):
            return frozenset({(event.kind, event.name)})
        case SequenceCriterion(steps=steps):
            return frozenset((step.kind, step.name) for step in steps)
        case CartAbandonmentCriterion():
            return frozenset({(EventKind.COMMERCE, "add_to_cart")})
        case _:
            return frozenset()


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


def _scope(audience: Audience) -> Scope:
    return Scope(frozenset(audience.workspaces), frozenset(audience.inputs))


class _Compiler:
    def __init__(self, audiences: Mapping[AudienceId, Audience], look_back_ms: int) -> None:
        self._audiences = audiences
        self._look_back_ms = look_back_ms
        self._series: dict[tuple[EventSelector, Scope], Series] = {}
        self._compiled: dict[tuple[Criterion, Scope] | frozenset[WorkspaceId], _Compiled] = {}
        self._leaves: list[Leaf] = []
        self._bits: dict[Source, int] = {}
        self._audience_id = AudienceId(0)
        self._reads: set[Read] = set()

    def compile(self, version: int) -> Program:
        trees: dict[AudienceId, Tree] = {}
        by_workspace: dict[WorkspaceId, set[AudienceId]] = defaultdict(set)
        for audience_id, audience in self._audiences.items():
            self._audience_id = audience_id
            trees[audience_id] = self._tree(audience)
            for workspace in audience.workspaces:
                by_workspace[workspace].add(audience_id)
        uses = self._uses()
        by_read = {
            read: frozenset[AudienceId]().union(*(use.audiences for use in found)) for read, found in uses.items()
        }
        return Program(
            version,
            self._look_back_ms,
            self._leaves,
            trees,
            frozenset(audience for audience, tree in trees.items() if tree.is_blank),
            {(kind, name): bit | self._bits.get((kind, None), 0) for (kind, name), bit in self._bits.items()},
            self._readers(uses),
            by_read,
            {read: tuple(found) for read, found in uses.items()},
            {workspace: frozenset(ids) for workspace, ids in by_workspace.items()},
        )

    def _tree(self, audience: Audience) -> Tree:
        node = self._node(audience.definition.root, _scope(audience))
        if isinstance(node, bool):
            return Tree(node, 0, is_blank=node)
        blank = logic.combination(node)(Moment(self._leaves, blank_view(), 0))
        return Tree(node, needs_of(node), is_blank=blank > 0)

    def _uses(self) -> dict[Read, list[LeafUse]]:
        blank, uses = Moment(self._leaves, blank_view(), 0), defaultdict[Read, list[LeafUse]](list)
        for each in self._compiled.values():
            node = each.node
            use = LeafUse(
                node.key, blank[node.key], node.is_moving, node.recent, each.attribute, frozenset(each.audiences)
            )
            for read in each.reads:
                uses[read].append(use)
        return uses

    def _readers(self, uses: Mapping[Read, Sequence[LeafUse]]) -> dict[Source, tuple[Reader, ...]]:
        found: dict[Source, list[Reader]] = defaultdict(list)
        for series in self._series.values():
            found[series.kind, series.name].append(_reader(series, uses["series", series.index]))
        return {
            (kind, name): (*readers, *(found.get((kind, None), ()) if name is not None else ()))
            for (kind, name), readers in found.items()
        }

    def _node(self, criterion: Criterion, scope: Scope) -> Node | bool:
        match criterion:
            case AllOf(criteria=criteria):
                return group(True, [self._node(each, scope) for each in criteria])
            case AnyOf(criteria=criteria):
                return group(False, [self._node(each, scope) for each in criteria])
            case Not(criterion=inner):
                node = self._node(inner, scope)
                return not node if isinstance(node, bool) else node.negated()
            case AudienceMembershipCriterion(audience_id=audience_id):
                return self._membership(AudienceId(audience_id))
            case _:
                return self._leaf(criterion, scope)

    def _membership(self, audience_id: AudienceId) -> Node | bool:
        """The other audience's own tree in its own scope: so its changes in time are this one's, to the millisecond."""
        nested = self._audiences.get(audience_id)
        if nested is None:  # not active: nobody is in it
            return False
        inside = self._node(nested.definition.root, _scope(nested))
        return group(True, [self._population(nested.workspaces), inside])

    def _population(self, workspaces: Sequence[WorkspaceId]) -> Node:
        """As a criterion of another audience, it turns when the profile is first seen there."""
        scope = frozenset(workspaces)
        compiled = self._compiled.get(scope)
        if compiled is None:
            key = self._add(traits.population_leaf(scope))
            node = logic.Criterion(key, is_moving=False, needs=0, blank=False)
            compiled = self._compiled[scope] = _Compiled(node, frozenset({SEEN}))
        compiled.audiences.add(self._audience_id)
        return compiled.node

    def _leaf(self, criterion: Criterion, scope: Scope) -> Node:
        compiled = self._compiled.get((criterion, scope))
        if compiled is None:
            self._reads = set()
            node = self._leaf_node(criterion, scope)
            compiled = _Compiled(node, frozenset(self._reads), _attribute(criterion))
            self._compiled[criterion, scope] = compiled
        compiled.audiences.add(self._audience_id)
        return compiled.node

    def _leaf_node(self, criterion: Criterion, scope: Scope) -> logic.Criterion:
        recent = None
        if isinstance(criterion, EventCriterion):
            recent = leaves.recent(criterion, self._select(criterion.event, scope), self._look_back_ms)
        leaf = leaves.recent_leaf(recent) if recent else self._compile_leaf(criterion, scope)
        needs = sum(self._bit(source) for source in _sources(criterion))
        is_blank = leaf(blank_view(), 0) > 0
        return logic.Criterion(self._add(leaf), _is_moving(criterion), needs, is_blank, recent=recent)

    def _bit(self, source: Source) -> int:
        return self._bits.setdefault(source, 1 << len(self._bits))

    def _add(self, leaf: Leaf) -> int:
        self._leaves.append(leaf)
        return len(self._leaves) - 1

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


def _attribute(criterion: Criterion) -> str | None:
    """The one attribute of events that it reads; products have attributes of their own."""
    if isinstance(criterion, AggregateCriterion) and not criterion.attribute.startswith(PRODUCTS):
        return criterion.attribute
    return None


def _reader(series: Series, uses: Sequence[LeafUse]) -> Reader:
    recent = [(each.recent.n, each.recent.older, each.audiences) for each in uses if each.recent]
    attributes = {each.attribute for each in uses if each.attribute}
    return Reader(
        series,
        _audiences(uses),
        tuple(sorted(recent, key=lambda each: each[:2])),
        {name: _audiences(each for each in uses if each.attribute == name) for name in attributes},
        _audiences(each for each in uses if not each.recent and not each.attribute),
    )


def _audiences(uses: Iterable[LeafUse]) -> frozenset[AudienceId]:
    return frozenset[AudienceId]().union(*(each.audiences for each in uses))


def _commerce(action: str) -> EventSelector:
    return EventSelector(kind=EventKind.COMMERCE, name=action)
