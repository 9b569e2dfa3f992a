"""An account's active definitions as one function of a profile and an instant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from audience_core.domain.definition import EventKind
from audience_core.domain.ids import AudienceId, WorkspaceId
from audience_core.domain.profile import RegisterKind
from audience_core.evaluation.answers import FOREVER, may_stay, until_of
from audience_core.evaluation.logic import Combination, Node, combination, fold
from audience_core.evaluation.moment import Moment, Recent
from audience_core.evaluation.series import Series
from audience_core.evaluation.view import Leaf, Source, View

# What a leaf depends on: ("series", index), ("register", kind, name), ("identity", type) or ("seen",).
type Read = tuple[str | int | RegisterKind, ...]
SEEN: Read = ("seen",)
# So many next changes a profile keeps; when they are used up, all audiences are asked anew for theirs.
AGENDA_SIZE = 16
# So many ways of folding a tree are kept; a definition over very many kinds of events has more.
_MAX_FOLDED = 256


@dataclass(frozen=True, slots=True)
class LeafUse:
    """A criterion that one or more audiences contain.

    Args:
        key: of the criterion.
        blank: its answer for a user of whom nothing is known, which it keeps for all time.
        is_moving: whether time alone can turn it.
        recent: what it is, if it is of that kind; `attribute`: the one attribute of events whose values it reads.
        audiences: that contain it.
    """

    key: int
    blank: int
    is_moving: bool
    recent: Recent | None
    attribute: str | None
    audiences: frozenset[AudienceId]


@dataclass(frozen=True, slots=True)
class Reader:
    """A series, and the audiences that read it.

    Args:
        audiences: all of them.
        recent: (n, older, audiences): that ask whether n of its events are no older (ms); ascending by n.
        by_attribute: attribute -> audiences that make something of its values, to which events without it are nothing.
        others: that ask something else.
    """

    series: Series
    audiences: frozenset[AudienceId]
    recent: tuple[tuple[int, int, frozenset[AudienceId]], ...]
    by_attribute: Mapping[str, frozenset[AudienceId]]
    others: frozenset[AudienceId]


class Tree(dict[int, Combination | None]):
    """An audience's definition, for any profile: mask of sources -> what is left of it for a profile without others.

    None: nothing is, so it is for all time what it is for a blank user. Worked out when first asked for.

    Args:
        needs: a mask of the sources of events that tell how it is folded; it is asked for no others.
        is_blank: its truth for a blank user.
    """

    __slots__ = ("_node", "is_blank", "needs")

    def __init__(self, node: Node | bool, needs: int, *, is_blank: bool) -> None:
        self._node, self.needs, self.is_blank = node, needs, is_blank

    def __missing__(self, have: int) -> Combination | None:
        node = self._node if isinstance(self._node, bool) else fold(self._node, have)
        made = None if isinstance(node, bool) else combination(node)
        if len(self) < _MAX_FOLDED:
            self[have] = made
        return made


@dataclass(frozen=True, slots=True)
class Program:
    """Every active audience of an account as one function of a profile and an instant.

    Args:
        version: of the account's set of active definitions; profiles remember the one they were evaluated with.
        leaves: the criteria, by their keys.
        trees: audience -> its definition; who is not of its population is no member all the same.
        blank_members: audiences whose criteria hold for a user of whom nothing is known ("fewer than 3 sessions").
        bits: (kind, name; None: any other name) -> the bits of the sources that such events are of.
        readers: (kind, name; None: any other name) -> the series that read such events.
        audiences_by_read: what an audience depends on -> those that do; `leaves_by_read`: the criteria that do.
        audiences_by_workspace: workspace -> audiences whose population it feeds.
        agenda_size: how many next changes a profile keeps.
    """

    version: int
    look_back_ms: int
    leaves: Sequence[Leaf]
    trees: Mapping[AudienceId, Tree]
    blank_members: frozenset[AudienceId]
    bits: Mapping[Source, int]
    readers: Mapping[Source, tuple[Reader, ...]]
    audiences_by_read: Mapping[Read, frozenset[AudienceId]]
    leaves_by_read: Mapping[Read, tuple[LeafUse, ...]]
    audiences_by_workspace: Mapping[WorkspaceId, frozenset[AudienceId]]
    agenda_size: int = AGENDA_SIZE

    def at(self, view: View, now: int) -> Moment:
        """What the criteria answer for a profile at an instant (UTC ms)."""
        moment: Moment | None = view.moments.get(now)
        if moment is None:
            moment = view.moments[now] = Moment(self.leaves, view, now)
        return moment

    def sources(self, view: View) -> int:
        """A mask of the sources of the profile's events."""
        return view.once("sources", lambda: self._sources(view))

    def _sources(self, view: View) -> int:
        mask, bits = 0, self.bits
        for track in view.timeline:
            found = bits.get(track)
            mask |= bits.get((track[0], None), 0) if found is None else found
        return mask

    def readers_of(self, kind: EventKind, name: str) -> tuple[Reader, ...]:
        """Those of events of this kind and name."""
        found = self.readers.get((kind, name))
        return self.readers.get((kind, None), ()) if found is None else found

    def holds(self, audience_id: AudienceId, view: View, now: int) -> bool:
        """The definition's truth at `now`."""
        tree = self.trees[audience_id]
        folded = tree[self.sources(view) & tree.needs]
        return tree.is_blank if folded is None else folded(self.at(view, now)) > 0

    def next_change(self, audience_id: AudienceId, view: View, now: int) -> tuple[bool, int]:
        """The definition's truth at `now` and the exact instant at which it next changes if nothing happens."""
        tree = self.trees[audience_id]
        folded = tree[self.sources(view) & tree.needs]
        if folded is None:
            return tree.is_blank, until_of(FOREVER)
        answer = self.settled(folded, folded(self.at(view, now)), view)
        return answer > 0, until_of(answer)

    def blank_answer(self, audience_id: AudienceId) -> int:
        """Of a definition that nothing the profile has makes a difference to."""
        return FOREVER if self.trees[audience_id].is_blank else -FOREVER

    def settled(self, folded: Combination, answer: int, view: View) -> int:
        """An answer made exact: a bound is asked again at its instant until it turns, or never will."""
        while may_stay(answer):
            at = until_of(answer)
            again = folded(self.at(view, at))
            if (again > 0) is not (answer > 0):
                return at << 1 if answer > 0 else -(at << 1)
            answer = again
        return answer
