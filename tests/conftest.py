"""Which tests run, and how they are shared out: journeys, which mostly wait, come first, on one local AWS for all."""

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

from tests.support import shared_stack
from tests.support.long_run import IS_CI, IS_LONG_RUN, examples
from tests.support.shared_stack import STACK_FOLDER

JOURNEYS = "tests/journeys/"
# Files of one scope are played by one process; stories in the browser make one of their own.
SCOPES = (f"{JOURNEYS}console/", JOURNEYS)
HAS_LONG_TESTS = pytest.StashKey[bool]()

# What fails in CI failed because of a change: it tries the same examples each time, and everybody else random ones.
settings.register_profile("shared", max_examples=examples(100), derandomize=IS_CI)
settings.load_profile("shared")


class JourneysFirst(LoadFileScheduling):  # type: ignore[misc]  # xdist has no types
    """A process for the journeys, one for those in the browser, and file by file whatever else there is."""

    def _split_scope(self, nodeid: str) -> str:
        return next((scope for scope in SCOPES if nodeid.startswith(scope)), super()._split_scope(nodeid))


def pytest_configure(config: pytest.Config) -> None:
    given = getattr(config, "workerinput", {})
    config.stash[STACK_FOLDER] = Path(given.get("stack_folder") or tempfile.mkdtemp(prefix="audiences-"))
    is_named = config.args_source is pytest.Config.ArgsSource.ARGS
    config.stash[HAS_LONG_TESTS] = given.get("has_long_tests", IS_LONG_RUN or is_named)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["stack_folder"] = str(node.config.stash[STACK_FOLDER])
    node.workerinput["has_long_tests"] = node.config.stash[HAS_LONG_TESTS]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadFileScheduling | None:
    if config.getoption("dist") != "loadfile":
        return None
    # The order is that of the collection, below.
    config.option.loadscopereorder = False
    return JourneysFirst(config, log)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if not config.stash[HAS_LONG_TESTS]:
        long = [item for item in items if item.get_closest_marker("long")]
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in set(long)]
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
