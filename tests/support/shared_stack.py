"""One local AWS for all processes that play stories: the first to need it starts it, and who runs the tests ends it."""

import fcntl
import json
from pathlib import Path

import pytest

from local import emulator
from local.app import PRODUCT
from local.build import build
from local.deploy import deploy
from local.emulator import Emulator
from local.stack import Stack

# Where a run of tests has its stack.
STACK_FOLDER = pytest.StashKey[Path]()
_KEPT = "stack.json"


def join(folder: Path) -> Stack:
    """The stack of this folder, which is started and deployed if it does not run yet."""
    kept = folder / _KEPT
    with (folder / "stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if kept.exists():
            known = json.loads(kept.read_text())
            return Stack(Emulator(folder, known["port"]), known["outputs"])
        stack = _start(Emulator(folder, emulator.free_port()))
        kept.write_text(json.dumps({"port": stack.emulator.port, "outputs": stack.outputs}))
        return stack


def leave(folder: Path) -> None:
    """End the stack of this folder, if it was ever needed."""
    if (folder / _KEPT).exists():
        emulator.stop(Emulator(folder, json.loads((folder / _KEPT).read_text())["port"]))


def _start(local: Emulator) -> Stack:
    build(PRODUCT)
    emulator.start(local)
    try:
        stack = Stack(local, deploy(PRODUCT, local)[0])
        # What a killed worker held comes back soon, not after the six minutes of the template.
        stack.client("sqs").set_queue_attributes(
            QueueUrl=stack.outputs["EventsQueueUrl"], Attributes={"VisibilityTimeout": "5"}
        )
    except BaseException:
        emulator.stop(local)
        raise
    return stack
