"""HTTP served by parsers in C, and a short way for the requests that are asked most."""

import asyncio
import copy
import json
import time
import uuid
from email.utils import formatdate
from functools import lru_cache
from types import FunctionType, ModuleType
from typing import Any, ClassVar

import hypercorn.asyncio
import uvicorn
import uvloop
from ministack import app as server
from ministack.core.responses import set_request_account_id, set_request_region
from ministack.core.router import extract_access_key_id, extract_region
from ministack.services import apigateway, dynamodb, sqs
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from local.emulated_aws.known import TEXTS_KEPT, require

# For requests under way when it is told to end.
SHUTDOWN_S = 3


def serve_by_parsers_in_c() -> None:
    """Serve HTTP by uvicorn on httptools and uvloop: reading requests in Python took more than answering them."""
    require(hasattr(hypercorn.asyncio, "serve"), "it is not served by hypercorn any more")
    hypercorn.asyncio.serve = _serve
    uvloop.install()


async def _serve(app: Any, config: Any) -> None:
    host, _, port = config.bind[0].rpartition(":")
    served = uvicorn.Config(
        ShortWay(app),
        host,
        int(port),
        http=WholeResponses,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        timeout_keep_alive=int(config.keep_alive_timeout),
        timeout_graceful_shutdown=SHUTDOWN_S,
    )
    await uvicorn.Server(served).serve()


class ShortWay:
    """Hands what DynamoDB and SQS are asked for to them; anything else goes the whole way."""

    _services: ClassVar[dict[bytes, ModuleType]] = {b"DynamoDB_20120810": dynamodb, b"AmazonSQS": sqs}

    def __init__(self, app: Any) -> None:
        require(isinstance(getattr(server, "_get_reset_lock", None), FunctionType), "resets have no lock any more")
        require(not server.AUTH, "requests are to be authorized")
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        target = next((value for name, value in scope.get("headers", ()) if name == b"x-amz-target"), b"")
        service = self._services.get(target.partition(b".")[0])
        if service is None or (scope["method"], scope["path"], scope["query_string"]) != ("POST", "/", b""):
            await self._app(scope, receive, send)
            return
        async with server._get_reset_lock():
            pass
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        set_request_account_id(extract_access_key_id(headers))
        set_request_region(extract_region(headers))
        body = await _body(receive)
        if body is not None:
            await _answer(send, *await _answered(service, headers, body))


async def _body(receive: Any) -> bytes | None:
    """None if the client has gone."""
    parts = []
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        parts.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(parts)


async def _answered(service: Any, headers: dict[str, str], body: bytes) -> tuple[int, dict[str, str], bytes]:
    try:
        status, own, content = await service.handle_request("POST", "/", headers, body, {})
    except Exception as error:
        server.logger.exception("%s", headers["x-amz-target"])
        status, own, content = 500, {}, json.dumps({"__type": "InternalError", "message": str(error)})
    return status, own, content if isinstance(content, bytes) else content.encode()


async def _answer(send: Any, status: int, own: dict[str, str], content: bytes) -> None:
    headers = {
        "content-type": "application/x-amz-json-1.0",
        **{name.lower(): value for name, value in own.items()},
        "content-length": str(len(content)),
        "x-amzn-requestid": str(uuid.uuid4()),
        "date": _date(int(time.time())),
    }
    lines = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": status, "headers": lines})
    await send({"type": "http.response.body", "body": content})


@lru_cache(1)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


class WholeResponses(HttpToolsProtocol):  # type: ignore[misc]  # it has no types here
    """Hands the kernel the head of a response together with its body: each call costs as much as a small answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        super().connection_made(Gathering(transport))


class Gathering:
    """A transport that writes once in each turn of the loop."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport, self._held = transport, list[bytes]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if not self._held:
            asyncio.get_running_loop().call_soon(self._flush)
        self._held.append(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._held:
            self._transport.write(b"".join(self._held))
            self._held.clear()


def match_each_path_once() -> None:
    """Keep which paths fit which routes: all routes of an API are made into patterns again for each request."""
    name = "_extract_path_params"
    require(isinstance(getattr(apigateway, name, None), FunctionType), f"apigateway.{name} is no function any more")
    kept = lru_cache(TEXTS_KEPT)(apigateway._extract_path_params)
    apigateway._extract_path_params = lambda route, path: copy.copy(kept(route, path))
