"""A small application on a local AWS of its own, shared by the tests of this folder."""

import shutil
from pathlib import Path

import pytest

from local.app import App
from local.stack import ensure_stack


@pytest.fixture(scope="session")
def sample(tmp_path_factory):
    """A copy that a test may edit."""
    folder = tmp_path_factory.mktemp("sample")
    shutil.copytree(Path(__file__).with_name("sample_app"), folder / "app")
    return App(folder / "app", folder / "build" / "out")


@pytest.fixture(scope="session")
def stack(sample, tmp_path_factory):
    with ensure_stack(tmp_path_factory.mktemp("aws"), sample, {"Greeting": "good day"}) as running:
        yield running
