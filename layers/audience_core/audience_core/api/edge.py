"""Between the web framework and the use cases: who may pass, and what a failed request is told."""

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from audience_core.api.idempotency import Create
from audience_core.api.principal import principal_of, require_role
from audience_core.api.problem import CONTENT_TYPE, Problem, problem_of
from audience_core.domain.ids import AccountId
from audience_core.errors import AudienceError, InvalidInputError, NotFoundError, UnsupportedMediaTypeError
from audience_core.management import problems


def refusal(event: Mapping[str, Any]) -> dict[str, Any] | None:
    """The answer to an HTTP API request (payload 2.0) whose caller may not make it; None for one who may."""
    http = event["requestContext"]["http"]
    try:
        require_role(principal_of(event), http["method"], http["path"])
        _refuse_forms(event)
    except AudienceError as error:
        problem = problem_of(error, _request_id(event))
        headers = {"Content-Type": CONTENT_TYPE, **problem.headers}
        return {"statusCode": problem.status, "headers": headers, "body": problem.body, "isBase64Encoded": False}
    return None


def explanation(error: Exception, field_errors: Sequence[Mapping[str, Any]], event: Mapping[str, Any]) -> Problem:
    """Args:
    field_errors: of the framework's validation of the request, in pydantic's form; none for all other errors.
    """
    if isinstance(error, RecursionError):
        error = InvalidInputError("the body is nested too deeply to be read")
    return problem_of(_readable(field_errors, event) if field_errors else error, _request_id(event))


def create_of(event: Mapping[str, Any], account_id: AccountId) -> Create:
    """The identity of a create request: its Idempotency-Key and what it asks for."""
    http = event["requestContext"]["http"]
    key = {name.lower(): value for name, value in event["headers"].items()}.get("idempotency-key")
    return Create(account_id, key, f"{http['method']} {http['path']}\n{event.get('body') or ''}")


def repeated(event: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """All values of a query parameter, as sent: the gateway's own form joins them by commas, which they may contain."""
    return tuple(value for each, value in parse_qsl(event.get("rawQueryString") or "") if each == name)


def now() -> datetime:
    return datetime.now(UTC)


def milliseconds(at: datetime) -> int:
    return int(at.timestamp() * 1000)


def instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _refuse_forms(event: Mapping[str, Any]) -> None:
    """The framework would read them, and stumble over those that are not well made."""
    kind = {name.lower(): value for name, value in event["headers"].items()}.get("content-type", "").strip().lower()
    if event.get("body") and kind.startswith(("multipart/", "application/x-www-form-urlencoded")):
        raise UnsupportedMediaTypeError("send JSON, as application/json")


def _readable(field_errors: Iterable[Mapping[str, Any]], event: Mapping[str, Any]) -> AudienceError:
    found: list[problems.Problem] = []
    in_body: list[Mapping[str, Any]] = []
    for error in field_errors:
        part, *path = error["loc"]
        if part == "path":
            return NotFoundError("there is no such resource")
        if error["type"] == "unsupported_content_type":
            return UnsupportedMediaTypeError("send JSON, as application/json")
        if error["type"] == "json_invalid":
            return InvalidInputError("the body is not JSON", (("", error["msg"]),))
        if part == "body":
            in_body.append({"loc": path, "msg": error["msg"]})
        else:
            found.append((problems.pointer("", part, *path), error["msg"]))
    return InvalidInputError(
        "the request cannot be used as it is: see errors", (*found, *problems.problems_of(in_body, _sent(event)))
    )


def _sent(event: Mapping[str, Any]) -> Any:
    try:
        return json.loads(event.get("body") or "null")
    except ValueError:
        return None


def _request_id(event: Mapping[str, Any]) -> str:
    return str(event["requestContext"].get("requestId", ""))
