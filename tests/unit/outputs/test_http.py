"""The one seam to partners, tried on real sockets."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.http import MAX_BODY_BYTES, HttpRequest, HttpSend, TimeLimits

IMPATIENT = TimeLimits(connect_s=0.2, silence_s=0.2, total_s=0.5)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Case: Kept\r\n\r\n{}"

type Serve = Callable[[socket.socket], None]


@contextmanager
def a_server(serve: Serve) -> Iterator[int]:
    """Port of a server on loopback that lets `serve` speak on its only connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    # Nobody may come: then the test must fail, and not wait for ever.
    listener.settimeout(3)

    def run() -> None:
        with suppress(TimeoutError):
            connection, _ = listener.accept()
            with connection:
                serve(connection)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        thread.join()
        listener.close()


def request_of(connection: socket.socket) -> bytes:
    """Head and body, however many pieces they come in."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (more := connection.recv(65_536)):
            raise EOFError("the client has hung up")
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    (length,) = (int(line.split(b":")[1]) for line in head.splitlines() if line.startswith(b"Content-Length:"))
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


def answering(answer: bytes, heard: list[bytes] | None = None) -> Serve:
    def serve(connection: socket.socket) -> None:
        data = request_of(connection)
        if heard is not None:
            heard.append(data)
        connection.sendall(answer)

    return serve


def test_a_request_is_sent_whole_and_the_answer_read() -> None:
    heard: list[bytes] = []
    with a_server(answering(OK, heard)) as port:
        url = f"http://127.0.0.1:{port}/in?a=1"

        response = HttpSend(allow_private=True)(HttpRequest("POST", url, {"X-Own": "1", "Host": "forged"}, b"body"))

    head, _, body = heard[0].partition(b"\r\n\r\n")
    assert (response.status, response.headers["x-case"], response.body) == (200, "Kept", b"{}")
    assert head.startswith(b"POST /in?a=1 HTTP/1.1\r\n")
    assert b"Host: 127.0.0.1:%d" % port in head
    assert b"forged" not in head
    assert b"Content-Length: 4" in head
    assert body == b"body"


def test_the_connection_goes_to_the_checked_address_with_the_name_in_host() -> None:
    heard: list[bytes] = []
    asked: list[str] = []

    def resolve(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",)

    with a_server(answering(OK, heard)) as port:
        send = HttpSend(allow_private=True, resolve=resolve)

        send(HttpRequest("POST", f"http://partner.example:{port}/"))

    assert asked == ["partner.example"]
    assert b"Host: partner.example:%d" % port in heard[0]


@pytest.mark.parametrize("addresses", [("127.0.0.2", "127.0.0.1"), ("127.0.0.1", "127.0.0.2")])
def test_addresses_are_tried_in_order_until_one_answers(addresses: tuple[str, ...]) -> None:
    with a_server(answering(OK)) as port:
        send = HttpSend(allow_private=True, resolve=lambda host, at: addresses)

        assert send(HttpRequest("POST", f"http://partner.example:{port}/")).status == 200


def test_redirects_are_answers_and_not_followed() -> None:
    with a_server(answering(b"HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n")) as port:
        response = HttpSend(allow_private=True)(HttpRequest("POST", f"http://127.0.0.1:{port}/"))

    assert response.status == 302


def test_private_addresses_are_refused_without_a_connection() -> None:
    send = HttpSend(resolve=lambda host, port: ("127.0.0.1",))

    with pytest.raises(TerminalDeliveryError, match="public internet"):
        send(HttpRequest("POST", "https://partner.example/"))


def test_a_long_answer_is_cut() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n" + b"x" * MAX_BODY_BYTES)

    with a_server(serve) as port:
        response = HttpSend(allow_private=True)(HttpRequest("POST", f"http://127.0.0.1:{port}/"))

    assert len(response.body) == MAX_BODY_BYTES


def test_whoever_wants_more_of_an_answer_gets_it() -> None:
    body = b"x" * MAX_BODY_BYTES * 2
    with a_server(answering(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)) as port:
        request = HttpRequest("GET", f"http://127.0.0.1:{port}/", max_answer_bytes=MAX_BODY_BYTES * 2 + 1)

        assert HttpSend(allow_private=True)(request).body == body


def dripping(head: bytes, drop: bytes) -> Serve:
    """Say `head`, then one drop after another until the listener leaves."""

    def serve(connection: socket.socket) -> None:
        left = threading.Event()
        connection.recv(65_536)
        try:
            connection.sendall(head)
            while not left.wait(0.02):
                connection.sendall(drop)
        except OSError:
            left.set()

    return serve


@pytest.mark.parametrize(
    "serve",
    [
        dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\nX-Slow: ", b"x"),
        dripping(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["body", "header", "chunks"],
)
def test_a_slow_drip_does_not_outlast_the_deadline(serve: Serve) -> None:
    with a_server(serve) as port:
        send = HttpSend(allow_private=True, limits=IMPATIENT)

        with pytest.raises(RetryableDeliveryError, match="in time"):
            send(HttpRequest("POST", f"http://127.0.0.1:{port}/"))


def test_silence_is_a_time_out() -> None:
    def serve(connection: socket.socket) -> None:
        connection.recv(65_536)
        connection.recv(1)

    with a_server(serve) as port:
        send = HttpSend(allow_private=True, limits=IMPATIENT)

        with pytest.raises(RetryableDeliveryError, match="in time"):
            send(HttpRequest("POST", f"http://127.0.0.1:{port}/"))


@pytest.mark.parametrize("answer", [b"", b"gibberish\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"])
def test_half_an_answer_is_no_answer(answer: bytes) -> None:
    with a_server(answering(answer)) as port, pytest.raises(RetryableDeliveryError, match="no answer"):
        HttpSend(allow_private=True)(HttpRequest("POST", f"http://127.0.0.1:{port}/"))


def test_nobody_listening_may_listen_later() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

    with pytest.raises(RetryableDeliveryError, match="ConnectionRefusedError"):
        HttpSend(allow_private=True)(HttpRequest("POST", f"http://127.0.0.1:{port}/"))


def test_an_untrusted_certificate_is_a_configuration_fault(tmp_path_factory: pytest.TempPathFactory) -> None:
    context = a_self_signed_context(tmp_path_factory)

    def serve(connection: socket.socket) -> None:
        with pytest.raises(OSError, match=r"(?i)alert|eof|reset|handshake"):
            context.wrap_socket(connection, server_side=True)

    with a_server(serve) as port, pytest.raises(TerminalDeliveryError, match="not trusted") as refusal:
        HttpSend(allow_private=True)(HttpRequest("POST", f"https://localhost:{port}/"))

    assert refusal.value.fault_kind == "configuration"


def a_self_signed_context(paths: pytest.TempPathFactory) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    start = datetime.now(UTC) - timedelta(days=1)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, start, start + timedelta(days=2))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = paths.mktemp("tls") / "both.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def answering_often(answer: bytes, times: int, heard: list[bytes]) -> Serve:
    """Answers so many requests of one connection, and then hangs up."""

    def serve(connection: socket.socket) -> None:
        for _ in range(times):
            heard.append(request_of(connection))
            connection.sendall(answer)

    return serve


@contextmanager
def a_lasting_server(*connections: Serve) -> Iterator[str]:
    """URL of a server that takes one connection after another, each served in its own way."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(3)

    def run() -> None:
        for serve in connections:
            with suppress(TimeoutError, EOFError):
                connection, _ = listener.accept()
                with connection:
                    serve(connection)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/"
    finally:
        thread.join()
        listener.close()


def test_requests_share_a_connection_while_it_is_kept_open() -> None:
    heard: list[bytes] = []
    with (
        a_lasting_server(answering_often(OK, 3, heard)) as url,
        HttpSend(allow_private=True).kept_open() as send,
    ):
        answers = [send(HttpRequest("POST", url, {}, b"%d" % n)) for n in range(3)]

    assert [answer.body for answer in answers] == [b"{}"] * 3
    assert [request.rpartition(b"\r\n\r\n")[2] for request in heard] == [b"0", b"1", b"2"]


def test_a_connection_that_was_closed_meanwhile_is_opened_again() -> None:
    heard: list[bytes] = []
    with (
        a_lasting_server(answering_often(OK, 1, heard), answering_often(OK, 1, heard)) as url,
        HttpSend(allow_private=True).kept_open() as send,
    ):
        answers = [send(HttpRequest("POST", url, {}, b"%d" % n)).status for n in range(2)]

    assert (answers, len(heard)) == ([200, 200], 2)


@pytest.mark.parametrize(
    "answer",
    [
        OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"),
        OK.replace(b"HTTP/1.1", b"HTTP/1.0"),
        b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n" + b"x" * 90_000,
    ],
    ids=["close", "1.0", "too long"],
)
def test_a_connection_that_cannot_go_on_is_not_used_again(answer: bytes) -> None:
    heard: list[bytes] = []
    with (
        a_lasting_server(answering_often(answer, 1, heard), answering_often(OK, 1, heard)) as url,
        HttpSend(allow_private=True).kept_open() as send,
    ):
        answers = [send(HttpRequest("POST", url)).body for _ in range(2)]

    assert (len(answers[0]), answers[1], len(heard)) == (min(len(answer.partition(b"\r\n\r\n")[2]), 65_536), b"{}", 2)


def test_a_time_out_on_an_open_connection_is_not_tried_again() -> None:
    heard: list[bytes] = []

    def answer_once_then_be_silent(connection: socket.socket) -> None:
        heard.append(request_of(connection))
        connection.sendall(OK)
        heard.append(request_of(connection))
        connection.recv(1)

    with (
        a_lasting_server(answer_once_then_be_silent, answering_often(OK, 1, heard)) as url,
        HttpSend(allow_private=True, limits=IMPATIENT).kept_open() as send,
    ):
        send(HttpRequest("POST", url))
        with pytest.raises(RetryableDeliveryError, match="did not answer in time"):
            send(HttpRequest("POST", url))

    assert len(heard) == 2
