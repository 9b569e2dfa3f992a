"""A program's answers for one profile at one instant: each criterion is worked out when it is first asked, once."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from audience_core.evaluation.answers import FOREVER
from audience_core.evaluation.series import Series
from audience_core.evaluation.view import Leaf, View


@dataclass(frozen=True, slots=True)
class Recent:
    """At least `n` events of a series in the last `older` ms (`sign` 1), or fewer (-1): the commonest criterion.

    So common that it is worked out in a loop over many, and not by a function of its own.
    """

    series: Series
    n: int
    older: int
    sign: int = 1

    def negated(self) -> "Recent":
        return replace(self, sign=-self.sign)


class Moment(dict[int, int]):
    """Criterion -> answer.

    Args:
        leaves: the program's criteria, by their keys.
        now: UTC ms.
    """

    __slots__ = ("_leaves", "_now", "_view")

    def __init__(self, leaves: Sequence[Leaf], view: View, now: int) -> None:
        self._leaves, self._view, self._now = leaves, view, now

    def __missing__(self, key: int) -> int:
        answer = self[key] = self._leaves[key](self._view, self._now)
        return answer

    def recent(self, criteria: Sequence[Recent]) -> list[int]:
        """Their answers: each until the n-th youngest event leaves."""
        answers, known, now = [], self._view.known_instants, self._now
        for each in criteria:
            series, n, sign = each.series, each.n, each.sign
            instants = known.get(series.index)
            if instants is None:
                instants = self._view.instants(series)
            if instants and instants[-1] > now:
                answers.append(sign * at_least(instants, n, each.older, now))
            elif len(instants) >= n and (leaves := instants[-n] + each.older + 1) > now:
                answers.append(sign * (leaves << 1))
            else:
                answers.append(-sign * FOREVER)
        return answers


def at_least(instants: Sequence[int], n: int, older: int, now: int) -> int:
    """The answer of "at least n in the last `older`", some of the instants (ascending) being still to come."""
    visible = bisect_right(instants, now)
    is_bound = visible < len(instants)  # what is still to come may take the place of what leaves
    if visible >= n and (leaves := instants[visible - n] + older + 1) > now:
        return leaves << 1 | is_bound
    return -(instants[visible] << 1 | 1) if is_bound else -FOREVER
