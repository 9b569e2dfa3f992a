"""The one way to partners: a request, a bounded answer, and nothing but checked addresses in between."""

import http.client
import io
import socket
import ssl
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import Any

from audience_core.domain.output import FaultKind
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.endpoint import Endpoint, Resolve, checked_addresses, endpoint_of, resolve_host

MAX_BODY_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """Args:
    max_answer_bytes: how much of the answer's body is wanted, at most.
    """

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    max_answer_bytes: int = MAX_BODY_BYTES


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """Header names in lower case; the body is cut after the request's `max_answer_bytes`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


type Send = Callable[[HttpRequest], HttpResponse]


@dataclass(frozen=True, slots=True)
class TimeLimits:
    """Seconds: for one connection attempt, for one silence of the partner, and for everything together."""

    connect_s: float = 5
    silence_s: float = 15
    total_s: float = 25


class HttpSend:
    """Sends without following redirects, without proxies, and never to a private address unless allowed to.

    The host is resolved once; the connection goes to a checked address itself, with the host's name in TLS and Host.

    Raises:
        TerminalDeliveryError: requests may not go there, or its certificate is not trusted.
        RetryableDeliveryError: no connection, no answer in time, or half an answer.
    """

    def __init__(
        self, allow_private: bool = False, limits: TimeLimits = TimeLimits(), resolve: Resolve = resolve_host
    ) -> None:
        self._allow_private, self._limits, self._resolve = allow_private, limits, resolve

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with self.kept_open() as send:
            return send(request)

    @contextmanager
    def kept_open(self) -> Iterator[Send]:
        """Send several requests over one connection to each partner that allows it.

        If a connection turns out to be closed, the request is sent over another one: it may then have been heard twice.
        """
        kept: _Kept = {}
        try:
            yield partial(self._send, kept)
        finally:
            for each in kept.values():
                each.close()

    def _send(self, kept: "_Kept", request: HttpRequest) -> HttpResponse:
        endpoint = endpoint_of(request.url, allow_private=self._allow_private)
        deadline = time.monotonic() + self._limits.total_s
        try:
            return self._exchanged(kept, endpoint, request, deadline)
        except ssl.SSLCertVerificationError as error:
            reason = f"the certificate of {endpoint.host} is not trusted: {error.verify_message}"
            raise TerminalDeliveryError(reason, FaultKind.CONFIGURATION) from error
        except TimeoutError as error:
            raise RetryableDeliveryError(f"{endpoint.host} did not answer in time") from error
        except (OSError, http.client.HTTPException) as error:
            raise RetryableDeliveryError(f"no answer from {endpoint.host}: {type(error).__name__}") from error

    def _exchanged(self, kept: "_Kept", endpoint: Endpoint, request: HttpRequest, deadline: float) -> HttpResponse:
        if known := kept.pop(endpoint.door, None):
            with suppress(ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return self._exchange(kept, known, endpoint, request, deadline)
        return self._exchange(kept, self._opened(endpoint, deadline), endpoint, request, deadline)

    def _exchange(
        self, kept: "_Kept", opened: socket.socket, endpoint: Endpoint, request: HttpRequest, deadline: float
    ) -> HttpResponse:
        connection = http.client.HTTPConnection(endpoint.host, endpoint.port)
        connection.sock = _HurriedSocket(opened, deadline, self._limits.silence_s)
        try:
            connection.putrequest(request.method, endpoint.target, skip_host=True, skip_accept_encoding=True)
            for name, value in self._headers(endpoint, request).items():
                connection.putheader(name, value)
            connection.endheaders(request.body)
            answer = connection.getresponse()
            response = _read(answer, request.max_answer_bytes)
            if answer.isclosed() and not answer.will_close:
                kept[endpoint.door] = opened
            return response
        finally:
            if kept.get(endpoint.door) is not opened:
                opened.close()

    def _headers(self, endpoint: Endpoint, request: HttpRequest) -> dict[str, str]:
        own = {
            "Host": endpoint.authority,
            "User-Agent": "audience-manager",
            "Accept-Encoding": "identity",
            "Content-Length": str(len(request.body)),
            "Connection": "keep-alive",
        }
        return {**request.headers, **own}

    def _opened(self, endpoint: Endpoint, deadline: float) -> socket.socket:
        plain = self._connect(endpoint, deadline)
        try:
            return self._secured(plain, endpoint, deadline)
        except BaseException:
            plain.close()
            raise

    def _connect(self, endpoint: Endpoint, deadline: float) -> socket.socket:
        addresses = checked_addresses(endpoint, self._resolve, allow_private=self._allow_private)
        for address in addresses[:-1]:
            try:
                return self._open(address, endpoint.port, deadline)
            except OSError:
                continue
        return self._open(addresses[-1], endpoint.port, deadline)

    def _open(self, address: str, port: int, deadline: float) -> socket.socket:
        plain = socket.create_connection((address, port), min(self._limits.connect_s, _left(deadline)))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return plain

    def _secured(self, plain: socket.socket, endpoint: Endpoint, deadline: float) -> socket.socket:
        if not endpoint.is_tls:
            return plain
        plain.settimeout(min(self._limits.silence_s, _left(deadline)))
        return self._tls.wrap_socket(plain, server_hostname=endpoint.host)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()


# Connections that may be used again, by what they lead to.
type _Kept = dict[tuple[bool, str, int], socket.socket]


class _HurriedSocket:
    """What `http.client` uses of a socket, each wait cut to what is left: a slow drip cannot outlast the deadline."""

    def __init__(self, inner: socket.socket, deadline: float, silence_s: float) -> None:
        self._inner, self._deadline, self._silence_s = inner, deadline, silence_s

    def hurry(self) -> socket.socket:
        self._inner.settimeout(min(self._silence_s, _left(self._deadline)))
        return self._inner

    def sendall(self, data: bytes) -> None:
        self.hurry().sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(_HurriedReader(self))

    def close(self) -> None:
        """Done by whoever opened it: `http.client` closes before it has read the body."""


class _HurriedReader(io.RawIOBase):
    def __init__(self, source: _HurriedSocket) -> None:
        self._source = source

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        return self._source.hurry().recv_into(buffer)


def _read(answer: http.client.HTTPResponse, max_bytes: int) -> HttpResponse:
    body = answer.read(max_bytes)
    if len(body) < max_bytes and answer.length:
        raise http.client.IncompleteRead(body, answer.length)
    return HttpResponse(answer.status, {name.lower(): value for name, value in answer.getheaders()}, body)


def _left(deadline: float) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError
    return left
