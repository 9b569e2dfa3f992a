"""A server to speak to, a home of one's own, and the command line in this process."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from audience_cli.main import app
from tests.unit.cli.fake_api import CLIENT, FakeApi, fake_api

type Run = Callable[..., Result]


@pytest.fixture
def api() -> Iterator[FakeApi]:
    with fake_api() as server:
        yield server


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [each for each in os.environ if each.startswith(("AUDIENCES_", "AWS_"))]:
        monkeypatch.delenv(name)
    for name, folder in {"XDG_CONFIG_HOME": "config", "XDG_CACHE_HOME": "cache", "XDG_STATE_HOME": "state"}.items():
        monkeypatch.setenv(name, str(tmp_path / folder))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(home: Path) -> Run:
    def invoke(*arguments: str | Path, stdin: str | None = None) -> Result:
        return CliRunner().invoke(app, [str(each) for each in arguments], input=stdin, env={"COLUMNS": "200"})

    return invoke


@pytest.fixture
def logged_in(api: FakeApi, home: Path, monkeypatch: pytest.MonkeyPatch) -> FakeApi:
    monkeypatch.setenv("AUDIENCES_URL", api.url)
    monkeypatch.setenv("AUDIENCES_TOKEN_URL", api.token_url)
    monkeypatch.setenv("AUDIENCES_CLIENT_ID", CLIENT[0])
    monkeypatch.setenv("AUDIENCES_CLIENT_SECRET", CLIENT[1])
    return api
