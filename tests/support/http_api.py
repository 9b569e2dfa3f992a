"""Calls a handler as the HTTP API does (payload 2.0), after an authorizer has said who asks."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core.domain.account import Role
from audience_core.domain.ids import AccountId

_EVENTS = Path(__file__).parents[2] / "events"

type Handler = Callable[[dict[str, Any], LambdaContext], dict[str, Any]]


class _Context(LambdaContext):
    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 30_000


def a_context() -> LambdaContext:
    """What handlers read of the Lambda context."""
    context = _Context()
    context._function_name = "function"
    context._memory_limit_in_mb = 512
    context._invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"
    context._aws_request_id = "00000000-0000-0000-0000-000000000000"
    return context


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: Any

    @property
    def pointers(self) -> list[str]:
        """Which fields a problem names."""
        return [error["pointer"] for error in self.body.get("errors", [])]


@dataclass(frozen=True)
class Caller:
    """A client of an account, talking to one handler."""

    handler: Handler
    account_id: AccountId
    role: Role = Role.ADMIN
    client_id: str = "client-1"
    defaults: Mapping[str, str] = field(default_factory=dict)

    def __call__(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None, **query: Any
    ) -> Answer:
        claims = {"account_id": str(self.account_id), "role": self.role.value, "client_id": self.client_id}
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        event = an_event(method, path, text, {**self.defaults, **(headers or {})}, query, claims)
        response = self.handler(event, a_context())
        content = response.get("body")
        assert response["statusCode"] == 204 or content, response
        return Answer(response["statusCode"], response["headers"], json.loads(content) if content else None)


def a_sample(name: str) -> dict[str, Any]:
    """A file of `events/`."""
    sample: dict[str, Any] = json.loads((_EVENTS / f"{name}.json").read_text())
    return sample


def an_event(
    method: str,
    path: str,
    body: str | None,
    headers: Mapping[str, str],
    query: Mapping[str, Any],
    claims: Mapping[str, Any] | None,
) -> dict[str, Any]:
    return {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query, doseq=True),
        # The gateway sends header names in lower case.
        "headers": {"content-type": "application/json"} | {name.lower(): value for name, value in headers.items()},
        "queryStringParameters": {name: _joined(value) for name, value in query.items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "authorizer": {"lambda": dict(claims)} if claims is not None else {},
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": ""},
            "requestId": "request-1",
            "routeKey": "$default",
            "stage": "$default",
            "time": "24/Nov/2026:12:00:00 +0000",
            "timeEpoch": 1795521600000,
        },
        "body": body,
        "isBase64Encoded": False,
    }


def _joined(value: Any) -> str:
    """How the gateway hands over a repeated parameter."""
    return ",".join(value) if isinstance(value, list) else str(value)
