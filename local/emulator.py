"""Starts and stops the local AWS as a process group of its own, on the loopback interface only."""

import http.client
import os
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from local import processes
from local.app import EMULATOR_PYTHON, ROOT, STATE, LocalError
from local.aws import ACCESS_KEY, REGION

HOST = "127.0.0.1"
DEFAULT_PORT = 4566
# The console listens so far above: known before the deployment, which must name its address.
CONSOLE_OFFSET = 14
MODULE = "local.emulated_aws"
START_SECONDS = 30.0


@dataclass(frozen=True)
class Emulator:
    """One local AWS: its port, and the folder of its process id (with the port), log and temporary files."""

    directory: Path
    port: int

    @property
    def endpoint(self) -> str:
        return f"http://{HOST}:{self.port}"

    @property
    def console_port(self) -> int:
        return self.port + CONSOLE_OFFSET

    @property
    def console_url(self) -> str:
        return f"http://{HOST}:{self.console_port}"

    @property
    def log_file(self) -> Path:
        return self.directory / "emulator.log"

    @property
    def pid_file(self) -> Path:
        return self.directory / "emulator.pid"


def default_emulator() -> Emulator:
    """The one of this checkout: on the port it already runs on, else on the port that is asked for.

    Raises:
        LocalError: it runs on another port than the one asked for.
    """
    directory, given = STATE / "main", os.environ.get("AUDIENCES_PORT")
    wanted = Emulator(directory, int(given or DEFAULT_PORT))
    if running_pid(wanted) is None:
        return wanted
    port = int(wanted.pid_file.read_text().split()[1])
    if given and port != wanted.port:
        raise LocalError(f"the local AWS already runs on port {port}: leave AUDIENCES_PORT out, or make stop first")
    return Emulator(directory, port)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def start(emulator: Emulator) -> None:
    """Return when it answers.

    Raises:
        LocalError: its port is taken, or it ended or stayed silent; the message says what to do.
    """
    if port_is_taken(emulator.port):
        raise LocalError(_taken(emulator.port))
    temporary = emulator.directory / "tmp"
    temporary.mkdir(parents=True, exist_ok=True)
    with emulator.log_file.open("wb") as log:
        process = processes.start_group([EMULATOR_PYTHON, "-m", MODULE], ROOT, environment(emulator, temporary), log)
    emulator.pid_file.write_text(f"{process.pid} {emulator.port}")
    _await_ready(emulator, process)


def environment(emulator: Emulator, temporary: Path) -> dict[str, str]:
    """All the emulator sees, and through it every function: nothing of the developer's own settings or AWS accounts."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": str(emulator.directory),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "TZ": ":UTC",
        "GATEWAY_PORT": str(emulator.port),
        "BIND_HOST": HOST,
        "MINISTACK_HOST": HOST,
        "MINISTACK_REGION": REGION,
        # It would open an MQTT port on every interface.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "AWS_ENDPOINT_URL": emulator.endpoint,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_REGION": REGION,
    }


def port_is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((HOST, port)) == 0


def is_ready(emulator: Emulator) -> bool:
    connection = http.client.HTTPConnection(HOST, emulator.port, timeout=2)
    try:
        connection.request("GET", "/_ministack/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def empty(emulator: Emulator) -> None:
    """Forget every resource and its data."""
    connection = http.client.HTTPConnection(HOST, emulator.port, timeout=60)
    connection.request("POST", "/_ministack/reset")
    status = connection.getresponse().status
    connection.close()
    if status != http.client.OK:
        raise LocalError(f"the local AWS refused to reset (HTTP {status}); see {emulator.log_file}")


def running_pid(emulator: Emulator) -> int | None:
    """The process id of this emulator if it still lives."""
    try:
        pid = int(emulator.pid_file.read_text().split()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return None
    # The id may have gone to another program since.
    return pid if MODULE in processes.command_of(pid) else None


def stop(emulator: Emulator) -> bool:
    """End it with every function it runs; false if it was not running."""
    pid = running_pid(emulator)
    if pid is not None:
        processes.end_group(pid)
    emulator.pid_file.unlink(missing_ok=True)
    return pid is not None


def _await_ready(emulator: Emulator, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not is_ready(emulator):
        if process.poll() is not None or time.monotonic() > deadline:
            stop(emulator)
            tail = "\n".join(emulator.log_file.read_text(errors="replace").splitlines()[-15:])
            raise LocalError(f"the local AWS did not start; the end of {emulator.log_file}:\n{tail}")
        time.sleep(0.05)


def _taken(port: int) -> str:
    return (
        f"port {port} on {HOST} is taken{processes.port_owner(port)}.\n"
        f"If it is an earlier run of this project: make stop. Otherwise choose another: "
        f"AUDIENCES_PORT={port + 1} make run"
    )
