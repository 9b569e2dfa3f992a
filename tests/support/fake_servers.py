"""The common part of partners on loopback: requests are kept, and faults are used up one per request."""

import json
import socket
import struct
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Heard:
    """A request; header names in lower case.

    Args:
        target: what followed the method; `query` and `form` hold the first value of each name.
    """

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return _firsts(urlsplit(self.target).query)

    @property
    def form(self) -> dict[str, str]:
        return _firsts(self.body.decode())

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """Content that is no bytes goes out as JSON."""

    status: int
    content: Any = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> bytes:
        return self.content if isinstance(self.content, bytes) else json.dumps(self.content).encode()


class HangUp(Exception):
    """Reset the connection instead of answering."""


# Given the request and what would obey it.
type Fault = Callable[[Heard, Callable[[Heard], Answer]], Answer]


class FakeServer(ABC, ThreadingHTTPServer):
    """A partner; what it is goes into `obey`.

    Args:
        replies: answered in the place of obeying, one per request, before any fault.
        faults: used up one per request; `default`: the fault of requests for which none is left, if any.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[Heard] = []
        self.replies: deque[Answer] = deque()
        self.faults: deque[Fault] = deque()
        self.default: Fault | None = None
        self.lock = threading.RLock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def calls(self) -> list[str]:
        """Method and path of every request, in order."""
        return [f"{each.method} {each.path}" for each in self.heard]

    @abstractmethod
    def obey(self, heard: Heard) -> Answer:
        """Do what is asked."""

    def hear(self, heard: Heard) -> Answer:
        with self.lock:
            self.heard.append(heard)
            if self.replies:
                return self.replies.popleft()
            fault = self.faults.popleft() if self.faults else self.default
            return fault(heard, self.obey) if fault else self.obey(heard)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that was reset on purpose cannot be written to."""

    @contextmanager
    def serving(self) -> Iterator[Self]:
        with self:
            thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})
            thread.start()
            try:
                yield self
            finally:
                self.shutdown()
                thread.join()


def as_json(content: Any, status: int = HTTPStatus.OK, kind: str = "application/json") -> Answer:
    return Answer(status, content, {"Content-Type": f"{kind}; charset=utf-8"})


def answering(status: int, content: Any = None, **headers: str) -> Fault:
    """Answer this and do nothing; `Retry_After="2"` gives that header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda heard, obey: Answer(status, {} if content is None else content, named)


def losing_the_answer(heard: Heard, obey: Callable[[Heard], Answer]) -> Answer:
    """Do what was asked and hang up without a word."""
    obey(heard)
    raise HangUp


def hanging_up(heard: Heard, obey: Callable[[Heard], Answer]) -> Answer:
    """Hang up without having done anything."""
    raise HangUp


def obeying(heard: Heard, obey: Callable[[Heard], Answer]) -> Answer:
    """No fault: for a fault of a later request."""
    return obey(heard)


class _Handler(BaseHTTPRequestHandler):
    server: FakeServer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            self._write(self.server.hear(Heard(self.command, self.path, headers, body)))
        except HangUp:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.rfile.close()
            self.wfile.close()
            self.connection.close()

    do_POST = do_PUT = do_DELETE = do_GET  # noqa: N815  # names that the standard library looks for

    def _write(self, answer: Answer) -> None:
        length = {} if answer.status == HTTPStatus.NO_CONTENT else {"Content-Length": str(len(answer.body))}
        self.send_response(answer.status)
        for name, value in {**length, **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *args: object) -> None:
        """The requests are kept."""


def _firsts(encoded: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(encoded, keep_blank_values=True).items()}
