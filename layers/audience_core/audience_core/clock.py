"""The time, for functions alone: everything below them is told it."""

import time
from typing import Protocol


class Deadline(Protocol):
    """The part of an invocation's context that knows when it is over."""

    def get_remaining_time_in_millis(self) -> int: ...


def now_ms() -> int:
    """UTC ms."""
    return time.time_ns() // 1_000_000


def until_ms(context: Deadline, reserve_ms: int) -> int:
    """The instant (UTC ms) after which an invocation begins nothing more: so long before it is stopped."""
    return now_ms() + max(0, context.get_remaining_time_in_millis() - reserve_ms)
