"""The precondition of updates: that the caller knows the stored version, or says that any will do."""

from audience_core.domain.account import Input, Workspace
from audience_core.domain.audience import Audience
from audience_core.domain.output import Connection, Output
from audience_core.errors import StaleVersionError


def require_version(resource: Workspace | Input | Audience | Output | Connection, expected: int | None) -> None:
    """Raise `StaleVersionError` unless the resource has the expected version; None: whatever it has."""
    if expected not in (None, resource.version):
        raise StaleVersionError("somebody else changed it in between: load it again")
