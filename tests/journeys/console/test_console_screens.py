"""Every screen: reachable, accessible, dark and light, wide and narrow."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.console.test_console_audiences import seen_by, viewed
from tests.support.console import NARROW, WIDE, Console, signed_in
from tests.support.shop import Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]

SCREENS = {
    "/audiences/multi": "Multi workspace audiences",
    "/lifetime/in-progress": "Lifetime audiences in progress",
    "/lifetime/archived": "Archived lifetime audiences",
    "/sharing/shared": "Shared audiences",
    "/sharing/received": "Received audiences",
    "/outputs": "Audience configurations",
    "/outputs/directory": "Directory",
    "/profiles": "Profiles",
    "/exports": "Exports",
    "/jobs": "Jobs",
    "/settings": "Settings",
}


@pytest.mark.parametrize(("scheme", "size"), [("light", WIDE), ("dark", NARROW)], ids=["light-wide", "dark-narrow"])
def test_every_screen_can_be_used_by_everybody(
    browser: Browser, console_url: str, shop: Shop, scheme: str, size: object
) -> None:
    audience = shop.audience("Viewers", viewed())
    found: dict[str, list[str]] = {}

    with signed_in(browser, shop.stack, console_url, shop.account_id, color_scheme=scheme, viewport=size) as marketer:
        for path, title in SCREENS.items():
            marketer.open(path)
            expect(marketer.heading(title)).to_be_visible()
            found[path] = marketer.violations()
        for tab in ("", "/ab-test", "/connect", "/details", "/download"):
            marketer.open(f"/audiences/{audience}{tab}")
            expect(marketer.page.get_by_role("tabpanel")).to_be_visible()
            found[f"/audiences/N{tab}"] = marketer.violations()
            wide = marketer.page.evaluate(
                "() => document.querySelector('main').scrollWidth - document.querySelector('main').clientWidth"
            )
            assert wide <= 0, f"{tab} is {wide} pixels too wide"

    assert {path: each for path, each in found.items() if each} == {}


def test_a_user_is_found_with_their_audiences_and_why(marketer: Console, shop: Shop) -> None:
    audience = shop.audience("Viewers", viewed())
    seen_by(shop, 7)
    shop.wait_until(lambda: shop.size(audience) == 1)
    page = marketer.page
    marketer.link("Profiles").click()

    page.get_by_label("Value").fill("C7@shop.example")
    marketer.button("Find").click()
    page.get_by_role("table").get_by_role("link").click()

    audiences = page.get_by_role("region", name="Audiences")
    expect(audiences.get_by_role("link", name="Viewers")).to_be_visible()
    expect(audiences).to_contain_text("until")
    marketer.button("Why? Viewers").click()
    expect(page.get_by_test_id("explanation")).to_contain_text("A member")


def test_the_keyboard_alone_is_enough_to_begin(marketer: Console) -> None:
    page = marketer.page
    expect(page.get_by_text("Describe whom you want to reach")).to_be_visible()
    page.evaluate("() => document.activeElement.blur()")

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.keyboard.press("Enter")
    for _ in range(30):
        page.keyboard.press("Tab")
        if marketer.button("New audience").evaluate("each => each === document.activeElement"):
            break
    page.keyboard.press("Enter")

    expect(page.get_by_label("Audience name")).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()


def test_an_input_gets_a_key_that_is_shown_once(marketer: Console, shop: Shop) -> None:
    page = marketer.page
    marketer.link("Settings").click()
    marketer.button("Add input").click()
    page.get_by_label("Name").fill("Loyalty feed")
    marketer.button("Add").click()

    expect(page.get_by_text("Copy the secret now: it is not shown again")).to_be_visible()
    assert marketer.violations() == []
    people = page.get_by_role("region", name="People")
    expect(people).to_contain_text(re.compile(f"admin-{shop.account_id}@shop.example\\s*Admin"))
    named = [each["name"] for each in shop.get(f"/v1/workspaces/{shop.workspace}/inputs")["items"]]
    assert "Loyalty feed" in named
