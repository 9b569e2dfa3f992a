"""Boolean logic over truths that change with time.

Each truth is `(view, now) -> (value, until)`. A combination's `until` is a lower bound of the instant at which it may
change: as long as one false child of an `all_of` stays false, so does the whole.
"""

from collections.abc import Sequence

from audience_core.domain.ids import NEVER
from audience_core.evaluation.view import Leaf, View


def all_of(children: Sequence[Leaf]) -> Leaf:
    def conjunction(view: View, now: int) -> tuple[bool, int]:
        until = NEVER
        for child in children:
            value, child_until = child(view, now)
            if not value:
                return False, child_until
            until = min(until, child_until)
        return True, until

    return conjunction


def any_of(children: Sequence[Leaf]) -> Leaf:
    def disjunction(view: View, now: int) -> tuple[bool, int]:
        until = NEVER
        for child in children:
            value, child_until = child(view, now)
            if value:
                return True, child_until
            until = min(until, child_until)
        return False, until

    return disjunction


def negation(child: Leaf) -> Leaf:
    def complement(view: View, now: int) -> tuple[bool, int]:
        value, until = child(view, now)
        return not value, until

    return complement


def remembered(index: int, leaf: Leaf) -> Leaf:
    """A leaf that many audiences share is worked out once per view and stretch of time."""

    def recall(view: View, now: int) -> tuple[bool, int]:
        known = view.values.get(index)
        if known is None:
            known = view.values[index] = []
        for asked_at, value, until in known:
            if asked_at <= now < until:
                return value, until
        value, until = leaf(view, now)
        known.append((now, value, until))
        return value, until

    return recall
