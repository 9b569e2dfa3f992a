"""Two customers share an audience, each in a window of their own."""

import io
from collections.abc import Iterator

import pytest
from PIL import Image
from playwright.sync_api import Browser, expect

from tests.journeys.console.test_console_audiences import seen_by, viewed
from tests.support.console import Console, signed_in
from tests.support.partners import a_partner
from tests.support.shop import Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]


@pytest.fixture
def friend(shop: Shop) -> Iterator[Shop]:
    with a_partner() as listening:
        opened = Shop(shop.stack, listening)
        yield opened
        opened.close()


@pytest.fixture
def receiver(browser: Browser, console_url: str, friend: Shop) -> Iterator[Console]:
    with signed_in(browser, friend.stack, console_url, friend.account_id, "/sharing/received") as person:
        yield person


def test_an_audience_is_offered_accepted_connected_and_taken_back(
    marketer: Console, receiver: Console, shop: Shop, friend: Shop
) -> None:
    shop.audience("Viewers", viewed())
    logo = io.BytesIO()
    Image.new("RGB", (64, 64), "teal").save(logo, "PNG")
    theirs = receiver.page
    theirs.get_by_role("switch", name="Receiving").click(force=True)
    theirs.get_by_role("checkbox", name="We accept the terms").check()
    with theirs.expect_file_chooser() as choosing:
        receiver.button("Upload your logo (PNG)").click()
    choosing.value.set_files({"name": "logo.png", "mimeType": "image/png", "buffer": logo.getvalue()})
    expect(theirs.get_by_role("dialog").get_by_role("img", name="Your logo")).to_be_visible()
    receiver.button("Switch receiving on").click()
    name = friend.get("/v1/sharing/receiving")["name"]
    expect(theirs.get_by_text(f"Others find you as {name}")).to_be_visible()

    ours = marketer.page
    marketer.link("Shared").click()
    marketer.button("Share audience").click()
    ours.get_by_role("checkbox", name="Viewers").check()
    ours.get_by_role("combobox", name="Receivers").fill(name)
    ours.get_by_role("option", name=name).click()
    ours.keyboard.press("Escape")
    marketer.button("Share").click()
    expect(ours.get_by_role("row", name="Viewers")).to_contain_text("pending")
    assert marketer.violations() == []

    expect(theirs.get_by_text("1 audience pending")).to_be_visible()
    receiver.button("Accept Viewers").click()
    receiver.link("Viewers").click()
    receiver.button("Connect output").click()
    receiver.button("Add connection").click()
    received = friend.get("/v1/sharing/received")["items"][0]["audience_id"]
    seen_by(shop, 1)
    friend.wait_until(lambda: len(friend.told(received)) == 1)

    expect(ours.get_by_role("row", name="Viewers")).to_contain_text("accepted")
    marketer.button("Unshare").click()
    marketer.button("Unshare", ours.get_by_role("dialog")).click()
    friend.wait_until(lambda: not friend.told(received))
    receiver.link("Received").click()
    expect(theirs.get_by_text("Nothing was shared with you yet")).to_be_visible()
