"""What the console's build gives a browser to load."""

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from local import console_build

FIRST_LOAD_BYTES = 250_000
ASSETS = console_build.DIST


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    console_build.build()
    found: dict[str, Any] = json.loads((ASSETS / ".vite" / "manifest.json").read_text())
    return found


def first_files(manifest: dict[str, Any]) -> set[str]:
    """The scripts that the page loads before it shows anything."""
    waiting, found = ["index.html"], set[str]()
    while waiting:
        chunk = manifest[waiting.pop()]
        if chunk["file"] not in found:
            found.add(chunk["file"])
            waiting += chunk.get("imports", [])
    return found


def test_the_first_load_is_small(manifest: dict[str, Any]) -> None:
    size = sum(len(gzip.compress((ASSETS / name).read_bytes())) for name in first_files(manifest))

    assert 50_000 < size <= FIRST_LOAD_BYTES


def test_heavy_parts_are_loaded_when_they_are_needed(manifest: dict[str, Any]) -> None:
    first = "".join((ASSETS / name).read_text() for name in first_files(manifest))
    later = {name for name, chunk in manifest.items() if chunk.get("isDynamicEntry")}

    assert "resetOnFieldChange" not in first, "the query builder"
    assert any("BuildTab" in name for name in later)


def test_the_page_loads_nothing_from_elsewhere(manifest: dict[str, Any]) -> None:
    page = (ASSETS / "index.html").read_text()
    styles = "".join(path.read_text() for path in Path(ASSETS / "assets").glob("*.css"))

    assert not re.search(r"(src|href)=\"(https?:)?//", page)
    assert not re.search(r"url\(\s*['\"]?(https?:)?//", styles)
    assert "<style" not in page
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)


def test_a_build_that_is_current_is_left_alone(manifest: dict[str, Any]) -> None:
    assert console_build.build() is False


def test_the_lock_file_names_no_host() -> None:
    assert not re.search(r"\"resolved\"", console_build.LOCK.read_text())
