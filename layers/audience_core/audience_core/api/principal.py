"""Who is asking, as the authorizer says, and what each role may do."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from audience_core.domain.account import Role
from audience_core.domain.ids import AccountId
from audience_core.errors import ForbiddenError, UnauthenticatedError

_RANKS = {role: rank for rank, role in enumerate(Role)}
_READS = frozenset({"GET", "HEAD"})
# First part of the path after /v1, or first two, -> who may write there. What is in neither table everybody may read,
# and only admins may write.
WRITERS: Mapping[str, Role] = {
    "audiences": Role.AUDIENCES_ONLY,
    "connections": Role.AUDIENCES_ONLY,
    "exports": Role.AUDIENCES_ONLY,
    "archive": Role.AUDIENCES_ONLY,
    "jobs": Role.AUDIENCES_ONLY,
    "lifetime-calculations": Role.AUDIENCES_ONLY,
    "outputs": Role.USER,
    "sharing": Role.USER,
    "sharing/receiving": Role.ADMIN,
    "workspaces": Role.ADMIN,
}
# What not everybody may read.
READERS: Mapping[str, Role] = {"people": Role.ADMIN}


@dataclass(frozen=True, slots=True)
class Principal:
    account_id: AccountId
    role: Role
    client_id: str


def principal_of(event: Mapping[str, Any]) -> Principal:
    """The caller of an HTTP API request (payload 2.0); raise `UnauthenticatedError` if no authorizer vouches for it."""
    try:
        claims = event["requestContext"]["authorizer"]["lambda"]
        return Principal(AccountId(int(claims["account_id"])), Role(claims["role"]), str(claims["client_id"]))
    except (KeyError, TypeError, ValueError) as error:
        raise UnauthenticatedError("the request has no credential") from error


def require_role(principal: Principal, method: str, path: str) -> None:
    """Raise `ForbiddenError` when the caller's role may not do this."""
    required = _least(READERS, path, Role.READ_ONLY) if method in _READS else _least(WRITERS, path, Role.ADMIN)
    if _RANKS[principal.role] < _RANKS[required]:
        raise ForbiddenError(f"this needs the role {required}; yours is {principal.role}")


def _least(roles: Mapping[str, Role], path: str, otherwise: Role) -> Role:
    _, _, resource, part, *_ = (*path.split("/"), "", "", "", "")
    return roles.get(f"{resource}/{part}", roles.get(resource, otherwise))
