"""A webhook partner on this machine: checks signatures, remembers who is in which audience, and shows it."""

import argparse
import hashlib
import hmac
import html
import json
import threading
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

# A signature is worth nothing later than this after its timestamp: replays are refused.
TOLERANCE_S = 300

type Told = tuple[str, str, str]  # type, encoding, value


@dataclass(slots=True)
class KnownAudience:
    """What the partner was told of one audience; members by mpid, each with the identities it was told of."""

    name: str = ""
    is_subscribed: bool = False
    settings: dict[str, str] = field(default_factory=dict)
    members: dict[str, set[Told]] = field(default_factory=dict)
    attributes: dict[str, dict[str, Any]] = field(default_factory=dict)


class Book:
    """Keeps what messages say; hearing one twice changes nothing."""

    def __init__(self, log: Path | None = None) -> None:
        self.audiences: dict[int, KnownAudience] = {}
        self.messages: Counter[str] = Counter()
        self._log, self._lock = log, threading.Lock()
        if log is not None and log.exists():
            for line in log.read_text().splitlines():
                self._hear(json.loads(line))

    def hear(self, message: dict[str, Any]) -> None:
        """Remember one message, and write it to the log."""
        with self._lock:
            self._hear(message)
            if self._log is not None:
                with self._log.open("a") as file:
                    file.write(json.dumps(message) + "\n")

    def summary(self) -> dict[str, Any]:
        with self._lock:
            return {
                "messages": dict(self.messages),
                "audiences": {str(key): _summary(audience) for key, audience in sorted(self.audiences.items())},
            }

    def _hear(self, message: dict[str, Any]) -> None:
        self.messages[message["type"]] += 1
        if message["type"] == "audience_subscription_request":
            self._hear_subscription(message)
        for profile in message.get("user_profiles", ()):
            for entry in profile["audiences"]:
                self._hear_membership(profile, entry)

    def _hear_subscription(self, message: dict[str, Any]) -> None:
        audience = self._audience(message)
        audience.is_subscribed = message["action"] != "remove"
        audience.settings = message.get("audience_subscription_settings", {})

    def _hear_membership(self, profile: dict[str, Any], entry: dict[str, Any]) -> None:
        audience, mpid = self._audience(entry), profile["mpid"]
        told = {(i["type"], i["encoding"], i["value"]) for i in _identities_of(profile)}
        if entry["action"] == "delete":
            kept = audience.members.pop(mpid, set()) - told
            if kept:
                audience.members[mpid] = kept
            else:
                audience.attributes.pop(mpid, None)
            return
        audience.members.setdefault(mpid, set()).update(told)
        for attribute in entry.get("user_attributes", ()):
            _apply(audience.attributes.setdefault(mpid, {}), attribute)

    def _audience(self, named: dict[str, Any]) -> KnownAudience:
        audience = self.audiences.setdefault(named["audience_id"], KnownAudience())
        audience.name = named["audience_name"]
        return audience


def _identities_of(profile: dict[str, Any]) -> Iterable[dict[str, str]]:
    return [*profile.get("user_identities", ()), *profile.get("device_identities", ())]


def _apply(attributes: dict[str, Any], change: dict[str, Any]) -> None:
    if change["action"] == "delete":
        attributes.pop(change["key"], None)
    else:
        attributes[change["key"]] = change.get("list_value", change.get("value"))


def _summary(audience: KnownAudience) -> dict[str, Any]:
    types = Counter(kind for told in audience.members.values() for kind, _, _ in told)
    return {
        "name": audience.name,
        "is_subscribed": audience.is_subscribed,
        "settings": audience.settings,
        "members": len(audience.members),
        "identities": dict(sorted(types.items())),
        "mpids": sorted(audience.members)[:100],
    }


def is_signed(secrets: Iterable[str], timestamp: str, signature: str, body: bytes, now_s: float) -> bool:
    """Whether one of the secrets signed this body, not long ago."""
    if not timestamp.isascii() or not timestamp.isdigit() or abs(now_s - int(timestamp)) > TOLERANCE_S:
        return False
    signed = timestamp.encode() + b"." + body
    expected = (f"v1={hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()}" for secret in secrets)
    return any(hmac.compare_digest(each.encode(), signature.encode()) for each in expected)


class PartnerServer(ThreadingHTTPServer):
    """Listens on loopback alone; without secrets it takes unsigned messages too."""

    daemon_threads = True

    def __init__(self, port: int, book: Book, secrets: tuple[str, ...] = ()) -> None:
        super().__init__(("127.0.0.1", port), self.handler)
        self.book, self.secrets = book, secrets

    @property
    def handler(self) -> type[BaseHTTPRequestHandler]:
        return PartnerHandler

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class PartnerHandler(BaseHTTPRequestHandler):
    server: PartnerServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self._is_trusted(body):
            self.hear(json.loads(body))
        else:
            self.answer(HTTPStatus.UNAUTHORIZED, {"error": "the signature does not fit"})

    def hear(self, message: dict[str, Any]) -> None:
        self.server.book.hear(message)
        self.answer(HTTPStatus.OK, {"type": message["type"].replace("_request", "_response")})

    def do_GET(self) -> None:
        summary = self.server.book.summary()
        if "text/html" not in self.headers.get("Accept", ""):
            return self.answer(HTTPStatus.OK, summary)
        page = f"<title>Partner</title><pre>{html.escape(json.dumps(summary, indent=2))}</pre>"
        return self._write(HTTPStatus.OK, "text/html; charset=utf-8", page.encode())

    def answer(self, status: HTTPStatus, content: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        self._write(status, "application/json", json.dumps(content).encode(), headers or {})

    def log_message(self, format: str, *args: object) -> None:
        """The log of messages says more."""

    def _is_trusted(self, body: bytes) -> bool:
        if not self.server.secrets:
            return True
        timestamp = self.headers.get("X-Audience-Timestamp", "")
        signature = self.headers.get("X-Audience-Signature", "")
        return is_signed(self.server.secrets, timestamp, signature, body, time.time())

    def _write(self, status: HTTPStatus, kind: str, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=4567)
    parser.add_argument("--secret", action="append", default=[], help="signing secret of an output; may be repeated")
    parser.add_argument("--log", type=Path, help="file of all messages, one JSON object a line; read again at start")
    arguments = parser.parse_args()
    with PartnerServer(arguments.port, Book(arguments.log), tuple(arguments.secret)) as server:
        print(f"webhook partner: {server.url}")
        server.serve_forever()


if __name__ == "__main__":
    main()
