"""Logging in at a partner instead of entering a key, and again when that has come to an end."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from playwright.sync_api import expect

from local.stack import Stack
from tests.journeys.console.test_console_audiences import seen_by, viewed
from tests.journeys.test_exports import mails
from tests.support.console import Console
from tests.support.login import CLIENT_ID, CLIENT_SECRET, FakeLogIn
from tests.support.mailchimp import LIST, FakeMailchimp, member_hash
from tests.support.shop import Shop

pytestmark = [pytest.mark.stack, pytest.mark.long]

REGISTRATION = "audience-manager/log-in/mailchimp"


@dataclass(frozen=True)
class Mailchimp:
    login: FakeLogIn
    api: FakeMailchimp

    def knows(self, customer: int) -> bool:
        return member_hash(f"c{customer}@shop.example") in self.api.audience.contacts


@pytest.fixture
def mailchimp(stack: Stack) -> Iterator[Mailchimp]:
    """Where this installation is registered; its tokens expire, and are renewed as long as nobody revokes them."""
    secrets, callback = stack.client("secretsmanager"), f"{stack.outputs['ApiUrl']}/v1/oauth/callback"
    with FakeMailchimp().serving() as api, FakeLogIn(api.tokens, callback).serving() as login:
        login.lifetime_s, login.api_endpoint = 60, api.url
        registration = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "url": login.url}
        secrets.create_secret(Name=REGISTRATION, SecretString=json.dumps(registration))
        yield Mailchimp(login, api)
        secrets.delete_secret(SecretId=REGISTRATION, ForceDeleteWithoutRecovery=True)


def log_in(marketer: Console, button: str) -> None:
    """In the window that opens at the partner, which agrees at once."""
    with marketer.page.context.expect_page() as opened:
        marketer.button(button).click()
    expect(opened.value.get_by_role("heading", name="You are logged in")).to_be_visible()
    opened.value.close()


def test_a_log_in_connects_and_when_it_ends_one_logs_in_again(
    marketer: Console, shop: Shop, mailchimp: Mailchimp
) -> None:
    audience, address = shop.audience("Viewers", viewed()), "owner@shop.example"
    seen_by(shop, 1)
    page = marketer.page
    marketer.link("Outputs").click()
    marketer.link("Add from the directory").click()
    marketer.button("+ Add Mailchimp to Setup").click()
    page.get_by_label("Who is told of faults").fill(address)
    marketer.button("Save").click()
    log_in(marketer, "Log in at Mailchimp")
    expect(page.get_by_text("Somebody is logged in.")).to_be_visible()
    marketer.button("Close", page.get_by_role("dialog").locator("form")).click()

    marketer.open(f"/audiences/{audience}/connect")
    marketer.button("Connect output").click()
    marketer.choose(page.get_by_label("Output configuration").first, "Mailchimp")
    page.get_by_label("Audience ID").fill(LIST)
    marketer.button("Add connection").click()
    expect(page.get_by_role("region", name="Connection to Mailchimp")).to_contain_text("active")
    shop.wait_until(lambda: mailchimp.knows(1))

    mailchimp.login.revoke()
    seen_by(shop, 2)
    (output,) = [each for each in shop.get("/v1/outputs")["items"] if each["connector"] == "mailchimp"]
    link = f"{marketer.url}/outputs/{output['id']}/log-in"
    shop.wait_until(lambda: bool(mails(shop, link)))
    marketer.link("Single workspace").click()
    marketer.button("Fault of Viewers: show why").click()
    expect(page.get_by_test_id("fault-message")).to_contain_text("has expired or was revoked")
    marketer.link("Log in again").click()
    expect(marketer.heading("Log in at Mailchimp")).to_be_visible()
    assert (page.url, mails(shop, link)[0]["To"]) == (link, [address])
    assert marketer.violations() == []

    log_in(marketer, "Log in at Mailchimp again")
    marketer.button("Resume").click()
    shop.wait_until(lambda: mailchimp.knows(2))
    expect(marketer.button("Resume")).to_be_hidden()
    assert shop.get(f"/v1/audiences/{audience}")["faults"] == []
