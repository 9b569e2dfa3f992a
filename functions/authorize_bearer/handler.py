"""Lets requests with a good access token through and tells the API whose they are (docs/decisions/0002)."""

from functools import cache
from typing import Any

import jwt
from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.errors import NotFoundError, UnauthenticatedError

SCOPE = "audiences/api"
_REQUIRED = ["exp", "iss", "client_id", "token_use"]

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """A simple response to a request authorizer (payload 2.0); a refusal says nothing of its reason."""
    try:
        return {"isAuthorized": True, "context": _caller(event["headers"].get("authorization", ""))}
    except (jwt.InvalidTokenError, UnauthenticatedError, NotFoundError) as error:
        logger.info("token refused", extra={"reason": type(error).__name__})
        return {"isAuthorized": False}


def _caller(authorization: str) -> dict[str, str]:
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer":
        raise UnauthenticatedError("the credential is no bearer token")
    claims = _claims(token.strip())
    if claims["token_use"] != "access" or SCOPE not in str(claims.get("scope", "")).split():
        raise UnauthenticatedError("the token is not for this API")
    # People share the console's client; who they are is their user name. Machines have clients of their own.
    client = wiring.stores().accounts.client(claims.get("username") or claims["client_id"])
    return {"account_id": str(client.account_id), "role": client.role, "client_id": client.client_id}


def _claims(token: str) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(
        token,
        _signing_key(token),
        algorithms=["RS256"],
        issuer=wiring.settings()["TOKEN_ISSUER"],
        options={"require": _REQUIRED},
    )
    return claims


def _signing_key(token: str) -> jwt.PyJWK:
    """Raise `PyJWKClientConnectionError` when the keys cannot be had: then nobody knows, and nothing is cached."""
    keys = _key_set(wiring.settings()["JWKS_URL"])
    try:
        return keys.get_signing_key_from_jwt(token)
    except jwt.PyJWKClientConnectionError:
        raise
    except jwt.PyJWKClientError as error:
        raise UnauthenticatedError("the token was signed by somebody else") from error


@cache
def _key_set(url: str) -> jwt.PyJWKClient:
    # The gateway gives an authorizer ten seconds.
    return jwt.PyJWKClient(url, lifespan=3600, timeout=5)
