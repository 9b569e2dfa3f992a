"""Coming in, and finding one's audiences."""

import pytest
from playwright.sync_api import Browser, expect

from tests.support.console import NARROW, WIDE, Console, signed_in
from tests.support.shop import Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]

EVERYBODY = {"type": "last_seen", "window": {"type": "within_last", "duration": {"amount": 30, "unit": "days"}}}
RIGHT_TO_LEFT = "جمهور العملاء المميزين في الرياض"
MARKUP = "<img src=x onerror=alert(1)> & <b>bold</b>"


def test_a_new_account_is_told_what_audiences_are_for(marketer: Console) -> None:
    expect(marketer.heading("Single workspace audiences")).to_be_visible()
    expect(marketer.page.get_by_text("Describe whom you want to reach")).to_be_visible()
    assert marketer.violations() == []


def test_signing_in_leads_back_to_where_one_wanted_to_go(browser: Browser, console_url: str, shop: Shop) -> None:
    audience = shop.audience("Everybody", EVERYBODY)

    with signed_in(browser, shop.stack, console_url, shop.account_id, f"/audiences/{audience}") as person:
        expect(person.heading("Everybody")).to_be_visible()
        assert person.page.url == f"{console_url}/audiences/{audience}"
        kept = person.page.evaluate("() => JSON.stringify({...localStorage}) + JSON.stringify({...sessionStorage})")
        assert "eyJ" not in kept, "a token outlives the page"


def test_the_list_is_searched_and_tagged_in_place(marketer: Console, shop: Shop) -> None:
    for name in ("Gold", "Silver"):
        shop.audience(name, EVERYBODY)
    page = marketer.page
    marketer.link("Multi workspace").click()
    marketer.link("Single workspace").click()

    expect(page.get_by_test_id("active-audiences")).to_have_text("2/5,000 active audiences in account")
    marketer.button("Tags of Gold").click()
    field = page.get_by_role("dialog").get_by_role("combobox", name="Tags")
    field.fill("VIP")
    field.press("Enter")
    marketer.button("Save tags").click()
    expect(marketer.button("Tags of Gold")).to_have_text("1")

    page.get_by_role("textbox", name="Search by name or ID").fill("silv")
    expect(marketer.link("Silver")).to_be_visible()
    expect(marketer.link("Gold")).to_be_hidden()


@pytest.mark.parametrize("name", ["W" * 100, RIGHT_TO_LEFT, MARKUP], ids=["long", "right-to-left", "markup"])
def test_names_of_any_kind_are_text_and_stay_in_their_place(marketer: Console, shop: Shop, name: str) -> None:
    shop.audience(name, EVERYBODY)
    page = marketer.page

    expect(marketer.link(name)).to_be_visible()
    for size in (WIDE, NARROW):
        page.set_viewport_size(size)
        page.wait_for_function("() => document.documentElement.scrollWidth <= innerWidth")
        main = page.evaluate(
            "() => [document.querySelector('main').scrollWidth, document.querySelector('main').clientWidth]"
        )
        assert main[0] <= main[1]


def test_another_account_s_audience_is_not_found(marketer: Console, shop: Shop) -> None:
    other = Shop(shop.stack, shop.partner)
    foreign = other.audience("Foreign", EVERYBODY)
    other.close()

    for address in (f"/audiences/{foreign}", "/audiences/not-a-number", "/nowhere"):
        marketer.open(address)
        expect(marketer.heading("Not found")).to_be_visible()


def test_a_lost_connection_is_said_and_made_up_for(marketer: Console, shop: Shop) -> None:
    page = marketer.page
    expect(marketer.page.get_by_text("Describe whom you want to reach")).to_be_visible()

    page.context.set_offline(True)
    expect(page.get_by_text("The connection is lost")).to_be_visible()
    shop.audience("Made meanwhile", EVERYBODY)
    page.context.set_offline(False)

    expect(marketer.link("Made meanwhile")).to_be_visible()
    expect(page.get_by_text("The connection is lost")).to_be_hidden()
    marketer.complaints.clear()
