"""What criteria answer, and until when: one signed number each, so that logic over time is a matter of comparing them.

An answer is `±(2 * until + is_bound)`: positive for true, negative for false, `until` in UTC ms. If nothing happens it
holds on [now, until). At `until` it turns; only if it is a bound (odd) it need not.
"""

from audience_core.domain.ids import NEVER

# True for all time; its negative is false for all time.
FOREVER = NEVER << 1


def exact(value: bool, until: int) -> int:
    """An answer that turns at `until`."""
    return until << 1 if value else -(until << 1)


def bound(value: bool, until: int) -> int:
    """An answer that may turn at `until`, and not before."""
    if until >= NEVER:
        return exact(value, NEVER)
    return until << 1 | 1 if value else -(until << 1 | 1)


def until_of(answer: int) -> int:
    """When it turns, or may turn (UTC ms, NEVER if it does not)."""
    return abs(answer) >> 1


def may_stay(answer: int) -> bool:
    """Whether it is a bound."""
    return bool(answer & 1)
