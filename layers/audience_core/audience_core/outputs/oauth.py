"""OAuth 2 with partners: oauthlib writes and reads the messages, `Send` carries them."""

import json
from collections.abc import Mapping
from typing import Any

from oauthlib.oauth2 import OAuth2Error, WebApplicationClient

from audience_core.domain.output import FaultKind, Grant
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import RETRIED, raise_for_status
from audience_core.outputs.http import HttpRequest, HttpResponse, Send
from audience_core.outputs.log_in import LogIn, Registration

_VERIFIER_LENGTH = 64
# Errors of the token endpoint (RFC 6749, 5.2) that concern this installation, not whoever logged in.
_OF_REGISTRATION = frozenset({"invalid_client", "unauthorized_client"})


def new_verifier() -> str:
    """A secret for one log-in (RFC 7636, 4.1)."""
    return str(WebApplicationClient("").create_code_verifier(_VERIFIER_LENGTH))


def authorization_url(log_in: LogIn, at: Registration, redirect_uri: str, state: str, verifier: str) -> str:
    """Where to send a browser so that its user can log in."""
    client = WebApplicationClient(at.client_id)
    challenge = client.create_code_challenge(verifier, "S256")
    url = client.prepare_request_uri(
        at.url + log_in.authorize_path,
        redirect_uri=redirect_uri,
        scope=log_in.scope,
        state=state,
        code_challenge=challenge,
        code_challenge_method="S256",
    )
    return str(url)


def exchange(
    log_in: LogIn, at: Registration, code: str, redirect_uri: str, verifier: str, send: Send, now_ms: int
) -> Grant:
    """The grant for a code that the partner gave.

    Raises:
        TerminalDeliveryError: the partner does not accept it.
        RetryableDeliveryError: the partner cannot be reached, or makes no sense.
    """
    client = WebApplicationClient(at.client_id)
    body = client.prepare_request_body(
        code=code, redirect_uri=redirect_uri, code_verifier=verifier, client_secret=at.client_secret
    )
    grant = _granted(client, _asked(log_in, at, body, send), now_ms)
    facts = log_in.facts(at.url, grant.access_token, send)
    return Grant(grant.access_token, grant.refresh_token, grant.expires_at, facts)


def renewed(log_in: LogIn, at: Registration, grant: Grant, send: Send, now_ms: int) -> Grant:
    """New tokens for a grant that has a refresh token; raises as `exchange`."""
    client = WebApplicationClient(at.client_id)
    body = client.prepare_refresh_body(
        refresh_token=grant.refresh_token, client_id=at.client_id, client_secret=at.client_secret
    )
    new = _granted(client, _asked(log_in, at, body, send), now_ms)
    # A partner that gives no new refresh token means that the old one goes on (RFC 6749, 6).
    return Grant(new.access_token, new.refresh_token or grant.refresh_token, new.expires_at, grant.facts)


def _asked(log_in: LogIn, at: Registration, body: str, send: Send) -> HttpResponse:
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
    return send(HttpRequest("POST", at.url + log_in.token_path, headers, body.encode()))


def _granted(client: WebApplicationClient, response: HttpResponse, now_ms: int) -> Grant:
    if response.status in RETRIED:
        raise_for_status(response)
    if not _is_object(response.body):
        raise RetryableDeliveryError("the partner's answer to the log-in cannot be read")
    try:
        token: Mapping[str, Any] = client.parse_request_body_response(response.body.decode())
    except OAuth2Error as error:
        kind = FaultKind.CONFIGURATION if error.error in _OF_REGISTRATION else FaultKind.AUTHENTICATION
        raise TerminalDeliveryError("the partner does not accept the log-in", kind) from error
    # Some partners, Mailchimp among them, write 0 for tokens that do not expire: oauthlib leaves that out.
    lifetime_s = token.get("expires_in")
    expires_at = None if lifetime_s is None else now_ms + int(lifetime_s) * 1000
    refresh_token = token.get("refresh_token")
    return Grant(str(token["access_token"]), None if refresh_token is None else str(refresh_token), expires_at)


def _is_object(body: bytes) -> bool:
    try:
        return isinstance(json.loads(body), dict)
    except ValueError:
        return False
