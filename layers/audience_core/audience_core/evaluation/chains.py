"""Criteria about the order of events: sequences and abandoned carts, each worked out as intervals of truth."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from audience_core.domain.definition import CartAbandonmentCriterion, SequenceCriterion
from audience_core.domain.event import Event
from audience_core.domain.ids import NEVER
from audience_core.evaluation.answers import bound, exact
from audience_core.evaluation.leaves import active, active_intervals, next_turn
from audience_core.evaluation.predicates import Intervals, inside_at, union
from audience_core.evaluation.series import Series
from audience_core.evaluation.view import Leaf, View
from audience_core.evaluation.windows import Span, event_span, instants_inside, milliseconds


def sequence_leaf(criterion: SequenceCriterion, steps: Sequence[Series], look_back_ms: int) -> Leaf:
    span = event_span(criterion.window, look_back_ms)
    within = milliseconds(criterion.within) if criterion.within else NEVER
    if any(step.when is not None for step in steps):
        return _moving_sequence_leaf(steps, span, within)

    def leaf(view: View, now: int) -> int:
        instants = [[at for at in view.instants(step) if span.first <= at <= span.last] for step in steps]
        return exact(*inside_at(_chain_intervals(instants, span, within), now))

    return leaf


def _chain_intervals(steps: Sequence[Sequence[int]], span: Span, within: int) -> Intervals:
    """When a whole chain lies in the window: its last step has entered and its first has not left.

    For each first step the earliest possible last step serves longest, so one chain per first step is enough.
    """
    parts = []
    for start, end in chains(steps):
        begins, ends = end + span.newer, start + span.older
        if end - start <= within and begins <= ends:
            parts.append((begins, ends))
    return union(parts)


def chains(steps: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """(first, earliest last) instants of the chains, each step strictly later than the one before."""
    found: list[tuple[int, int]] = []
    for start in steps[0]:
        at = start
        for instants in steps[1:]:
            following = bisect_right(instants, at)
            if following == len(instants):
                return found  # a later start has even less ahead of it
            at = instants[following]
        found.append((start, at))
    return found


def _moving_sequence_leaf(steps: Sequence[Series], span: Span, within: int) -> Leaf:
    def leaf(view: View, now: int) -> int:
        timed = [active_intervals(view.events(step), step, span) for step in steps]
        instants = [_instants(active(each, now)) for each in timed]
        value = any(end - start <= within for start, end in chains(instants))
        return bound(value, min(next_turn(each, now) for each in timed))

    return leaf


def _instants(events: list[Event]) -> list[int]:
    return [event.at for event in events]


def cart_abandonment_leaf(
    criterion: CartAbandonmentCriterion, added: Series, purchased: Series, look_back_ms: int
) -> Leaf:
    span, after = event_span(criterion.window, look_back_ms), milliseconds(criterion.after)

    def leaf(view: View, now: int) -> int:
        purchases = view.instants(purchased)
        parts = [part for at in view.instants(added) if (part := abandoned(at, purchases, span, after))]
        return exact(*inside_at(union(parts), now))

    return leaf


def abandoned(added_at: int, purchases: Sequence[int], span: Span, after: int) -> tuple[int, int] | None:
    """The closed interval of `now` in which what was added then counts as abandoned; None if it never does.

    Args:
        purchases: instants, ascending.
    """
    inside, following = instants_inside(span, added_at), bisect_left(purchases, added_at)
    is_bought = following < len(purchases) and purchases[following] <= added_at + after
    if inside is None or is_bought or added_at + after > inside[1]:
        return None
    return max(inside[0], added_at + after), inside[1]
