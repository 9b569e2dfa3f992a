"""How tests are shared out: journeys, which mostly wait, come first, on one local AWS for all of them."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadFileScheduling

from tests.support import shared_stack
from tests.support.shared_stack import STACK_FOLDER

JOURNEYS = "tests/journeys/"
# Files of one scope are played by one process; stories in the browser make one of their own.
SCOPES = (f"{JOURNEYS}console/", JOURNEYS)


class JourneysFirst(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A process for the journeys, one for those in the browser, and file by file whatever else there is."""

    def _split_scope(self, nodeid: str) -> str:
        return next((scope for scope in SCOPES if nodeid.startswith(scope)), super()._split_scope(nodeid))


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", {}).get("stack_folder")
    config.stash[STACK_FOLDER] = Path(given or tempfile.mkdtemp(prefix="audiences-"))


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["stack_folder"] = str(node.config.stash[STACK_FOLDER])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    if config.getoption("dist") != "loadfile":
        return None
    # The order is that of the collection, below.
    config.option.loadscopereorder = False
    return JourneysFirst(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: not item.nodeid.startswith(JOURNEYS))


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if hasattr(session.config, "workerinput"):
        return
    folder = session.config.stash[STACK_FOLDER]
    shared_stack.leave(folder)
    # The log of a stack whose stories failed is kept.
    if exitstatus == 0 or not any(folder.iterdir()):
        shutil.rmtree(folder)
