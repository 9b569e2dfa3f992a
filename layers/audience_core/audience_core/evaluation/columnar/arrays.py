"""Names for the arrays of the columnar evaluator, packed truths, and runs of equal users."""

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

type Bools = npt.NDArray[np.bool_]
type Integers = npt.NDArray[np.signedinteger[Any]]
# One bit per user row, the first user's the highest bit of the first byte; what follows the last user is anything.
type Bits = npt.NDArray[np.uint8]


class Runs(NamedTuple):
    """The stretches of one user each in an ascending user column: who, where each begins, how long it is."""

    users: Integers
    starts: Integers
    counts: Integers


def runs_of(user: Integers) -> Runs:
    is_first = np.ones(len(user), bool)
    np.not_equal(user[1:], user[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    ends = np.empty_like(starts)
    ends[:-1], ends[-1:] = starts[1:], len(user)
    return Runs(user[starts], starts, ends - starts)


def scattered(size: int, rows: Integers, truths: Bools | bool, otherwise: bool) -> Bits:
    """The truths of some of `size` users as bits; all other users have the truth `otherwise`."""
    dense = np.full(size, otherwise)
    if isinstance(truths, np.ndarray):
        rows, truths = rows.compress(truths != otherwise), not otherwise
    dense[rows] = truths
    return np.packbits(dense)


def constant(size: int, truth: bool) -> Bits:
    return np.full((size + 7) // 8, 255 if truth else 0, np.uint8)


def rows_of(bits: Bits, size: int) -> Integers:
    """The users whose bit is set, ascending."""
    return np.flatnonzero(np.unpackbits(bits, count=size))
