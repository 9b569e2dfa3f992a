"""Opens the connector of an output with its secrets, and renews the tokens of a log-in before they expire."""

from http import HTTPStatus
from typing import Protocol

from audience_core.domain.control_stores import LogInStore, SecretStore
from audience_core.domain.output import FaultKind, Grant, Output
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs import oauth
from audience_core.outputs.connector import Connector
from audience_core.outputs.http import HttpRequest, HttpResponse, Send
from audience_core.outputs.log_in import LogIn, grant_as_secret, grant_from_secret, registration_of
from audience_core.outputs.registry import connector_for, kind_named

# Tokens are renewed so long before they expire; a renewal takes no longer than its claim.
_MARGIN_MS = 300_000
_CLAIM_MS = 30_000
_RETRY_S = 5.0


class OpeningStores(Protocol):
    @property
    def secrets(self) -> SecretStore: ...

    @property
    def log_ins(self) -> LogInStore: ...


def open_output(stores: OpeningStores, output: Output, send: Send, now_ms: int) -> Connector:
    """The connector of an output, ready to speak.

    Raises:
        InvalidInputError, NotFoundError: its settings cannot be used.
        TerminalDeliveryError: somebody must log in again.
        RetryableDeliveryError: the tokens must be renewed first, and that did not work now.
    """
    secret = stores.secrets.get(output.secret_ref) if output.secret_ref else {}
    log_in = kind_named(output.connector).log_in
    if log_in is None or output.log_in_ref is None or log_in.instead_of in secret:
        return connector_for(output, secret, send)
    grant = _current(stores, output, output.log_in_ref, log_in, send, now_ms)
    return connector_for(output, secret, _explaining(send), grant)


def _current(stores: OpeningStores, output: Output, reference: str, log_in: LogIn, send: Send, now_ms: int) -> Grant:
    grant = grant_from_secret(stores.secrets.get(reference))
    if not _is_due(grant, now_ms):
        return grant
    if grant.refresh_token is None:
        return _while_it_lasts(grant, now_ms, _again())
    if not stores.log_ins.claim_renewal(output.account_id, output.output_id, now_ms, _CLAIM_MS):
        # Somebody else is at it: a refresh token is often good for one use only.
        return _while_it_lasts(grant, now_ms, RetryableDeliveryError("the log-in is being renewed", _RETRY_S))
    # Read again: the one before may have renewed it since.
    grant = grant_from_secret(stores.secrets.get(reference))
    return _renewed(stores, output, reference, log_in, grant, send, now_ms) if _is_due(grant, now_ms) else grant


def _renewed(
    stores: OpeningStores, output: Output, reference: str, log_in: LogIn, grant: Grant, send: Send, now_ms: int
) -> Grant:
    try:
        registration = registration_of(log_in, stores.secrets.registration(output.connector))
        renewed = oauth.renewed(log_in, registration, grant, send, now_ms)
    except RetryableDeliveryError as error:
        return _while_it_lasts(grant, now_ms, error)
    except TerminalDeliveryError as error:
        if error.fault_kind == FaultKind.AUTHENTICATION:
            raise _again() from error
        raise
    stores.secrets.replace(reference, grant_as_secret(renewed))
    return renewed


def _is_due(grant: Grant, now_ms: int) -> bool:
    return grant.expires_at is not None and grant.expires_at - _MARGIN_MS <= now_ms


def _while_it_lasts(grant: Grant, now_ms: int, otherwise: Exception) -> Grant:
    if grant.expires_at is not None and grant.expires_at <= now_ms:
        raise otherwise
    return grant


def _explaining(send: Send) -> Send:
    """A refused token means that somebody must log in again."""

    def explaining(request: HttpRequest) -> HttpResponse:
        response = send(request)
        if response.status == HTTPStatus.UNAUTHORIZED:
            raise _again()
        return response

    return explaining


def _again() -> TerminalDeliveryError:
    reason = "the log-in at the partner has expired or was revoked: log in again"
    return TerminalDeliveryError(reason, FaultKind.AUTHENTICATION)
