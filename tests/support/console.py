"""The console as a person uses it: signed in, in a real browser, with everything it complains of written down."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, ViewportSize, expect

from local.shop import person
from local.stack import Stack

WIDE = ViewportSize(width=1280, height=860)
NARROW = ViewportSize(width=390, height=844)
PATIENCE_MS = 30_000
AXE = Path("console/node_modules/axe-core/axe.min.js")
# Chromium says so of every answer above 399, which some stories are about.
_ANSWERS = "Failed to load resource"

expect.set_options(timeout=PATIENCE_MS)


class Console:
    """One person's browser window."""

    def __init__(self, page: Page, url: str) -> None:
        self.page, self.url = page, url
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", self._hear)

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type == "error" and _ANSWERS not in message.text:
            self.complaints.append(message.text)

    def open(self, path: str) -> None:
        """Go to a screen without loading the console again: its tokens are in memory."""
        self.page.evaluate(
            "to => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')) }", path
        )

    def delay_answers(self, ms: int) -> None:
        """From now on every answer of the network takes so long."""
        unlimited = {"offline": False, "downloadThroughput": -1, "uploadThroughput": -1}
        self.page.context.new_cdp_session(self.page).send(
            "Network.emulateNetworkConditions", {**unlimited, "latency": ms}
        )

    def button(self, name: str, within: Locator | None = None) -> Locator:
        return (within or self.page.locator("body")).get_by_role("button", name=name, exact=True)

    def link(self, name: str) -> Locator:
        return self.page.get_by_role("link", name=name, exact=True)

    def choose(self, field: Locator, option: str) -> None:
        """Pick from a list that opens below its field."""
        field.click()
        self.page.get_by_role("option", name=option, exact=True).click()

    def heading(self, text: str) -> Locator:
        return self.page.get_by_role("heading", name=text, level=1)

    def violations(self) -> list[str]:
        """What axe finds against WCAG 2.2 AA on the screen as it stands."""
        # Evaluated by the debugger, so that the content security policy stays as it is.
        self.page.evaluate(AXE.read_text())
        tags = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
        options = {"runOnly": {"type": "tag", "values": tags}}
        found: dict[str, Any] = self.page.evaluate("options => axe.run(document, options)", options)
        return [
            f"{each['id']}: {node['html'][:160]} {node['failureSummary'][:200]}"
            for each in found["violations"]
            for node in each["nodes"]
        ]


@contextmanager
def signed_in(
    browser: Browser, stack: Stack, url: str, account_id: int, path: str = "/", role: str = "admin", **context: Any
) -> Iterator[Console]:
    """A person of the account, through the sign-in page; nothing may have been complained of at the end."""
    email = f"{role.replace('_', '-')}-{account_id}@shop.example"
    person.ensure(stack.outputs, stack.endpoint, account_id, role, email)
    page = browser.new_page(**{"viewport": WIDE, **context})
    page.set_default_timeout(PATIENCE_MS)
    console = Console(page, url)
    page.goto(f"{url}{path}")
    page.locator("input[name=username]").fill(email)
    page.locator("input[name=password]").fill(person.PASSWORD)
    page.keyboard.press("Enter")
    page.locator("main#main").wait_for()
    yield console
    page.close()
    assert console.complaints == []
