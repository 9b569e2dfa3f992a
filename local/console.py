"""The console on this machine: its built files and the API under one origin, as CloudFront serves them on AWS.

python -m local.console PORT AWS_PORT SETTINGS
"""

import http.client
import json
import mimetypes
import os
import sys
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from local import emulator, processes
from local.app import ROOT, LocalError
from local.console_build import DIST
from local.deploy import Outputs
from local.emulator import Emulator

MODULE = "local.console"
START_SECONDS = 10.0
WATCH_SECONDS = 2.0
API = "/v1/"
TIMEOUT_SECONDS = 60
# What concerns one connection only (RFC 9110, 7.6.1), and what the other side sets anew.
_NOT_PASSED_ON = {
    "connection",
    "keep-alive",
    "transfer-encoding",
    "upgrade",
    "host",
    "content-length",
    "server",
    "date",
}
_FILES_KEPT = "public, max-age=31536000, immutable"


def settings(outputs: Outputs) -> dict[str, str]:
    """What the console must know of a stack: the content of its `config.json`."""
    return {"issuer": outputs["TokenIssuer"], "signIn": outputs["SignInUrl"], "clientId": outputs["ConsoleClientId"]}


def security_headers(sign_in: str, logos: str) -> dict[str, str]:
    """Those of `ConsoleHeaders` in template.yaml, but for HTTPS, which there is none of on loopback.

    Args:
        sign_in: the origin of the sign-in pages; `logos`: those of the bucket that logos are put into.
    """
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self';"
        f" img-src 'self' data: {logos}; connect-src 'self' {sign_in} {logos};"
        " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "no-referrer",
    }


class ConsoleServer(ThreadingHTTPServer):
    """Listens on loopback alone.

    Args:
        files: folder with `index.html`.
        api: base address of the API.
        config: content of `config.json`.
    """

    daemon_threads = True

    def __init__(self, port: int, files: Path, api: str, config: dict[str, str]) -> None:
        super().__init__((emulator.HOST, port), ConsoleHandler)
        self.files, self.api, self.config = files.resolve(), urlsplit(api), json.dumps(config).encode()
        # Here one server is both.
        self.security = security_headers(config["signIn"], config["signIn"])


class ConsoleHandler(BaseHTTPRequestHandler):
    server: ConsoleServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path.startswith(API):
            return self._pass_on()
        if urlsplit(self.path).path == "/config.json":
            return self._answer(HTTPStatus.OK, "application/json", self.server.config, "no-store")
        return self._file(urlsplit(self.path).path)

    def _pass_on(self) -> None:
        """To the API and back, with nothing but the address changed."""
        api, body = self.server.api, self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if not self.path.startswith(API):
            return self._answer(HTTPStatus.METHOD_NOT_ALLOWED, "text/plain", b"")
        connection = http.client.HTTPConnection(api.hostname or "", api.port, timeout=TIMEOUT_SECONDS)
        try:
            connection.request(self.command, f"{api.path}{self.path}", body, _passed_on(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
        except OSError:
            return self._answer(HTTPStatus.BAD_GATEWAY, "text/plain", b"the local AWS does not answer")
        finally:
            connection.close()
        self.send_response(answer.status)
        return self._end(_passed_on(answer.getheaders()), content)

    do_POST = do_PUT = do_PATCH = do_DELETE = _pass_on  # noqa: N815  (names of the base class)

    def _file(self, path: str) -> None:
        """A file; a path whose last part has no dot is a screen, and every screen is `index.html`."""
        name = path.lstrip("/") if "." in path.rpartition("/")[2] else "index.html"
        file = (self.server.files / name).resolve()
        if not file.is_relative_to(self.server.files) or not file.is_file():
            return self._answer(HTTPStatus.NOT_FOUND, "text/plain", b"no such file")
        kind = mimetypes.guess_type(file.name)[0] or "application/octet-stream"
        kept = _FILES_KEPT if name.startswith("assets/") else "no-cache"
        return self._answer(HTTPStatus.OK, kind, file.read_bytes(), kept)

    def _answer(self, status: HTTPStatus, kind: str, content: bytes, kept: str = "no-store") -> None:
        self.send_response(status)
        self._end({"Content-Type": kind, "Cache-Control": kept, **self.server.security}, content)

    def _end(self, headers: dict[str, str], content: bytes) -> None:
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Functions log what they are asked."""


def _passed_on(headers: Any) -> dict[str, str]:
    return {name: value for name, value in headers if name.lower() not in _NOT_PASSED_ON}


def start(chosen: Emulator, outputs: Outputs) -> str:
    """The console's address; one that an earlier run left behind is ended first.

    Raises:
        LocalError: it does not start.
    """
    stop(chosen)
    if emulator.port_is_taken(chosen.console_port):
        owner = processes.port_owner(chosen.console_port)
        raise LocalError(f"port {chosen.console_port}, which the console needs, is taken{owner}")
    given = chosen.directory / "console.json"
    given.write_text(json.dumps({"api": outputs["ApiUrl"], "files": str(DIST), "config": settings(outputs)}))
    ports = [Path(str(port)) for port in (chosen.console_port, chosen.port)]
    command = [Path(sys.executable), Path("-m"), Path(MODULE), *ports, given]
    log = chosen.directory / "console.log"
    with log.open("wb") as output:
        process = processes.start_group(command, ROOT, dict(os.environ), output)
    _pid_file(chosen).write_text(str(process.pid))
    deadline = time.monotonic() + START_SECONDS
    while not emulator.port_is_taken(chosen.console_port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LocalError(f"the console did not start; see {log}")
        time.sleep(0.05)
    return chosen.console_url


def stop(chosen: Emulator) -> None:
    """End it if it still runs."""
    try:
        pid = int(_pid_file(chosen).read_text())
    except (FileNotFoundError, ValueError):
        return
    # The id may have gone to another program since.
    if MODULE in processes.command_of(pid):
        processes.end_group(pid)
    _pid_file(chosen).unlink()


def _pid_file(chosen: Emulator) -> Path:
    return chosen.directory / "console.pid"


def _end_with(server: ConsoleServer, aws_port: int) -> None:
    while emulator.port_is_taken(aws_port):
        time.sleep(WATCH_SECONDS)
    server.shutdown()


def main(port: str, aws_port: str, given: str) -> None:
    chosen = json.loads(Path(given).read_text())
    with ConsoleServer(int(port), Path(chosen["files"]), chosen["api"], chosen["config"]) as server:
        threading.Thread(target=_end_with, args=(server, int(aws_port)), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
