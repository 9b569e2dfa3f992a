"""Who may do what."""

import pytest

from audience_core.api.principal import Principal, principal_of, require_role
from audience_core.domain.account import Role
from audience_core.errors import ForbiddenError, UnauthenticatedError
from tests.support.control import ACCOUNT

# The least role that may do it; docs/api.md shows the same.
RULES = [
    ("GET", "/v1/workspaces", Role.READ_ONLY),
    ("GET", "/v1/audiences/1/members", Role.READ_ONLY),
    ("GET", "/v1/directory", Role.READ_ONLY),
    ("POST", "/v1/audiences", Role.AUDIENCES_ONLY),
    ("PATCH", "/v1/audiences/1", Role.AUDIENCES_ONLY),
    ("POST", "/v1/audiences/1/clone", Role.AUDIENCES_ONLY),
    ("PUT", "/v1/audiences/1/tags", Role.AUDIENCES_ONLY),
    ("GET", "/v1/tags", Role.READ_ONLY),
    ("POST", "/v1/audiences/1/connections", Role.AUDIENCES_ONLY),
    ("DELETE", "/v1/connections/c-1", Role.AUDIENCES_ONLY),
    ("POST", "/v1/connections/c-1/resume", Role.AUDIENCES_ONLY),
    ("POST", "/v1/outputs", Role.USER),
    ("POST", "/v1/outputs/o-1/test", Role.USER),
    ("GET", "/v1/people", Role.ADMIN),
    ("POST", "/v1/workspaces", Role.ADMIN),
    ("POST", "/v1/workspaces/w-1/inputs/i-1/rotate", Role.ADMIN),
    ("POST", "/v1/something-new", Role.ADMIN),
    ("POST", "/", Role.ADMIN),
]


@pytest.mark.parametrize(("method", "path", "least"), RULES)
@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_what_it_and_those_before_it_may(role: Role, method: str, path: str, least: Role) -> None:
    principal = Principal(ACCOUNT, role, "client-1")
    order = list(Role)

    if order.index(role) >= order.index(least):
        require_role(principal, method, path)
    else:
        with pytest.raises(ForbiddenError):
            require_role(principal, method, path)


@pytest.mark.parametrize(
    "authorizer",
    [
        None,
        {},
        {"jwt": {"claims": {"account_id": "7"}}},
        {"lambda": None},
        {"lambda": {"account_id": "7", "role": "owner", "client_id": "c"}},
        {"lambda": {"account_id": "seven", "role": "user", "client_id": "c"}},
    ],
)
def test_nobody_is_believed_without_the_authorizer(authorizer: object) -> None:
    with pytest.raises(UnauthenticatedError):
        principal_of({"requestContext": {"authorizer": authorizer}})
