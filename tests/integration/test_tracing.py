"""What X-Ray is told, as its daemon hears it: pieces of work, by the ids of requests, and nothing of anybody."""

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from audience_core.tracing import traced

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled="


@pytest.fixture(scope="module")
def daemon() -> Iterator[socket.socket]:
    """Listens as the daemon beside every function does, where the runtime says; X-Ray's library asks once."""
    with pytest.MonkeyPatch.context() as patch, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(0.2)
        patch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{listening.getsockname()[1]}")
        patch.setenv("LAMBDA_TASK_ROOT", "/var/task")
        patch.setenv("_X_AMZN_TRACE_ID", f"{TRACE}1")
        yield listening


def heard(daemon: socket.socket) -> list[dict[str, Any]]:
    found = []
    try:
        while True:
            _, _, document = daemon.recv(65_536).decode().partition("\n")
            found.append(json.loads(document))
    except TimeoutError:
        return found


def test_work_is_found_by_each_request_it_is_done_for(daemon: socket.socket) -> None:
    with traced("process", {"request-1", "request-2"}):
        pass

    told = heard(daemon)
    assert {each["name"] for each in told} == {"process", "request"}
    assert {each["trace_id"] for each in told} == {"1-5759e988-bd862e3fe1be46a994272793"}
    (work,) = (each["id"] for each in told if each["name"] == "process")
    marks = [each for each in told if each["name"] == "request"]
    assert [each["annotations"]["correlation_id"] for each in marks] == ["request-1", "request-2"]
    assert {each["parent_id"] for each in marks} == {work}


def test_work_whose_trace_is_not_kept_is_not_told_of(daemon: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"{TRACE}0")

    with traced("process", {"request-1"}):
        pass

    assert heard(daemon) == []


def test_a_failure_of_the_work_goes_on(daemon: socket.socket) -> None:
    with pytest.raises(ValueError, match="no such profile"), traced("process", set()):
        raise ValueError("no such profile")

    (told,) = heard(daemon)
    assert told["fault"] is True
