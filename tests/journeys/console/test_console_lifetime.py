"""A lifetime audience from draft to sent."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect

from local.stack import Stack
from tests.journeys.test_backbone import a_view, now_ms
from tests.journeys.test_lifetime import DAY_MS, HISTORY, compacted
from tests.support.console import signed_in
from tests.support.partners import FaultyPartner
from tests.support.shop import Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]

PEOPLE = 4


@pytest.fixture
def premium(stack: Stack, partner: FaultyPartner) -> Iterator[Shop]:
    opened = Shop(stack, partner, has_lifetime_audiences=True)
    yield opened
    opened.close()


def test_years_of_history_are_calculated_and_sent(browser: Browser, console_url: str, premium: Shop) -> None:
    now = now_ms()
    premium.send(*[a_view(each, now - (400 + each) * DAY_MS, f"old-{each}") for each in range(PEOPLE)], path=HISTORY)
    compacted(premium, PEOPLE)

    with signed_in(browser, premium.stack, console_url, premium.account_id, "/lifetime/in-progress") as marketer:
        page = marketer.page
        marketer.button("New lifetime audience").click()
        page.get_by_label("Audience name").fill("Ever since")
        marketer.button("Create").click()
        expect(marketer.heading("Ever since")).to_be_visible()
        marketer.button("Remove criterion A").click()
        marketer.button("Add criteria").click()
        page.get_by_role("menuitem", name="Screen view").click()
        page.get_by_label("Length of time", exact=True).fill("4000")
        marketer.button("Save as draft").click()
        expect(page.get_by_text("Saved as a draft")).to_be_visible()
        marketer.choose(page.get_by_label("Calculation schedule").first, "Anew every 7 days")
        expect(page.get_by_role("alert").get_by_text("Anew every 7 days")).to_be_visible()

        marketer.link("In progress").click()
        marketer.button("Calculate").click()
        page.get_by_role("checkbox", name="Ever since").check()
        marketer.button("Start calculation").click()
        expect(page.get_by_text("The calculation has begun")).to_be_visible()
        marketer.link("Ready").click()
        expect(marketer.link("Ever since")).to_be_visible(timeout=120_000)
        expect(page.get_by_role("row", name="Ever since")).to_contain_text("Anew every 7 days")
        assert marketer.violations() == []

        marketer.link("Send").click()
        marketer.button("Connect output").click()
        marketer.button("Add connection").click()
        marketer.button("Send").click()
        marketer.button("Send", page.get_by_role("dialog")).click()
        expect(page.get_by_role("dialog").get_by_text("succeeded")).to_be_visible(timeout=90_000)
        (audience,) = premium.get("/v1/audiences")["items"]
        assert audience["recalculation"] == {"every_days": 7, "problem": None}
        assert len(premium.told(audience["id"])) == PEOPLE
