"""A real webhook partner on loopback that can be told to misbehave, one message at a time."""

import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from local.partner import Book, PartnerHandler, PartnerServer

SECRET = "whsec-0123456789"

type Fault = Callable[["FaultyHandler", dict[str, Any]], None]


class FaultyPartner(PartnerServer):
    """`faults` are used up one per message; afterwards `default`, if any, then good behaviour."""

    def __init__(self, book: Book | None = None, secrets: tuple[str, ...] = (SECRET,)) -> None:
        super().__init__(0, book or Book(), secrets)
        self.faults: deque[Fault] = deque()
        self.default: Fault | None = None
        self.heard: list[dict[str, Any]] = []

    @property
    def handler(self) -> type[BaseHTTPRequestHandler]:
        return FaultyHandler

    def members(self, audience_id: int) -> dict[str, set[tuple[str, str]]]:
        """mpid -> (type, value) of the identities the partner knows."""
        audience = self.book.audiences.get(audience_id)
        known = audience.members if audience else {}
        return {mpid: {(kind, value) for kind, _, value in told} for mpid, told in known.items()}

    def entries(self) -> list[tuple[str, str]]:
        """(mpid, action) of every membership heard, in order."""
        return [
            (p["mpid"], a["action"]) for m in self.heard for p in m.get("user_profiles", ()) for a in p["audiences"]
        ]


class FaultyHandler(PartnerHandler):
    server: FaultyPartner

    def hear(self, message: dict[str, Any]) -> None:
        self.server.heard.append(message)
        fault = self.server.faults.popleft() if self.server.faults else self.server.default
        if fault is None:
            self.obey(message)
        else:
            fault(self, message)

    def obey(self, message: dict[str, Any]) -> None:
        super().hear(message)

    def hang_up(self) -> None:
        """A reset: the client's read fails at once."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.rfile.close()
        self.wfile.close()
        self.connection.close()


def refusing(status: HTTPStatus, **headers: str) -> Fault:
    """Answer a status and do nothing; `Retry_After="2"` gives that header."""

    def fault(handler: FaultyHandler, message: dict[str, Any]) -> None:
        handler.answer(status, {}, {name.replace("_", "-"): value for name, value in headers.items()})

    return fault


def dropping(handler: FaultyHandler, message: dict[str, Any]) -> None:
    """Hang up without having done anything."""
    handler.hang_up()


def obeying_then_dropping(handler: FaultyHandler, message: dict[str, Any]) -> None:
    """Do what was asked and hang up without a word."""
    handler.server.book.hear(message)
    handler.hang_up()


def suspending(handler: FaultyHandler, message: dict[str, Any]) -> None:
    """Ask to be left in peace."""
    handler.answer(HTTPStatus.OK, {"suspend_subscription": True})


def obeying_twice(handler: FaultyHandler, message: dict[str, Any]) -> None:
    """The request came twice, as some proxies make it."""
    handler.server.book.hear(message)
    handler.obey(message)


@contextmanager
def answering[P: FaultyPartner](partner: P) -> Iterator[P]:
    """It answers meanwhile; before and after, it is there and says nothing."""
    thread = threading.Thread(target=partner.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield partner
    finally:
        partner.shutdown()
        thread.join()


@contextmanager
def serving[P: FaultyPartner](partner: P) -> Iterator[P]:
    with partner, answering(partner):
        yield partner


def a_partner() -> AbstractContextManager[FaultyPartner]:
    return serving(FaultyPartner())
