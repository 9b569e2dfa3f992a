"""Logging in at a partner: begun by a user of the account, ended by the browser that comes back from the partner."""

import secrets as random
from datetime import datetime, timedelta
from typing import Protocol

from audience_core.domain.control_stores import LogInStore, OutputStore, SecretStore
from audience_core.domain.ids import AccountId, OutputId
from audience_core.domain.output import Output, PendingLogIn
from audience_core.errors import (
    ConflictError,
    InvalidInputError,
    NotFoundError,
    StaleVersionError,
    TerminalDeliveryError,
)
from audience_core.outputs import oauth
from audience_core.outputs.http import Send
from audience_core.outputs.log_in import LogIn, Registration, grant_as_secret, registration_of
from audience_core.outputs.registry import kind_named

LIFETIME = timedelta(minutes=10)
_SAVE_ATTEMPTS = 5


class LogInStores(Protocol):
    """The stores that a log-in needs, under the names that `wiring.Stores` gives them."""

    @property
    def outputs(self) -> OutputStore: ...

    @property
    def secrets(self) -> SecretStore: ...

    @property
    def log_ins(self) -> LogInStore: ...


def begin(stores: LogInStores, account_id: AccountId, output_id: OutputId, redirect_uri: str, now: datetime) -> str:
    """The address at the partner where somebody must log in, within `LIFETIME`.

    Raises:
        ConflictError: this connector has no log-in, the output has a key instead, or nobody has registered this
            installation at the partner.
    """
    output = stores.outputs.get(account_id, output_id)
    log_in, registration = _partner(stores.secrets, output)
    secret = stores.secrets.get(output.secret_ref) if output.secret_ref else {}
    if log_in.instead_of in secret:
        raise ConflictError(f"the output has the setting {log_in.instead_of}: remove it (null) to log in instead")
    verifier, expires_at = oauth.new_verifier(), int((now + LIFETIME).timestamp() * 1000)
    # The account is part of the state, so that nobody has to look for it among those of all accounts.
    state = f"{account_id}.{random.token_urlsafe(32)}"
    stores.log_ins.begin(PendingLogIn(account_id, output_id, state, verifier, redirect_uri, expires_at))
    return oauth.authorization_url(log_in, registration, redirect_uri, state, verifier)


def finish(stores: LogInStores, send: Send, state: str, code: str | None, now: datetime) -> Output:
    """Take the tokens that the partner gives for `code`, and keep them with the output that the log-in was for.

    Args:
        code: None when the partner, or its user, did not agree.

    Raises:
        InvalidInputError: names the parameter; the log-in must be begun again.
        RetryableDeliveryError: the partner cannot be reached; the log-in must be begun again, too.
    """
    pending = _taken(stores.log_ins, state, now)
    if code is None:
        raise InvalidInputError("nobody logged in", (("/query/error", "the partner did not grant the log-in"),))
    output = stores.outputs.get(pending.account_id, pending.output_id)
    log_in, registration = _partner(stores.secrets, output)
    parts = code, pending.redirect_uri, pending.verifier
    try:
        grant = oauth.exchange(log_in, registration, *parts, send, int(now.timestamp() * 1000))
    except TerminalDeliveryError as error:
        raise InvalidInputError("the log-in did not work: begin again", (("/query/code", str(error)),)) from error
    reference = stores.secrets.put(output.account_id, f"{output.output_id}-log-in", grant_as_secret(grant))
    return _noted(stores, output, reference)


def _partner(secrets: SecretStore, output: Output) -> tuple[LogIn, Registration]:
    kind = kind_named(output.connector)
    if kind.log_in is None:
        raise ConflictError(f"nobody can log in at {kind.name}: enter its settings")
    try:
        stored = secrets.registration(kind.kind)
    except NotFoundError as error:
        reason = f"this installation is not registered at {kind.name}: enter the setting {kind.log_in.instead_of}"
        raise ConflictError(reason) from error
    return kind.log_in, registration_of(kind.log_in, stored)


def _taken(log_ins: LogInStore, state: str, now: datetime) -> PendingLogIn:
    """A state is good once, for a while, and for the account and the output it was made for."""
    refused = InvalidInputError("the log-in cannot be finished: begin again", (("/query/state", "unknown or expired"),))
    account = state.partition(".")[0]
    if not (account.isascii() and account.isdigit()):
        raise refused
    try:
        pending = log_ins.take(AccountId(int(account)), state)
    except NotFoundError as error:
        raise refused from error
    if pending.expires_at <= now.timestamp() * 1000:
        raise refused
    return pending


def _noted(stores: LogInStores, output: Output, reference: str) -> Output:
    """The output with the log-in; if it was deleted meanwhile, nothing of the log-in is kept."""
    for _ in range(_SAVE_ATTEMPTS):
        if output.log_in_ref == reference:
            return output
        try:
            return stores.outputs.save(output.model_copy(update={"log_in_ref": reference}))
        except StaleVersionError:
            output = _reloaded(stores, output, reference)
    raise ConflictError("the output is being changed by others: begin again")


def _reloaded(stores: LogInStores, output: Output, reference: str) -> Output:
    try:
        return stores.outputs.get(output.account_id, output.output_id)
    except NotFoundError:
        stores.secrets.delete(reference)
        raise
