"""Finds the input that an ingest request's credential belongs to."""

import binascii
from base64 import b64decode
from datetime import datetime
from hashlib import sha256
from hmac import compare_digest

from audience_core.domain.account import Input
from audience_core.domain.control_stores import WorkspaceStore
from audience_core.errors import NotFoundError, UnauthenticatedError

# Compared with when there is no such key, so that an answer takes as long as for a wrong secret.
_NO_SECRET = "0" * 64


def authorize_input(workspaces: WorkspaceStore, authorization: str, now: datetime) -> Input:
    """The input whose key and secret an HTTP Basic `Authorization` header holds. Raise `UnauthenticatedError`."""
    key, secret = _credential(authorization)
    given = sha256(secret.encode()).hexdigest()
    try:
        found = workspaces.input_by_key(key)
    except NotFoundError as error:
        compare_digest(given, _NO_SECRET)
        raise UnauthenticatedError("the ingest key or secret is wrong") from error
    if not compare_digest(given, _digest_of(found, key, now)):
        raise UnauthenticatedError("the ingest key or secret is wrong")
    return found


def _digest_of(found: Input, key: str, now: datetime) -> str:
    """Of the secret that goes with this key of the input; of none once its grace is over."""
    if key == found.key:
        return found.secret_sha256
    previous = found.previous
    return previous.secret_sha256 if previous and previous.key == key and now < previous.valid_until else _NO_SECRET


def _credential(authorization: str) -> tuple[str, str]:
    scheme, _, encoded = authorization.strip().partition(" ")
    if scheme.lower() != "basic":
        raise UnauthenticatedError("ingest takes HTTP Basic credentials")
    try:
        key, separator, secret = b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise UnauthenticatedError("the credential is not Base64 of key:secret") from error
    if not (separator and key and secret):
        raise UnauthenticatedError("the credential is not Base64 of key:secret")
    return key, secret
