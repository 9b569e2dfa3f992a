"""The precondition of updates: that the caller knows the stored version, or says that any will do."""

from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from audience_core.errors import StaleVersionError

_ATTEMPTS = 5


class VersionedResource(Protocol):
    @property
    def version(self) -> int: ...


def require_version(resource: VersionedResource, expected: int | None) -> None:
    """Raise `StaleVersionError` unless the resource has the expected version; None: whatever it has."""
    if expected not in (None, resource.version):
        raise StaleVersionError("somebody else changed it in between: load it again")


def persistently[T](act: Callable[[], T]) -> T:
    """What `act` returns, which begins anew when somebody writes in between."""
    for _ in range(_ATTEMPTS - 1):
        with suppress(StaleVersionError):
            return act()
    return act()
