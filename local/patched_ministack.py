"""Starts ministack without what dominates its time; runs in `.tools/aws`, as a script.

That is its server, which reads HTTP in Python, two waits in a warm invocation, reading a query's condition again for
each item, and one thread that calls the reader of one stream after that of another, while everything else waits for
both. All patches touch what ministack does not promise to keep, so each first looks whether it is still what it was in
the pinned version, and refuses to start otherwise.
"""

import asyncio
import copy
import http.server
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from types import FunctionType, SimpleNamespace
from typing import Any

import hypercorn.asyncio
import uvicorn
import uvloop
from ministack.app import main
from ministack.core import lambda_runtime
from ministack.services import apigateway, dynamodb, lambda_svc
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

KNOWN_VERSION = "1.5.33"
KNOWN_LOG_WAITS = (0.050, 0.005, 0.250)
# Seconds: for the first log line of an invocation, between two lines, and at most. Handlers log before they answer.
LOG_WAITS = (0.003, 0.003, 0.250)
EXPRESSIONS_KEPT = 4096
# A reader that failed looks again after so long, though nobody wakes it.
LONGEST_SLEEP_S = 0.5
# For requests under way when it is told to end.
SHUTDOWN_S = 3


def require(holds: bool, what: str) -> None:
    if not holds:
        raise SystemExit(
            f"local/patched_ministack.py does not fit ministack {version('ministack')}: {what}. "
            f"It was written for {KNOWN_VERSION}: pin that in requirements/aws.in, or adapt the patches."
        )


def answer_without_delay() -> None:
    """Send the small packets of the Lambda Runtime API at once (Nagle's algorithm holds them for 40 ms)."""
    handler = http.server.BaseHTTPRequestHandler
    require(hasattr(handler, "disable_nagle_algorithm"), "the Runtime API is not served by http.server")
    handler.disable_nagle_algorithm = True


def do_not_wait_for_silent_functions() -> None:
    """Wait 3 ms instead of 50 for the log lines of a function that logged nothing."""
    drain = getattr(lambda_runtime.Worker, "_drain_stderr_bounded", None)
    require(getattr(drain, "__defaults__", None) == KNOWN_LOG_WAITS, "Worker._drain_stderr_bounded has changed")
    drain.__defaults__ = LOG_WAITS  # type: ignore[union-attr]  # `require` has seen that it has defaults


def read_each_expression_once() -> None:
    """Keep what is found in the text of an expression: a query reads its condition again for each item."""
    of_text = "_tokenize", "_condition_syntax_error"
    of_tokens = "_check_redundant_parens", "_check_reserved_keyword_usage"
    for name in of_text + of_tokens:
        require(isinstance(getattr(dynamodb, name, None), FunctionType), f"dynamodb.{name} is no function any more")
    tokens_of = lru_cache(EXPRESSIONS_KEPT)(dynamodb._tokenize)
    dynamodb._tokenize = lambda text: list(tokens_of(text))
    dynamodb._condition_syntax_error = lru_cache(EXPRESSIONS_KEPT)(dynamodb._condition_syntax_error)
    for name in of_tokens:
        setattr(dynamodb, name, _by_tokens(getattr(dynamodb, name)))


def _by_tokens(check: Any) -> Any:
    kept = lru_cache(EXPRESSIONS_KEPT)(check)
    return lambda tokens, *rest: kept(tuple(tokens), *rest)


def copy_items_plainly() -> None:
    """Copy items, which are JSON, without the books that `deepcopy` keeps of objects that refer to each other."""
    require(getattr(dynamodb, "copy", None) is copy, "dynamodb does not use the copy module")
    dynamodb.copy = SimpleNamespace(deepcopy=_copied)


def _copied(value: Any) -> Any:
    if type(value) is dict:
        return {name: _copied(each) for name, each in value.items()}
    if type(value) is list:
        return [_copied(each) for each in value]
    return value if type(value) is str else copy.deepcopy(value)


def read_streams_side_by_side() -> None:
    """As on AWS, each reader of a stream has a poller of its own, and lets a window pass between two batches."""
    for name in ("_iter_all_esms", "_poll_dynamodb_streams"):
        require(isinstance(getattr(lambda_svc, name, None), FunctionType), f"lambda_svc.{name} is no function any more")
    require(isinstance(lambda_svc._esm_wake, threading.Event), "mappings are not woken by an event")
    readers = StreamReaders(lambda_svc._iter_all_esms, lambda_svc._poll_dynamodb_streams, lambda_svc._esm_wake)
    lambda_svc._iter_all_esms = readers.mappings
    lambda_svc._poll_dynamodb_streams = readers.start_new


class StreamReaders:
    """Args:
    every: lists the mappings of functions to queues and streams; `poll`: reads the streams among them, each once.
    """

    def __init__(self, every: Callable[[], Any], poll: Callable[[], bool], wake: threading.Event) -> None:
        self._every, self._poll, self._own = every, poll, threading.local()
        self._readers: dict[str, threading.Event] = {}
        self._wake_all, wake.set = wake.set, self._wake  # type: ignore[method-assign]  # all its callers hold it

    def mappings(self) -> list[Any]:
        """A reader's own one, or all."""
        mine = getattr(self._own, "mapping", None)
        return [each for each in self._every() if mine is None or each[2]["UUID"] == mine]

    def start_new(self) -> bool:
        for _, _, mapping in self._every():
            known = mapping["UUID"]
            if ":dynamodb:" in mapping.get("EventSourceArn", "") and known not in self._readers:
                self._readers[known] = threading.Event()
                window_s = mapping.get("MaximumBatchingWindowInSeconds") or 0
                threading.Thread(target=self._read, args=(known, window_s), daemon=True).start()
        return False

    def _wake(self) -> None:
        self._wake_all()
        for each in list(self._readers.values()):
            each.set()

    def _read(self, mapping: str, window_s: float) -> None:
        self._own.mapping, news = mapping, self._readers[mapping]
        while self.mappings():
            news.clear()
            try:
                is_moving = self._poll()
            except Exception as error:
                lambda_svc.logger.error("reader of %s: %s", mapping, error)
                is_moving = False
            if is_moving:
                time.sleep(window_s)
            else:
                news.wait(LONGEST_SLEEP_S)
        del self._readers[mapping]


def serve_by_parsers_in_c() -> None:
    """Serve HTTP by uvicorn on httptools and uvloop: reading requests in Python took more than answering them."""
    require(hasattr(hypercorn.asyncio, "serve"), "it is not served by hypercorn any more")
    hypercorn.asyncio.serve = _serve
    uvloop.install()


async def _serve(app: Any, config: Any) -> None:
    host, _, port = config.bind[0].rpartition(":")
    served = uvicorn.Config(
        app,
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
    kept = lru_cache(EXPRESSIONS_KEPT)(apigateway._extract_path_params)
    apigateway._extract_path_params = lambda route, path: copy.copy(kept(route, path))


if __name__ == "__main__":
    require(version("ministack") == KNOWN_VERSION, "it is another version")
    serve_by_parsers_in_c()
    match_each_path_once()
    answer_without_delay()
    do_not_wait_for_silent_functions()
    read_each_expression_once()
    copy_items_plainly()
    read_streams_side_by_side()
    main()
