"""The local partner as a process of its own, which lives as long as the local AWS that speaks to it.

AUDIENCES_PARTNER_SECRET=... python -m local.shop.partner_process PORT LOG AWS_PORT
"""

import json
import os
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

from local import emulator, processes
from local.app import ROOT, LocalError
from local.partner import Book, PartnerServer

SECRET = "AUDIENCES_PARTNER_SECRET"
MODULE = "local.shop.partner_process"
START_SECONDS = 10.0
WATCH_SECONDS = 2.0


def start(directory: Path, aws_port: int, secret: str, *, keep_log: bool) -> str:
    """Its address; one that an earlier run left behind is ended first.

    Raises:
        LocalError: it does not start.
    """
    stop(directory)
    log = directory / "partner.jsonl"
    if not keep_log:
        log.unlink(missing_ok=True)
    port = emulator.free_port()
    command = [Path(sys.executable), Path("-m"), Path(MODULE), Path(str(port)), log, Path(str(aws_port))]
    with (directory / "partner.log").open("wb") as output:
        process = processes.start_group(command, ROOT, {**os.environ, SECRET: secret}, output)
    _pid_file(directory).write_text(str(process.pid))
    url = f"http://{emulator.HOST}:{port}/"
    deadline = time.monotonic() + START_SECONDS
    while not emulator.port_is_taken(port):
        if process.poll() is not None or time.monotonic() > deadline:
            raise LocalError(f"the local partner did not start; see {directory / 'partner.log'}")
        time.sleep(0.05)
    return url


def stop(directory: Path) -> None:
    """End it if it still runs."""
    try:
        pid = int(_pid_file(directory).read_text())
    except (FileNotFoundError, ValueError):
        return
    # The id may have gone to another program since.
    if MODULE in processes.command_of(pid):
        processes.end_group(pid)
    _pid_file(directory).unlink()


def is_alive(directory: Path, url: str) -> bool:
    return bool(url) and _pid_file(directory).exists() and told(url) is not None


def told(url: str) -> dict[str, Any] | None:
    """What the partner says it was told; None if it does not answer."""
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            found: dict[str, Any] = json.load(answer)
    except (OSError, ValueError):
        return None
    return found


def _pid_file(directory: Path) -> Path:
    return directory / "partner.pid"


def _end_with(server: PartnerServer, aws_port: int) -> None:
    while emulator.port_is_taken(aws_port):
        time.sleep(WATCH_SECONDS)
    server.shutdown()


def main(port: int, log: Path, aws_port: int) -> None:
    with PartnerServer(port, Book(log), (os.environ[SECRET],)) as server:
        threading.Thread(target=_end_with, args=(server, aws_port), daemon=True).start()
        server.serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))
