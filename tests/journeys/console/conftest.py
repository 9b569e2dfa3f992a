"""The console beside the stack of all stories, and one browser."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from local import console, console_build
from local.stack import Stack
from tests.support.browser import a_browser
from tests.support.console import Console, signed_in
from tests.support.shop import Shop


@pytest.fixture(scope="session")
def console_url(stack: Stack) -> Iterator[str]:
    console_build.build()
    yield console.start(stack.emulator, stack.outputs)
    console.stop(stack.emulator)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with a_browser() as opened:
        yield opened


@pytest.fixture
def marketer(browser: Browser, console_url: str, shop: Shop) -> Iterator[Console]:
    """Somebody of the shop, an admin."""
    with signed_in(browser, shop.stack, console_url, shop.account_id) as person:
        yield person
