"""Errors as RFC 9457 problem details."""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus

from audience_core.errors import (
    AudienceError,
    ConflictError,
    DeliveryError,
    ForbiddenError,
    GoneError,
    InvalidInputError,
    MalformedBatchError,
    MissingPreconditionError,
    NotFoundError,
    QuotaExceededError,
    StaleVersionError,
    UnauthenticatedError,
    UnsupportedMediaTypeError,
)

CONTENT_TYPE = "application/problem+json"

logger = logging.getLogger(__name__)

# The first class that an error is an instance of decides.
_STATUSES: tuple[tuple[type[AudienceError], HTTPStatus], ...] = (
    (UnauthenticatedError, HTTPStatus.UNAUTHORIZED),
    (ForbiddenError, HTTPStatus.FORBIDDEN),
    (NotFoundError, HTTPStatus.NOT_FOUND),
    (GoneError, HTTPStatus.GONE),
    (StaleVersionError, HTTPStatus.PRECONDITION_FAILED),
    (ConflictError, HTTPStatus.CONFLICT),
    (MissingPreconditionError, HTTPStatus.PRECONDITION_REQUIRED),
    (UnsupportedMediaTypeError, HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
    (InvalidInputError, HTTPStatus.UNPROCESSABLE_ENTITY),
    (MalformedBatchError, HTTPStatus.BAD_REQUEST),
    (QuotaExceededError, HTTPStatus.TOO_MANY_REQUESTS),
    (DeliveryError, HTTPStatus.BAD_GATEWAY),
)


@dataclass(frozen=True, slots=True)
class Problem:
    """An answer to a request that failed.

    Args:
        body: JSON, to be sent as `CONTENT_TYPE`.
    """

    status: int
    body: str
    headers: Mapping[str, str] = field(default_factory=dict)


def problem_of(error: Exception, request_id: str) -> Problem:
    """What the caller is told. Of an unforeseen error only `correlation_id`, under which the log has the rest.

    Args:
        error: a web framework's own error may bring its `status_code`.
    """
    status = _status_of(error)
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        logger.exception("request failed", exc_info=error, extra={"correlation_id": request_id})
    detail = str(error) if isinstance(error, AudienceError) else _detail_of(status)
    document = {"type": "about:blank", "title": status.phrase, "status": status, "detail": detail}
    if isinstance(error, InvalidInputError) and error.problems:
        document["errors"] = [{"pointer": pointer, "detail": what} for pointer, what in error.problems]
    headers = {"Retry-After": str(error.retry_after_s)} if isinstance(error, QuotaExceededError) else {}
    return Problem(status, json.dumps({**document, "correlation_id": request_id}), headers)


def _status_of(error: Exception) -> HTTPStatus:
    for kind, status in _STATUSES:
        if isinstance(error, kind):
            return status
    status_code = getattr(error, "status_code", None)
    return HTTPStatus(status_code) if isinstance(status_code, int) else HTTPStatus.INTERNAL_SERVER_ERROR


def _detail_of(status: HTTPStatus) -> str:
    if status is HTTPStatus.INTERNAL_SERVER_ERROR:
        return "Something went wrong here; quote the correlation id when you ask about it."
    return status.description or status.phrase
