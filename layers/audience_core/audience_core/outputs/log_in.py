"""What a connector must say of its partner so that people can log in there instead of entering a key."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from audience_core.domain.output import Grant
from audience_core.outputs.connector import Connector
from audience_core.outputs.http import Send

# Of the secret that holds a grant.
_ACCESS_TOKEN, _REFRESH_TOKEN, _EXPIRES_AT, _FACTS = "access_token", "refresh_token", "expires_at", "facts"


@dataclass(frozen=True, slots=True)
class Registration:
    """This installation as the partner knows it.

    Args:
        url: where the partner's log-in pages are, such as `https://login.partner.example`.
    """

    client_id: str
    client_secret: str
    url: str


@dataclass(frozen=True, slots=True)
class LogIn:
    """How people log in at a kind of partner, by OAuth 2 with an authorization code (RFC 6749, 4.1).

    Args:
        url: of the partner's log-in pages, unless the registration has another.
        authorize_path, token_path: there.
        scope: what to ask for; None for what the partner gives by itself.
        instead_of: the output setting that does the same without a log-in, and goes before it.
        facts: what must be known of the account besides its tokens, given the `url` and the access token.
        open: the connector for validated output settings and a grant.
    """

    url: str
    authorize_path: str
    token_path: str
    scope: str | None
    instead_of: str
    facts: Callable[[str, str, Send], Mapping[str, str]]
    open: Callable[[Any, Grant, Send], Connector]


def registration_of(log_in: LogIn, stored: Mapping[str, str]) -> Registration:
    url = stored.get("url") or log_in.url
    return Registration(stored["client_id"], stored["client_secret"], url.rstrip("/"))


def grant_as_secret(grant: Grant) -> dict[str, str]:
    """A grant as the secret store keeps it; `grant_from_secret` reads it."""
    secret = {_ACCESS_TOKEN: grant.access_token, _FACTS: json.dumps(dict(grant.facts))}
    if grant.refresh_token is not None:
        secret[_REFRESH_TOKEN] = grant.refresh_token
    if grant.expires_at is not None:
        secret[_EXPIRES_AT] = str(grant.expires_at)
    return secret


def grant_from_secret(secret: Mapping[str, str]) -> Grant:
    expires_at = secret.get(_EXPIRES_AT)
    return Grant(
        secret[_ACCESS_TOKEN],
        secret.get(_REFRESH_TOKEN),
        None if expires_at is None else int(expires_at),
        json.loads(secret[_FACTS]),
    )
