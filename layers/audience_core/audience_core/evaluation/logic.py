"""Definitions as trees of criteria, each function of time made only of what can differ for a profile.

A criterion over events that a profile has none of is what it is for everybody without them. So a tree is folded by the
sources of events that a profile has, once for each such set of them, and what is left of most trees is one criterion.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from audience_core.evaluation.answers import FOREVER
from audience_core.evaluation.moment import Moment, Recent

# What a tree answers at a moment.
type Combination = Callable[[Moment], int]
type Node = Criterion | Group


@dataclass(frozen=True, slots=True)
class Criterion:
    """A leaf of a tree.

    Args:
        key: the program's criterion; `sign`: -1 for its complement.
        is_moving: whether time alone can turn it.
        needs: a mask of sources, without any one of which it is `blank` for all time.
        recent: what it is, if it is of that kind, the sign included.
    """

    key: int
    is_moving: bool
    needs: int
    blank: bool
    sign: int = 1
    recent: Recent | None = None

    def negated(self) -> "Criterion":
        recent = self.recent.negated() if self.recent else None
        return Criterion(self.key, self.is_moving, self.needs, not self.blank, -self.sign, recent)


@dataclass(frozen=True, slots=True)
class Group:
    """All of the parts, or any; there are two or more, and none is a group of the same kind."""

    is_all: bool
    parts: tuple[Node, ...]

    def negated(self) -> "Group":
        return Group(not self.is_all, tuple(part.negated() for part in self.parts))


def group(is_all: bool, parts: Sequence[Node | bool]) -> Node | bool:
    """The parts as simply as they can be said."""
    if (not is_all) in parts:
        return not is_all
    flat: list[Node] = []
    for part in parts:
        if isinstance(part, Group) and part.is_all is is_all:
            flat += part.parts
        elif not isinstance(part, bool):
            flat.append(part)
    if not flat:
        return is_all
    return flat[0] if len(flat) == 1 else Group(is_all, tuple(flat))


def fold(node: Node, sources: int) -> Node | bool:
    """The tree for a profile that has events of these sources (a mask) and of no others."""
    if isinstance(node, Criterion):
        return node if node.needs & sources == node.needs else node.blank
    return group(node.is_all, [fold(part, sources) for part in node.parts])


def needs_of(node: Node) -> int:
    """The sources that folding the tree asks about."""
    if isinstance(node, Criterion):
        return node.needs
    mask = 0
    for part in node.parts:
        mask |= needs_of(part)
    return mask


def combination(node: Node) -> Combination:
    """The tree as a function."""
    if isinstance(node, Group):
        return _conjunction(node.parts) if node.is_all else _disjunction(node.parts)
    if node.recent is not None:
        recent = (node.recent,)
        return lambda moment: moment.recent(recent)[0]
    key = node.key
    return (lambda moment: moment[key]) if node.sign > 0 else (lambda moment: -moment[key])


def _conjunction(parts: Sequence[Node]) -> Combination:
    lasting, moving = _divided(parts)
    rest = _all_of(moving)

    def conjunction(moment: Moment) -> int:
        # What time cannot change first: when it decides, it decides for good.
        for key, sign in lasting:
            if moment[key] * sign < 0:
                return -FOREVER
        return rest(moment)

    return conjunction if lasting else rest


def _all_of(parts: Sequence[Node]) -> Combination:
    if len(parts) < 2:
        return combination(parts[0]) if parts else lambda _: FOREVER
    recent, others = _worked_out(parts)

    def all_of(moment: Moment) -> int:
        answers = moment.recent(recent)
        for other in others:
            answers.append(other(moment))
        least = min(answers)
        return least if least > 0 or least == -FOREVER else -_first_turn([-answer for answer in answers])

    return all_of


def _disjunction(parts: Sequence[Node]) -> Combination:
    lasting, moving = _divided(parts)
    rest = _any_of(moving)

    def disjunction(moment: Moment) -> int:
        for key, sign in lasting:
            if moment[key] * sign > 0:
                return FOREVER
        return rest(moment)

    return disjunction if lasting else rest


def _any_of(parts: Sequence[Node]) -> Combination:
    if len(parts) < 2:
        return combination(parts[0]) if parts else lambda _: -FOREVER
    recent, others = _worked_out(parts)

    def any_of(moment: Moment) -> int:
        answers = moment.recent(recent)
        for other in others:
            answers.append(other(moment))
        greatest = max(answers)
        return greatest if greatest < 0 or greatest == FOREVER else _first_turn(answers)

    return any_of


def _divided(parts: Sequence[Node]) -> tuple[list[tuple[int, int]], list[Node]]:
    """Key and sign of the criteria that time cannot turn, and the other parts."""
    lasting = [(each.key, each.sign) for each in parts if isinstance(each, Criterion) and not each.is_moving]
    return lasting, [each for each in parts if isinstance(each, Group) or each.is_moving]


def _worked_out(parts: Sequence[Node]) -> tuple[list[Recent], list[Combination]]:
    recent = [each.recent for each in parts if isinstance(each, Criterion) and each.recent is not None]
    others = [each for each in parts if isinstance(each, Group) or each.recent is None]
    return recent, [combination(each) for each in others]


def _first_turn(answers: Sequence[int]) -> int:
    """The answer of "any of" where some are true, none for good.

    It turns with the last true one if that is the only one and no other turns until after; else it need not.
    """
    greatest, trues, next_true = 0, 0, FOREVER
    for answer in answers:
        if answer > 0:
            trues += 1
            greatest = max(greatest, answer)
        else:
            next_true = min(next_true, -answer)
    return greatest if trues == 1 and next_true > (greatest | 1) else greatest | 1
