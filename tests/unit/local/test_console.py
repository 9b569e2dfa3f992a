"""The console's server on this machine, and what it has in common with CloudFront's."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from local.app import PRODUCT
from local.console import ConsoleServer, security_headers
from local.templates import read_template

CONFIG = {"issuer": "https://issuer.example", "signIn": "http://127.0.0.1:4566", "clientId": "client-1"}


class Echo(BaseHTTPRequestHandler):
    """An API that answers with what it was asked."""

    def do_PATCH(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(412)
        self.send_header("ETag", '"7"')
        self.end_headers()
        self.wfile.write(f"{self.path} {self.headers['If-Match']} {body.decode()}".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Silence."""


@contextmanager
def served(server: ThreadingHTTPServer) -> Iterator[int]:
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    (tmp_path / "dist" / "assets").mkdir(parents=True)
    (tmp_path / "dist" / "index.html").write_text("<p>page</p>")
    (tmp_path / "dist" / "assets" / "app-1.js").write_text("1")
    (tmp_path / "secret.txt").write_text("secret")
    with served(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as api:
        server = ConsoleServer(0, tmp_path / "dist", f"http://127.0.0.1:{api}/stage", CONFIG)
        with served(server) as own:
            yield own


def ask(port: int, path: str, method: str = "GET", body: str = "", **headers: str) -> tuple[int, dict[str, str], str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), answer.read().decode()
    connection.close()
    return found


@pytest.mark.parametrize("path", ["/", "/audiences/7/connect", "/outputs?q=a.b"])
def test_every_screen_is_the_page(port: int, path: str) -> None:
    status, headers, content = ask(port, path)

    assert (status, content, headers["Cache-Control"]) == (200, "<p>page</p>", "no-cache")
    assert headers["Content-Security-Policy"] == security_headers(*[CONFIG["signIn"]] * 2)["Content-Security-Policy"]


def test_files_are_kept_and_what_is_not_there_is_said(port: int) -> None:
    assert ask(port, "/assets/app-1.js")[1]["Cache-Control"] == "public, max-age=31536000, immutable"
    assert ask(port, "/assets/app-2.js")[0] == 404


@pytest.mark.parametrize("path", ["/../secret.txt", "/assets/../../secret.txt", "//secret.txt"])
def test_nothing_outside_the_folder_is_served(port: int, path: str) -> None:
    status, _, content = ask(port, path)

    assert status == 404
    assert "secret" not in content


def test_calls_of_the_api_are_passed_on_as_they_are(port: int) -> None:
    headers = {"If-Match": '"6"', "Authorization": "Bearer t"}

    status, answered, content = ask(port, "/v1/audiences/7?dry_run=true", "PATCH", '{"name":"x"}', **headers)

    assert (status, answered["ETag"]) == (412, '"7"')
    assert content == '/stage/v1/audiences/7?dry_run=true "6" {"name":"x"}'


def test_settings_tell_where_to_sign_in(port: int) -> None:
    status, headers, content = ask(port, "/config.json")

    assert (status, headers["Cache-Control"]) == (200, "no-store")
    assert '"clientId": "client-1"' in content


def test_the_headers_are_those_of_the_template() -> None:
    given: dict[str, Any] = read_template(PRODUCT.template)["Resources"]["ConsoleHeaders"]["Properties"]
    headers = given["ResponseHeadersPolicyConfig"]["SecurityHeadersConfig"]
    policy = headers["ContentSecurityPolicy"]["ContentSecurityPolicy"]["Fn::Sub"]
    sign_in = "https://${UserPoolDomain}.auth.${AWS::Region}.amazoncognito.com"

    logos = "https://${LogosBucket.DomainName} https://${LogosBucket.RegionalDomainName}"

    ours = security_headers(sign_in, logos)

    assert ours["Content-Security-Policy"] == policy
    assert "unsafe" not in policy
    assert ours["X-Frame-Options"] == headers["FrameOptions"]["FrameOption"]
    assert ours["Referrer-Policy"] == headers["ReferrerPolicy"]["ReferrerPolicy"]
    assert {"ContentTypeOptions", "StrictTransportSecurity"} <= headers.keys()
