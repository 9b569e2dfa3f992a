"""A loopback HTTP server that stands for API Gateway: turns requests into events of payload format 2.0, and back."""

import json
import threading
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

type Headers = Mapping[str, str]
type LambdaHandler = Callable[[dict[str, Any], Any], dict[str, Any]]


@dataclass(frozen=True)
class Context:
    """What handlers may ask of the Lambda runtime."""

    function_name: str = "function"
    memory_limit_in_mb: int = 512
    invoked_function_arn: str = "arn:aws:lambda:us-east-1:123456789012:function:function"
    aws_request_id: str = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Headers
    body: bytes


def http_event(
    method: str,
    path: str,
    body: str | bytes | None = None,
    headers: Headers | None = None,
    authorizer: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """The event an HTTP API hands to a function.

    Args:
        body: bytes are handed over in Base64, as API Gateway does with content that is not text.
        authorizer: what the Lambda authorizer put into its context.
    """
    parts = urlsplit(path)
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": f"{method} {parts.path}",
        "rawPath": parts.path,
        "rawQueryString": parts.query,
        "headers": {name.lower(): value for name, value in (headers or {}).items()},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "127.0.0.1",
            "http": {"method": method, "path": parts.path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1"},
            "requestId": "request",
            "stage": "$default",
            "timeEpoch": 1_795_430_000_000,
        },
        "isBase64Encoded": isinstance(body, bytes),
    }
    if body is not None:
        event["body"] = b64encode(body).decode() if isinstance(body, bytes) else body
    if authorizer is not None:
        event["requestContext"]["authorizer"] = {"lambda": dict(authorizer)}
    return event


class Gateway:
    """Routes every request through the authorizer, if there is one, to one handler."""

    def __init__(self, handler: LambdaHandler, authorizer: LambdaHandler | None = None) -> None:
        self._handler, self._authorizer = handler, authorizer
        # A function instance handles one request at a time, and handlers rely on it.
        self._turn = threading.Lock()

    def answer(self, method: str, path: str, headers: Headers, body: bytes) -> Answer:
        event = http_event(method, path, _as_gateway_sees(headers, body), headers)
        with self._turn:
            if self._authorizer is not None:
                # The header is the authorizer's identity source: without it API Gateway answers by itself.
                if not event["headers"].get("authorization"):
                    return _refusal(401, "Unauthorized")
                decision = self._authorizer(_without_body(event), Context())
                if not decision["isAuthorized"]:
                    return _refusal(403, "Forbidden")
                event["requestContext"]["authorizer"] = {"lambda": decision.get("context", {})}
            result = self._handler(event, Context())
        content = result.get("body") or ""
        raw = b64decode(content) if result.get("isBase64Encoded") else content.encode()
        return Answer(result["statusCode"], result.get("headers") or {}, raw)


@contextmanager
def serving(gateway: Gateway) -> Iterator[str]:
    """The base URL (no slash at its end) of the gateway on a free port of the loopback interface."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _requests_to(gateway))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _requests_to(gateway: Gateway) -> type[BaseHTTPRequestHandler]:
    class Requests(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            answer = gateway.answer(self.command, self.path, dict(self.headers.items()), body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                if name.lower() != "content-length":
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body)

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815 names of http.server

        def log_message(self, format: str, *arguments: Any) -> None:
            """Tests stay quiet."""

    return Requests


def _as_gateway_sees(headers: Headers, body: bytes) -> str | bytes | None:
    media = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
    is_text = media.startswith(("text/", "application/json", "application/javascript", "application/xml"))
    return (body.decode() if is_text else body) if body else None


def _without_body(event: dict[str, Any]) -> dict[str, Any]:
    asked = {name: value for name, value in event.items() if name not in ("body", "isBase64Encoded")}
    return asked | {"type": "REQUEST", "identitySource": [event["headers"]["authorization"]]}


def _refusal(status: int, message: str) -> Answer:
    return Answer(status, {"Content-Type": "application/json"}, json.dumps({"message": message}).encode())
