"""Partners in the console: set up, connected, faulted and resumed, and many audiences at once."""

from http import HTTPStatus

import pytest
from playwright.sync_api import Browser, expect

from tests.journeys.console.test_console_audiences import seen_by, viewed
from tests.support.console import Console, signed_in
from tests.support.partners import FaultyHandler
from tests.support.shop import Json, Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]


def refuse(handler: FaultyHandler, message: Json) -> None:
    handler.answer(HTTPStatus.UNAUTHORIZED, {"error": "the key has expired"})


def test_a_fault_is_seen_and_resumed(marketer: Console, shop: Shop) -> None:
    audience = shop.audience("Viewers", viewed())
    page = marketer.page
    marketer.open(f"/audiences/{audience}/connect")
    marketer.button("Connect output").click()
    expect(page.get_by_text("accepts:")).to_be_visible()
    marketer.button("Add connection").click()
    shop.wait_until(lambda: audience in shop.partner.book.audiences)

    shop.partner.default = refuse
    seen_by(shop, 1)
    shop.wait_until(lambda: bool(shop.get(f"/v1/audiences/{audience}")["faults"]))
    card = page.get_by_role("region", name="Connection to Partner")
    expect(card.get_by_test_id("fault-message")).to_be_visible()
    assert marketer.violations() == []
    marketer.link("Single workspace").click()
    marketer.button("Fault of Viewers: show why").click()
    expect(page.get_by_text("Authentication fault at")).to_be_visible()

    shop.partner.default = None
    marketer.button("Resume").click()
    shop.wait_until(lambda: len(shop.told(audience)) == 1)
    expect(marketer.button("Fault of Viewers: show why")).to_be_hidden()


def test_an_output_is_set_up_from_the_directory_and_bad_settings_are_said_at_their_fields(
    marketer: Console, shop: Shop
) -> None:
    page = marketer.page
    marketer.link("Outputs").click()
    marketer.link("Add from the directory").click()
    page.get_by_label("Search partners").fill("braze")
    marketer.button("+ Add Braze to Setup").click()
    page.get_by_label("Configuration name").fill("Our Braze")
    page.get_by_label("Instance").fill("nowhere")
    page.get_by_role("textbox", name="Api Key").fill("key")
    marketer.button("Save").click()

    instance = page.get_by_label("Instance")
    expect(instance).to_have_attribute("aria-invalid", "true")
    instance.fill("fra-02")
    marketer.button("Save").click()
    expect(page.get_by_role("dialog")).to_be_hidden()
    assert "Our Braze" in [each["name"] for each in shop.get("/v1/outputs")["items"]]


def test_many_audiences_are_connected_at_once_with_one_error(marketer: Console, shop: Shop) -> None:
    for name in ("First", "Second"):
        shop.audience(name, viewed())
    draft = {
        "name": "Draft",
        "workspaces": [shop.workspace],
        "inputs": [shop.input["id"]],
        "definition": {"version": 1, "root": viewed()},
    }
    shop.post("/v1/audiences", draft)
    page = marketer.page
    marketer.link("Outputs").click()

    marketer.button("Connect audiences to Partner").click()
    page.get_by_role("checkbox", name="All 3 shown").check()
    marketer.button("Next").click()
    marketer.button("Connect").click()

    expect(page.get_by_test_id("bulk-outcome")).to_have_text("2 connected, 1 not.", timeout=60_000)
    expect(page.get_by_test_id("result").filter(has_text="Draft")).to_contain_text("not active")
    assert marketer.violations() == []


def test_who_may_only_read_is_told_so(browser: Browser, console_url: str, shop: Shop) -> None:
    audience = shop.audience("Viewers", viewed())

    with signed_in(browser, shop.stack, console_url, shop.account_id, role="read_only") as reader:
        reader.open(f"/audiences/{audience}/details")
        reader.page.get_by_label("External name").fill("Another")
        reader.button("Save names").click()
        expect(reader.page.get_by_text("Your role does not allow this")).to_be_visible()
        reader.open("/settings")
        expect(reader.page.get_by_role("region", name="People")).to_contain_text("Only admins see who is here")
