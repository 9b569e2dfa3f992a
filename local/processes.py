"""Processes that start others: each leads a group of its own, and the whole group ends with it."""

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

END_SECONDS = 5.0
# What this process started and has to ask for its end: until then an ended child counts as a member of its group.
_children: dict[int, subprocess.Popen[bytes]] = {}


def start_group(
    command: Sequence[str | Path], folder: Path, environment: dict[str, str], log: BinaryIO
) -> subprocess.Popen[bytes]:
    for ended in list(_children):
        _reap(ended)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    _children[process.pid] = process
    return process


def end_group(leader: int) -> None:
    """Ask every process of the group to end, and after a while make it."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(leader, number)
        except ProcessLookupError:
            return
        if _ends(leader):
            return


def _ends(leader: int) -> bool:
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        _reap(leader)
        try:
            os.killpg(leader, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.02)
    return False


def _reap(pid: int) -> None:
    child = _children.get(pid)
    if child and child.poll() is not None:
        _children.pop(pid)


def command_of(pid: int) -> str:
    """How that process was called; empty if there is none."""
    command = ["ps", "-ww", "-o", "args=", "-p", str(pid)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout


def port_owner(port: int) -> str:
    """How the program that listens there would end the sentence "the port is taken"; empty if unknown."""
    try:
        found = subprocess.run(
            ["lsof", "-nP", f"-iTCP:{port}", "-sTCP:LISTEN", "-Fpc"], capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    fields = {line[0]: line[1:] for line in found.stdout.splitlines() if line}
    return f" by {fields['c']} (process {fields['p']})" if {"c", "p"} <= fields.keys() else ""
