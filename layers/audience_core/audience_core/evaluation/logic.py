"""Boolean logic over truths that change with time.

Each truth is `(view, now) -> (value, until)`. A combination's `until` is a lower bound of the instant at which it may
change: as long as one false child of an `all_of` stays false, so does the whole.
"""

from collections.abc import Sequence

from audience_core.domain.ids import NEVER
from audience_core.domain.profile import TrackKey
from audience_core.evaluation.view import Leaf, View, blank_view


def all_of(children: Sequence[Leaf]) -> Leaf:
    def conjunction(view: View, now: int) -> tuple[bool, int]:
        until = NEVER
        for child in children:
            answer = child(view, now)
            if not answer[0]:
                return answer
            if answer[1] < until:
                until = answer[1]
        return True, until

    return _both(*children) if len(children) == 2 else conjunction if len(children) > 1 else children[0]


def any_of(children: Sequence[Leaf]) -> Leaf:
    def disjunction(view: View, now: int) -> tuple[bool, int]:
        until = NEVER
        for child in children:
            answer = child(view, now)
            if answer[0]:
                return answer
            if answer[1] < until:
                until = answer[1]
        return False, until

    return _either(*children) if len(children) == 2 else disjunction if len(children) > 1 else children[0]


def _both(first: Leaf, second: Leaf) -> Leaf:
    """`all_of` of two, the commonest, without a loop."""

    def conjunction(view: View, now: int) -> tuple[bool, int]:
        one = first(view, now)
        if not one[0]:
            return one
        other = second(view, now)
        return other if not other[0] or other[1] <= one[1] else one

    return conjunction


def _either(first: Leaf, second: Leaf) -> Leaf:
    """`any_of` of two."""

    def disjunction(view: View, now: int) -> tuple[bool, int]:
        one = first(view, now)
        if one[0]:
            return one
        other = second(view, now)
        return other if other[0] or other[1] <= one[1] else one

    return disjunction


def negation(child: Leaf) -> Leaf:
    def complement(view: View, now: int) -> tuple[bool, int]:
        value, until = child(view, now)
        return not value, until

    return complement


def remembered(index: int, leaf: Leaf, track: TrackKey | None = None) -> Leaf:
    """A leaf that many audiences share is worked out once per view and stretch of time.

    Args:
        track: the only events it reads; a profile without such events gets the answer for nothing at once.
    """
    blank = leaf(blank_view(), 0)

    def recall(view: View, now: int) -> tuple[bool, int]:
        if track is not None and track not in view.timeline:
            return blank
        known = view.values.get(index)
        if known is not None and known[0] <= now < known[1]:
            return known[2]
        answer = leaf(view, now)
        if known is None:
            view.values[index] = now, answer[1], answer
        return answer

    return recall
