"""The product's HTTP API as far as the command line needs it: a real server on loopback with scripted answers."""

import json
import threading
from base64 import b64encode
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

CLIENT = ("client-1", "secret-1")
INPUT = ("key-1", "input-secret-1")
INGEST = ("/v2/bulkevents", "/v2/bulkevents/historical")


@dataclass(frozen=True)
class Answer:
    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Asked:
    """Args:
    repeated: all values of each query parameter; `query` has the last.
    """

    method: str
    path: str
    query: dict[str, str]
    body: Any
    repeated: dict[str, list[str]]


class FakeApi(ThreadingHTTPServer):
    """Args:
    answers: (method, path) -> answers, given one after another, the last one for ever.
    ingest_answers: given before batches are accepted, one per request.
    files: path -> content, given without a credential.
    batches: accepted ones by their request ids: repeats are dropped, as the product does.
    """

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.token_url = f"{self.url}/oauth2/token"
        self.answers: dict[tuple[str, str], deque[Answer]] = defaultdict(deque)
        self.ingest_answers: deque[Answer] = deque()
        self.batches: dict[str, Any] = {}
        self.asked: list[Asked] = []
        self.files: dict[str, bytes] = {}
        self.tokens = 0
        self.valid_token = ""
        self.sizes: list[int] = []
        self.lock = threading.Lock()

    def on(self, method: str, path: str, body: Any, status: int = 200) -> None:
        self.answers[method, path].append(Answer(status, body))

    def events(self) -> list[dict[str, Any]]:
        return [event["data"] | {"type": event["event_type"]} for b in self.batches.values() for event in b["events"]]

    def paths(self) -> list[str]:
        return [each.path for each in self.asked]


class Handler(BaseHTTPRequestHandler):
    server: FakeApi
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PATCH(self) -> None:
        self._handle()

    def log_message(self, format: str, *args: object) -> None:
        """Tests are quiet."""

    def _handle(self) -> None:
        parts = urlsplit(self.path)
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if parts.path in self.server.files:
            self._send(200, {}, self.server.files[parts.path])
            return
        with self.server.lock:
            answer = self._answer(parts.path, parts.query, raw)
        content = b"" if answer.body is None else json.dumps(answer.body).encode()
        self._send(answer.status, answer.headers, content)

    def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _answer(self, path: str, query: str, raw: bytes) -> Answer:
        if path == "/oauth2/token":
            return self._token()
        body = json.loads(raw) if raw else None
        self.server.asked.append(Asked(self.command, path, dict(parse_qsl(query)), body, parse_qs(query)))
        if path in INGEST:
            return self._ingest(body, len(raw))
        if self.headers["Authorization"] != f"Bearer {self.server.valid_token}":
            return Answer(401, {"title": "Unauthorized", "detail": "the token is not valid"})
        scripted = self.server.answers[self.command, path]
        if not scripted:
            return Answer(404, {"title": "Not Found", "detail": f"there is no {path}"})
        return scripted.popleft() if len(scripted) > 1 else scripted[0]

    def _token(self) -> Answer:
        if self.headers["Authorization"] != _basic(*CLIENT):
            return Answer(400, {"error": "invalid_client"})
        self.server.tokens += 1
        self.server.valid_token = f"token-{self.server.tokens}"
        return Answer(200, {"access_token": self.server.valid_token, "expires_in": 3600})

    def _ingest(self, body: Any, size: int) -> Answer:
        if self.headers["Authorization"] != _basic(*INPUT):
            return Answer(403, {"errors": [{"code": "FORBIDDEN", "message": "invalid"}]})
        if self.server.ingest_answers and (scripted := self.server.ingest_answers.popleft()).status != 202:
            return scripted
        self.server.sizes.append(size)
        for batch in body:
            self.server.batches.setdefault(batch["source_request_id"], batch)
        return Answer(202)


def _basic(name: str, password: str) -> str:
    return "Basic " + b64encode(f"{name}:{password}".encode()).decode()


@contextmanager
def fake_api() -> Iterator[FakeApi]:
    server = FakeApi()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
