"""Calls a handler as the HTTP API does (payload 2.0), after an authorizer has said who asks."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from audience_core.domain.account import Role
from audience_core.domain.ids import AccountId

type Handler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Context:
    """What handlers read of the Lambda context."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "00000000-0000-0000-0000-000000000000"


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
        response = self.handler(event, Context())
        content = response.get("body")
        assert response["statusCode"] == 204 or content, response
        return Answer(response["statusCode"], response["headers"], json.loads(content) if content else None)


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
        "rawQueryString": urlencode(query),
        # The gateway sends header names in lower case.
        "headers": {"content-type": "application/json"} | {name.lower(): value for name, value in headers.items()},
        "queryStringParameters": {name: str(value) for name, value in query.items()},
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
