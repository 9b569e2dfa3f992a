"""Defining an audience by clicking, watching it, changing it, splitting it and downloading it."""

import csv
import io
import json
import re
import time
import zipfile

import pytest
from playwright.sync_api import Locator, expect

from tests.journeys.test_backbone import a_view
from tests.support.console import Console
from tests.support.shop import Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]


def seen_by(shop: Shop, *customers: int) -> None:
    now = time.time_ns() // 1_000_000
    shop.send(*[a_view(each, now, f"view-{each}-{now}") for each in customers])


def criterion(console: Console, letter: str) -> Locator:
    return console.page.locator(f'[data-criterion="{letter}"]')


def field(within: Locator, label: str) -> Locator:
    return within.get_by_label(label, exact=True).first


def add(console: Console, button: str, choice: str) -> None:
    console.button(button).click()
    console.page.get_by_role("menuitem", name=re.compile(f"^{choice}")).click()


def test_a_marketer_defines_an_audience_and_sees_members_come(marketer: Console, shop: Shop) -> None:
    seen_by(shop, 1, 2, 3)
    everybody = shop.audience("Everybody", {"type": "last_seen", "window": a_week()})
    shop.wait_until(lambda: shop.size(everybody) == 3)
    page = marketer.page
    marketer.link("Single workspace").click()
    marketer.button("New audience").click()
    page.get_by_label("Audience name").fill("Offer viewers")
    marketer.button("Create").click()
    expect(marketer.heading("Offer viewers")).to_be_visible()

    # It begins with everybody; one criterion takes its place, and the estimate follows.
    expect(page.get_by_test_id("estimate-size")).to_have_text("3")
    marketer.button("Remove criterion A").click()
    add(marketer, "Add criteria", "Screen view")
    name = field(criterion(marketer, "A"), "Screen name")
    name.fill("Off")
    page.get_by_role("option", name="Offer", exact=True).click()
    expect(name).to_have_value("Offer")
    expect(page.get_by_test_id("in-words")).to_contain_text("Screen view “Offer” happened")
    expect(page.get_by_test_id("estimate-size")).to_have_text("3")
    times = field(criterion(marketer, "A"), "Times")
    times.fill("1")
    expect(page.get_by_test_id("estimate-size")).to_have_text("0")
    times.fill("0")

    # What is odd is said beside the criterion that it concerns.
    add(marketer, "Exclude", "Event")
    field(criterion(marketer, "B"), "Event name").fill("Nevr heard of")
    expect(criterion(marketer, "B").get_by_test_id("finding")).to_contain_text("None of the 3 users looked at")
    expect(page.get_by_test_id("in-words")).to_contain_text("A exclude B")
    assert marketer.violations() == []
    marketer.button("Remove criterion B").click()

    # Whoever goes on at once says the version that was saved, though the network be slow.
    marketer.delay_answers(1000)
    marketer.button("Save as draft").click()
    expect(page.get_by_text("Saved as a draft")).to_be_visible()
    marketer.button("Activate").click()
    marketer.delay_answers(0)
    expect(page.get_by_text("Active", exact=True).or_(page.get_by_text("active", exact=True)).first).to_be_visible()
    page.get_by_role("tab", name="Details").click()
    members = page.get_by_role("region", name="Members")
    expect(members.get_by_role("link")).to_have_count(3)

    # Live: an event is all it takes.
    seen_by(shop, 4)
    expect(members.get_by_role("link")).to_have_count(4)
    members.get_by_role("button", name=re.compile("^Why")).first.click()
    expect(page.get_by_test_id("explanation")).to_contain_text("A member, until")
    expect(page.get_by_test_id("size-chart").locator("canvas")).to_be_visible()
    assert marketer.violations() == []


def a_week() -> dict[str, object]:
    return {"type": "within_last", "duration": {"amount": 7, "unit": "days"}}


def viewed() -> dict[str, object]:
    return {"type": "event", "event": {"kind": "screen_view", "name": "Offer"}, "window": a_week()}


def test_an_edit_shows_who_would_leave_before_it_goes_live(marketer: Console, shop: Shop) -> None:
    seen_by(shop, 1, 2)
    audience = shop.audience("Viewers", viewed())
    shop.wait_until(lambda: shop.size(audience) == 2)
    page = marketer.page
    marketer.open(f"/audiences/{audience}")

    field(criterion(marketer, "A"), "Times").fill("1")
    marketer.link("Outputs").click()
    leaving = page.get_by_role("dialog", name="Leave without saving?")
    marketer.button("Cancel", leaving).click()
    expect(marketer.heading("Viewers")).to_be_visible()
    marketer.button("Review and save").click()

    expect(page.get_by_test_id("dry-run").get_by_role("row", name=re.compile("Would leave"))).to_contain_text("2")
    assert shop.size(audience) == 2, "nothing was saved yet"
    marketer.button("Save and apply").click()
    shop.wait_until(lambda: shop.size(audience) == 0)
    marketer.link("Outputs").click()
    expect(marketer.heading("Audience configurations")).to_be_visible()


def test_a_field_that_cannot_be_used_says_so(marketer: Console, shop: Shop) -> None:
    audience = shop.audience("Viewers", viewed())
    marketer.open(f"/audiences/{audience}")

    marketer.choose(field(criterion(marketer, "A"), "When"), "between ... ago")
    field(criterion(marketer, "A"), "Newer end").fill("9")

    expect(criterion(marketer, "A").get_by_role("alert")).to_contain_text("Older: must lie at least as far back")


def bought() -> dict[str, object]:
    return {"type": "event", "event": {"kind": "commerce_event", "name": "purchase"}, "window": a_week()}


def a_purchase(customer: int, at: int) -> dict[str, object]:
    product = {"action": "purchase", "total_amount": 9.5, "products": [{"id": "boot", "price": 9.5, "quantity": 1}]}
    data = {"timestamp_unixtime_ms": at, "source_message_id": f"bought-{customer}", "product_action": product}
    view = a_view(customer, at, f"bought-{customer}-{at}")
    return view | {"events": [{"event_type": "commerce_event", "data": data}]}


def test_an_audience_is_split_measured_connected_and_downloaded(marketer: Console, shop: Shop) -> None:
    seen_by(shop, *range(1, 21))
    audience, buyers = shop.audience("Viewers", viewed()), shop.audience("Buyers", bought())
    shop.wait_until(lambda: shop.size(audience) == 20)
    page = marketer.page
    marketer.open(f"/audiences/{audience}/ab-test")

    marketer.button("Add A/B test variation").click()
    page.get_by_label("Percentage").fill("101")
    expect(page.get_by_text("More than 100 % together")).to_be_visible()
    expect(marketer.button("Save split")).to_be_disabled()
    page.get_by_label("Percentage").fill("40")
    page.get_by_label("Name of variation 1").fill("By mail")
    marketer.button("Save split").click()
    expect(page.get_by_text("Running since")).to_be_visible()
    expect(page.get_by_role("img", name="Split: By mail 40%, Control 60%")).to_be_visible()

    now = time.time_ns() // 1_000_000
    shop.send(*[a_purchase(each, now) for each in range(1, 11)])
    shop.wait_until(lambda: shop.size(buyers) == 10)
    marketer.button("Measure outcomes").click()
    expect(field(criterion(marketer, "A"), "Action")).to_have_value("purchase")
    marketer.button("Count").click()
    outcomes = page.get_by_test_id("outcomes")
    expect(outcomes.get_by_role("columnheader", name="Lift, with 95 % interval")).to_be_visible(timeout=60_000)
    shown = [each.get_by_role("cell").all_inner_texts() for each in outcomes.get_by_role("row").all()[1:]]
    assert [name for name, *_ in shown] == ["By mail", "Control"]
    assert (sum(int(each[1]) for each in shown), sum(int(each[2]) for each in shown)) == (20, 10)
    for _, users, converted, rate, *_ in shown:
        assert float(rate.partition("%")[0]) == pytest.approx(100 * int(converted) / int(users), abs=0.06)
        assert re.search(r"\d% to \d+(\.\d)?%", rate)
    difference, lift, verdict = shown[0][4:]
    assert re.fullmatch(r"[+-]?[\d.]+%", difference)
    assert re.match(r"[+-]?[\d.,]+%\s+[+-]?[\d.,]+% to ", lift)
    assert verdict.lower() in ("better", "worse", "undecided")
    assert shown[1][4:] == ["--"] * 3
    assert marketer.violations() == []

    marketer.link("Connect variations").click()
    marketer.button("Connect output").click()
    marketer.choose(page.get_by_label("Variation", exact=True).first, "By mail")
    marketer.button("Add connection").click()
    variant = next(
        each["id"] for each in shop.get(f"/v1/audiences/{audience}/ab-test")["variants"] if each["name"] == "By mail"
    )
    shop.wait_until(lambda: len(shop.told(variant)) == int(shown[0][1]))
    assert shop.partner.book.audiences[variant].name == "Viewers - By mail"

    page.get_by_role("tab", name="Download").click()
    page.get_by_role("checkbox", name="By mail").check()
    page.get_by_role("checkbox", name="Control").check()
    marketer.button("Start export").click()
    ready = page.get_by_role("button", name=re.compile("^Download \\("))
    expect(ready).to_be_visible(timeout=90_000)
    with page.expect_download() as downloading:
        ready.click()

    archive = zipfile.ZipFile(downloading.value.path())
    manifest = json.loads(archive.read("manifest.json"))
    rows = [
        row
        for file in manifest["files"]
        for row in csv.DictReader(io.StringIO(archive.read(file["file_name"]).decode(), newline=""))
    ]
    assert len(manifest["files"]) == 2
    assert {row["mpid"] for row in rows} == shop.members(audience)


def test_a_list_of_thousands_is_scrolled_smoothly(marketer: Console, shop: Shop) -> None:
    """What the browser does with them; that the API pages through thousands has its own story."""
    shop.audience("Viewers", viewed())
    page, total, size = marketer.page, 5000, 500
    (row,) = shop.get("/v1/audiences")["items"]

    def answer(route: object) -> None:
        start = int(re.search(r"next=(\d+)", route.request.url).group(1)) if "next=" in route.request.url else 0  # type: ignore[attr-defined, union-attr]
        items = [row | {"id": number, "name": f"Audience {number}"} for number in range(start, start + size)]
        after = str(start + size) if start + size < total else None
        route.fulfill(json={"items": items, "next": after, "active": 1, "active_cap": 5000})  # type: ignore[attr-defined]

    page.route(re.compile(r"/v1/audiences\?"), answer)
    marketer.link("Multi workspace").click()
    marketer.link("Single workspace").click()
    expect(marketer.link("Audience 0")).to_be_visible()

    frames = page.evaluate(
        """async () => {
            const main = document.getElementById("main"), spans = [];
            const end = performance.now() + 120000;
            let last = performance.now();
            // A row is in the page a little before it is in sight, and moves as those above it are measured.
            const isInSight = () =>
                document.querySelector('[href="/audiences/4999"]')?.getBoundingClientRect().bottom < innerHeight;
            while (performance.now() < end && !isInSight()) {
                main.scrollTop += 1500;
                await new Promise(requestAnimationFrame);
                spans.push(performance.now() - last);
                last = performance.now();
            }
            return {spans, rows: document.querySelectorAll('[role=row]').length};
        }"""
    )
    expect(marketer.link("Audience 4999")).to_be_visible()
    assert frames["rows"] < 80, "only what is in sight is in the page"
    assert sorted(frames["spans"])[len(frames["spans"]) // 2] < 100
