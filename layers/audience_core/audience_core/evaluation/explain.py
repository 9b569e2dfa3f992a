"""Why a profile is or is not a member of an audience, node by node, and when and how that changes next.

Every node is compiled as an audience of its own, so its answer and its next change come from the very leaves that
decide memberships; what it saw of the profile is added beside.
"""

from collections.abc import Iterator, Mapping
from itertools import count

from audience_core.domain.audience import Audience
from audience_core.domain.definition import AudienceMembershipCriterion, Criterion, Definition
from audience_core.domain.ids import DAY_MS, AudienceId
from audience_core.domain.profile import Profile
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.evidence import Witness
from audience_core.evaluation.explanation import ExplainedNode, Explanation, change, moment
from audience_core.evaluation.paths import ROOT, criteria, parts
from audience_core.evaluation.phrases import listed
from audience_core.evaluation.relevance import population
from audience_core.evaluation.scope import Scope
from audience_core.evaluation.view import View
from audience_core.evaluation.wording import sentence

# Nodes are numbered after all audiences, whose ids are int32.
_FIRST_NODE = 1 << 31


def explain(
    audience: Audience, others: Mapping[AudienceId, Audience], profile: Profile, look_back_days: int, now: int
) -> Explanation:
    """The audience's answer for a profile, as it stands, at an instant (UTC ms).

    Args:
        others: the account's active audiences by id, the only ones whose membership a criterion can read.
    """
    return _Explainer(audience, others, profile, look_back_days, now).explanation()


class _Explainer:
    def __init__(
        self, audience: Audience, others: Mapping[AudienceId, Audience], profile: Profile, look_back_days: int, now: int
    ) -> None:
        self._audience, self._others, self._now = audience, others, now
        self._view, self._look_back_ms = View(profile), look_back_days * DAY_MS
        places = {(whose.audience_id, node): whose for whose, node in _nodes(audience, others)}
        self._ids = dict(zip(places, map(AudienceId, count(_FIRST_NODE)), strict=False))
        nodes = [_alone(whose, node, self._ids[key, node]) for (key, node), whose in places.items()]
        nested = {whose.audience_id: whose for whose in places.values() if whose is not audience}
        self._program = compile_program(0, [*nodes, *nested.values()], look_back_days)

    def explanation(self) -> Explanation:
        seen, root = self._population(self._audience), self._node(self._audience, self._audience.definition.root, ROOT)
        return Explanation(
            audience_id=self._audience.audience_id,
            mpid=str(self._view.profile.mpid),
            at=moment(self._now),
            is_member=seen.value and root.value,
            next_change=root.next_change if seen.value else None,
            population=seen,
            root=root,
        )

    def _node(self, audience: Audience, criterion: Criterion, path: str) -> ExplainedNode:
        node = self._ids[audience.audience_id, criterion]
        value, at = self._program.next_change(node, self._view, self._now)
        scope = Scope(frozenset(audience.workspaces), frozenset(audience.inputs))
        saw, deciding = Witness(self._view, scope, self._look_back_ms, self._now).evidence(criterion)
        names = {key: other.name for key, other in self._others.items()}
        return ExplainedNode(
            type=criterion.type,
            path=path,
            summary=sentence(criterion, names),
            value=value,
            saw=saw,
            deciding=deciding,
            next_change=change(at, not value),
            children=tuple(self._children(audience, criterion, path)),
        )

    def _children(self, audience: Audience, criterion: Criterion, path: str) -> Iterator[ExplainedNode]:
        for place, part in parts(criterion, path):
            yield self._node(audience, part, place)
        nested = _nested(criterion, self._others)
        if nested is not None:
            yield self._population(nested)
            yield self._node(nested, nested.definition.root, ROOT)

    def _population(self, audience: Audience) -> ExplainedNode:
        return ExplainedNode(
            type="population",
            path="/workspaces",
            summary=f"The user was seen in {listed(audience.workspaces, 'or')}.",
            value=self._ids[audience.audience_id, audience.definition.root]
            in population(self._program, self._view.profile),
        )


def _nodes(audience: Audience, others: Mapping[AudienceId, Audience]) -> Iterator[tuple[Audience, Criterion]]:
    """Every criterion with the audience it belongs to, those of nested audiences included."""
    for _, criterion in criteria(audience.definition.root):
        yield audience, criterion
        nested = _nested(criterion, others)
        if nested is not None:
            yield from _nodes(nested, others)


def _nested(criterion: Criterion, others: Mapping[AudienceId, Audience]) -> Audience | None:
    if isinstance(criterion, AudienceMembershipCriterion):
        return others.get(AudienceId(criterion.audience_id))
    return None


def _alone(audience: Audience, criterion: Criterion, node: AudienceId) -> Audience:
    """An audience of this criterion and nothing else, for the same users and events."""
    return audience.model_copy(update={"audience_id": node, "definition": Definition(root=criterion)})
