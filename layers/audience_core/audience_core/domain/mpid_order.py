"""Where an mpid stands among all that a bucket could hold, in the order of their texts in which stores page."""

_HALF = 1 << 63  # mpids lie in [-_HALF, _HALF)


def share_of_bucket(mpid: int) -> float:
    """The share of a bucket's possible mpids whose text comes up to and including this one's."""
    rank = _up_to(str(abs(mpid))) / _HALF
    # The sign comes before all digits, so negative mpids are first, by the texts of what follows the sign.
    return rank / 2 if mpid < 0 else 0.5 + rank / 2


def share_of_all(mpid: int) -> float:
    """The share of all possible mpids that are not greater."""
    return (mpid + _HALF + 1) / (2 * _HALF)


def _up_to(text: str) -> int:
    """How many of the numbers from 1 to 2**63 - 1 have a text that does not come after this one."""
    total = 0
    for digits in range(1, len(str(_HALF)) + 1):
        first, last = 10 ** (digits - 1), min(10**digits, _HALF) - 1
        found = int(text[:digits]) if digits <= len(text) else int(text) * 10 ** (digits - len(text)) - 1
        total += max(0, min(found, last) - first + 1)
    return total
