"""What the stand-ins of partners share: a real HTTP server on loopback that can be told to misbehave."""

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Heard:
    """A request as it came in; header names in lower case."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def as_json(content: Any, status: int = HTTPStatus.OK, kind: str = "application/json") -> Answer:
    return Answer(status, json.dumps(content).encode(), {"Content-Type": f"{kind}; charset=utf-8"})


class StandIn(ThreadingHTTPServer):
    """A partner; `replies` are used up one per request, before it answers by itself again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.heard: list[Heard] = []
        self.replies: deque[Answer] = deque()
        self.lock = threading.RLock()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    @property
    def calls(self) -> list[str]:
        """Method and path of every request, in order."""
        return [f"{each.method} {each.path}" for each in self.heard]

    def answer(self, heard: Heard) -> Answer:
        raise NotImplementedError

    def receive(self, heard: Heard) -> Answer:
        with self.lock:
            self.heard.append(heard)
            return self.replies.popleft() if self.replies else self.answer(heard)


class _Handler(BaseHTTPRequestHandler):
    server: StandIn

    def handle_any(self) -> None:
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        body = self.rfile.read(int(headers.get("content-length", 0)))
        query = dict(parse_qsl(parts.query, keep_blank_values=True))
        answer = self.server.receive(Heard(self.command, parts.path, query, headers, body))
        self.send_response(answer.status)
        for name, value in {**answer.headers, "Content-Length": str(len(answer.body))}.items():
            if answer.status != HTTPStatus.NO_CONTENT or name != "Content-Length":
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    def do_GET(self) -> None:
        self.handle_any()

    def do_POST(self) -> None:
        self.handle_any()

    def do_DELETE(self) -> None:
        self.handle_any()

    def log_message(self, format: str, *args: object) -> None:
        """What was heard is kept."""


@contextmanager
def running[S: StandIn](server: S) -> Iterator[S]:
    with server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
