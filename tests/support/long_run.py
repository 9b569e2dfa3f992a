"""Whether the tests that take long are run too, which is what CI does and `make test LONG=1`."""

import os

IS_CI = os.environ.get("CI") == "true"
IS_LONG_RUN = IS_CI or os.environ.get("LONG") == "1"
_SHARE, _FEWEST = 4, 20


def examples(count: int) -> int:
    """How many examples a property is tried with: so many in a long run, else a quarter."""
    return count if IS_LONG_RUN else max(min(count, _FEWEST), count // _SHARE)
