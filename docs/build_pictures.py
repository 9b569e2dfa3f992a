"""Takes the pictures of the console that the documentation shows, while `make run` is up: `make pictures`."""

import json
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from audience_cli.api import Api
from local.app import STATE
from local.emulator import default_emulator
from local.shop import person
from local.shop.provision import settings_of
from tests.support.browser import a_browser

FOLDER = Path(__file__).with_name("console")
WIDE, NARROW = (1280, 860), (390, 844)
SETTLE_SECONDS = 2.0
PATIENCE_MS = 60_000
# File -> address, size and scheme; {audience} is one of the sample shop, {profile} one of its members, {split} another
# audience, which is split for a test.
PICTURES = {
    "audiences": ("/audiences/single", WIDE, "light"),
    "audiences-dark": ("/audiences/single", WIDE, "dark"),
    "audiences-narrow": ("/audiences/single", NARROW, "light"),
    "build": ("/audiences/{audience}", WIDE, "light"),
    "build-dark": ("/audiences/{audience}", WIDE, "dark"),
    "build-narrow": ("/audiences/{audience}", NARROW, "light"),
    "ab-test": ("/audiences/{split}/ab-test", WIDE, "light"),
    "connect": ("/audiences/{audience}/connect", WIDE, "light"),
    "details": ("/audiences/{audience}/details", WIDE, "light"),
    "download": ("/audiences/{audience}/download", WIDE, "light"),
    "lifetime": ("/lifetime/in-progress", WIDE, "light"),
    "shared": ("/sharing/shared", WIDE, "light"),
    "received": ("/sharing/received", WIDE, "light"),
    "outputs": ("/outputs", WIDE, "light"),
    "directory": ("/outputs/directory", WIDE, "light"),
    "profile": ("/profiles/{profile}", WIDE, "light"),
    "exports": ("/exports", WIDE, "light"),
    "jobs": ("/jobs", WIDE, "light"),
    "settings": ("/settings", WIDE, "light"),
}


def main() -> None:
    chosen = default_emulator()
    credentials = json.loads((STATE / "credentials.json").read_text())
    with Api(settings_of(credentials), STATE) as api:
        by_size = sorted(api.pages("audiences", kind="real_time"), key=lambda each: each["size"] or 0)
        split, audience = (each["id"] for each in by_size[-2:])
        shown = {"audience": audience, "split": split}
        shown["profile"] = api.get(f"audiences/{audience}/members")["items"][0]["mpid"]
        _test(api, split)
        _lifetime(api, audience)
    FOLDER.mkdir(exist_ok=True)
    with a_browser() as browser:
        for size in (WIDE, NARROW):
            for scheme in ("light", "dark"):
                wanted = {name: path for name, (path, *how) in PICTURES.items() if how == [size, scheme]}
                if wanted:
                    page = _signed_in(browser, chosen.console_url, size, scheme)
                    for name, path in wanted.items():
                        _take(page, path.format(**shown), FOLDER / f"{name}.png")
                    page.close()


def _test(api: Api, audience: int) -> None:
    """Split an audience, unless it is, and count who of its variations reads the newsletter."""
    if not api.get(f"audiences/{audience}")["ab_test"]:
        variations = [{"name": "Free delivery", "percentage": 30}, {"name": "A tenth off", "percentage": 30}]
        api.post(f"audiences/{audience}/ab-test", {"variations": variations})
    reads = {"type": "user_attribute", "attribute": "newsletter", "test": {"type": "boolean", "value": True}}
    outcomes = f"audiences/{audience}/ab-test/outcomes"
    asked = api.post(outcomes, {"criterion": {"version": 1, "root": reads}})
    while api.get(f"{outcomes}/{asked['id']}")["variants"] is None:
        time.sleep(1)


def _lifetime(api: Api, like: int) -> None:
    """A lifetime audience, unless there is one, over the same data as another."""
    if any(True for _ in api.pages("audiences", kind="lifetime")):
        return
    found = api.get(f"audiences/{like}")
    body = {key: found[key] for key in ("workspaces", "inputs", "definition")}
    api.post("audiences", {"name": "Ever lapsed", "kind": "lifetime", "recalculation": {"every_days": 7}, **body})


def _signed_in(browser: Browser, url: str, size: tuple[int, int], scheme: str) -> Page:
    width, height = size
    page = browser.new_page(
        viewport={"width": width, "height": height}, color_scheme="dark" if scheme == "dark" else "light"
    )
    page.goto(url)
    page.locator("input[name=username]").fill(person.EMAIL)
    page.locator("input[name=password]").fill(person.PASSWORD)
    page.keyboard.press("Enter")
    page.locator("main#main").wait_for()
    return page


def _take(page: Page, path: str, file: Path) -> None:
    # As a link does: tokens are in memory, and would be lost with the page.
    page.evaluate("to => { history.pushState(null, '', to); dispatchEvent(new PopStateEvent('popstate')) }", path)
    page.wait_for_timeout(SETTLE_SECONDS * 1000)
    page.wait_for_function("() => !document.querySelector('.mantine-Loader-root')", timeout=PATIENCE_MS)
    # What has come is drawn.
    page.wait_for_timeout(SETTLE_SECONDS * 1000)
    page.screenshot(path=file)
    print(file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file, time.strftime("%H:%M:%S"))


if __name__ == "__main__":
    main()
