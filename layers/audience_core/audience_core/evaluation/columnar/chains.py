"""Sequences and abandoned carts: for each event the next one of another series, found for all users at once."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from audience_core.evaluation.columnar.arrays import Bits, Integers, scattered

_KEYS_END = 2**62


class Instants(NamedTuple):
    """Events by `user` and `at`, ascending."""

    user: Integers
    at: Integers


def sequence_bits(size: int, steps: Sequence[Instants], within: int) -> Bits:
    """Users with a chain through the steps, each strictly later, of at most `within` ms from first to last."""
    keys = _keys(steps)
    user, began, at, key = steps[0].user, steps[0].at, steps[0].at, keys[0]
    for step, step_keys in zip(steps[1:], keys[1:], strict=True):
        found, following = _following(user, np.searchsorted(step_keys, key, side="right"), step)
        user, began = user[found], began[found]
        at, key = step.at[following], step_keys[following]
    return scattered(size, user[at - began <= within], True, False)


def abandonment_bits(size: int, added: Instants, purchased: Instants, after: int, now: int) -> Bits:
    """Users with an add `after` ms ago or earlier and no purchase from it until so long after it."""
    keys = _keys([added, purchased])
    found, following = _following(added.user, np.searchsorted(keys[1], keys[0], side="left"), purchased)
    is_abandoned = added.at + after <= now
    is_abandoned[found] &= purchased.at[following] > added.at[found] + after
    return scattered(size, added.user[is_abandoned], True, False)


def _following(user: Integers, places: Integers, step: Instants) -> tuple[Integers, Integers]:
    """(which of the users have an event of the step at their place, those places)."""
    inside = np.flatnonzero(places < len(step.user))
    found = inside[step.user[places[inside]] == user[inside]]
    return found, places[found]


def _keys(steps: Sequence[Instants]) -> list[Integers]:
    """One ascending integer per event, in all steps alike: by user, then by instant."""
    at = np.concatenate([step.at for step in steps])
    if not len(at):
        return [step.at for step in steps]
    first, span = int(at.min()), int(at.max()) - int(at.min()) + 1
    users = 1 + max(int(step.user[-1]) for step in steps if len(step.user))
    if users * span < _KEYS_END:
        return [step.user.astype(np.int64) * span + (step.at - first) for step in steps]
    instants = np.unique(at)
    return [step.user.astype(np.int64) * len(instants) + np.searchsorted(instants, step.at) for step in steps]
