"""A local AWS of its own with the product deployed, for tests and benchmarks."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from local import aws, emulator
from local.app import PRODUCT, App
from local.build import build
from local.deploy import Outputs, deploy
from local.emulator import Emulator


@dataclass(frozen=True)
class Stack:
    """A running deployment."""

    emulator: Emulator
    outputs: Outputs

    @property
    def endpoint(self) -> str:
        return self.emulator.endpoint

    def client(self, service: str) -> Any:
        """A boto3 client of this local AWS."""
        return aws.client(service, self.endpoint)


@contextmanager
def ensure_stack(directory: Path, app: App = PRODUCT, parameters: dict[str, str] | None = None) -> Iterator[Stack]:
    """Build if need be, start on a free port, deploy, and stop at the end; its log stays in `directory`."""
    build(app)
    started = Emulator(directory, emulator.free_port())
    emulator.start(started)
    try:
        outputs, _ = deploy(app, started, parameters)
        yield Stack(started, outputs)
    finally:
        emulator.stop(started)
