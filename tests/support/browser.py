"""A real Chromium: the machine's own, Playwright's, or one that is installed where CI runs."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

NAMES = ("chromium", "chromium-browser", "google-chrome")
HOW = "install one: `apt-get install -y chromium` as root, or `.venv/bin/playwright install --with-deps chromium`"


@contextmanager
def a_browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        path = _found(playwright)
        if path is None and os.environ.get("CI") == "true":
            path = _installed(playwright)
        if path is None:
            pytest.skip(f"there is no Chromium; {HOW}")
        # A browser that root starts has no sandbox.
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


def _found(playwright: Playwright) -> str | None:
    own = next(filter(None, map(shutil.which, NAMES)), None)
    if own:
        return own
    return playwright.chromium.executable_path if Path(playwright.chromium.executable_path).exists() else None


def _installed(playwright: Playwright) -> str:
    """In CI a browser story that does not run has failed."""
    if os.geteuid() == 0 and shutil.which("apt-get"):
        subprocess.run(["apt-get", "update", "-qq"], check=False)
        subprocess.run(["apt-get", "install", "-y", "-qq", "chromium"], check=False)
    else:
        subprocess.run([Path(".venv/bin/playwright"), "install", "chromium"], check=False)
    path = _found(playwright)
    assert path, f"there is no Chromium, and none can be installed here; {HOW}"
    return path
