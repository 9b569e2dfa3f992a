"""What goes over the wire to Mailchimp is what its own client sends for the same operation."""

import json
from collections.abc import Callable, Iterator
from typing import Any

import mailchimp_marketing
import pytest

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.output import Forward, Grant, Target
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.mailchimp import MailchimpConnector, MailchimpSettings, logged_in, with_key
from tests.support.fake_servers import Heard
from tests.support.mailchimp import HOST, KEY, LIST, RESULTS_HOST, Contact, FakeMailchimp, member_hash
from tests.support.redirect import Redirected

NOW = 1_795_430_000_000
FANS = Subscription(AccountId(7), AudienceId(4411), "Fans & Friends", {"list_id": LIST}, "1.1")
TAG = 1000

type Told = Callable[[MailchimpConnector], object]
type Official = Callable[[Any], object]


def a_target(*emails: str, **attributes: str) -> Target:
    return Target(tuple(Identity("email", email) for email in emails), tuple(attributes.items()))


def a_member(**status: str) -> dict[str, Any]:
    fields = {"merge_fields": {"FNAME": "Ünal"}}
    return {"email_address": "Ann@example.com", "email_type": "html", **status, "tags": ["Fans & Friends"], **fields}


def adding(client: Any, **status: str) -> None:
    body = {"members": [a_member(**status)], "update_existing": True, "sync_tags": False}
    client.lists.batch_list_members(LIST, body, skip_merge_validation=True)


def asking_for_merge_fields(client: Any) -> None:
    client.lists.get_list_merge_fields(LIST, count=1000, fields=["merge_fields.tag,merge_fields.type"])


def archiving_many(client: Any) -> None:
    paths = [f"/lists/{LIST}/members/{member_hash(email)}" for email in leavers()]
    client.batches.start({"operations": [{"method": "DELETE", "path": path} for path in paths]})
    client.batches.status("b0")


def untagging(client: Any) -> None:
    client.lists.tag_search(LIST, name="Fans & Friends")
    body = {"members_to_add": [], "members_to_remove": ["ann@example.com"]}
    client.lists.batch_segment_members(body, LIST, TAG)


def leavers() -> list[str]:
    return [f"user-{n}@example.com" for n in range(11)]


def forwarding(*changes: Forward) -> Told:
    return lambda connector: connector.forward(FANS, changes, NOW)


ADDS = Forward(Mpid(8), None, a_target("Ann@example.com", fname="Ünal"))
LEAVES = Forward(Mpid(8), a_target("Ann@example.com"), None)
OPERATIONS: dict[str, tuple[dict[str, Any], Told, tuple[Official, ...]]] = {
    "test": ({}, forwarding(), (lambda client: client.ping.get(),)),
    "find the list": (
        {},
        lambda c: c.subscribe(FANS, NOW),
        (lambda client: client.lists.get_list(LIST, fields=["id"]),),
    ),
    "add": (
        {},
        forwarding(ADDS),
        (asking_for_merge_fields, lambda client: adding(client, status_if_new="pending")),
    ),
    "archive": (
        {},
        forwarding(LEAVES),
        (lambda client: client.lists.delete_list_member(LIST, member_hash("ann@example.com")),),
    ),
    "archive many": (
        {},
        forwarding(*(Forward(Mpid(n), a_target(email), None) for n, email in enumerate(leavers()))),
        (archiving_many,),
    ),
    "untag": ({"delete_on_subscription_end": False}, forwarding(LEAVES), (untagging,)),
}


@pytest.fixture
def partner() -> Iterator[FakeMailchimp]:
    with FakeMailchimp().serving() as partner:
        populate(partner)
        yield partner


def populate(partner: FakeMailchimp) -> None:
    partner.polls = 1
    partner.batches.clear()
    for email in ("ann@example.com", *leavers()):
        partner.audience.contacts[member_hash(email)] = Contact(email, "subscribed", tags={"Fans & Friends"})
    partner.audience.tags = {TAG: "Fans & Friends"}
    partner.heard.clear()


def seen(heard: Heard) -> dict[str, Any]:
    """All of a request that means something; how JSON is spaced and spelt does not."""
    return {
        "method": heard.method,
        "path": heard.path,
        "query": heard.query,
        "credential": heard.headers["authorization"],
        "type": heard.headers["content-type"],
        # The official client writes `null` where there is no body.
        "body": json.loads(heard.body or b"null"),
    }


@pytest.mark.parametrize("operation", sorted(OPERATIONS))
def test_it_sends_what_the_official_client_sends(partner: FakeMailchimp, operation: str) -> None:
    settings, tell, official = OPERATIONS[operation]
    send = Redirected({HOST: partner.url, RESULTS_HOST: partner.url})
    tell(with_key(MailchimpSettings(api_key=KEY, **settings), send, lambda seconds: None))
    ours = [seen(each) for each in partner.heard]
    populate(partner)

    client = mailchimp_marketing.Client()
    client.set_config({"api_key": KEY})
    client.api_client.host = f"{partner.url}/3.0"
    for call in official:
        call(client)

    assert ours == [seen(each) for each in partner.heard]
    assert ours


def test_the_data_centre_is_the_one_that_the_official_client_finds_in_the_key() -> None:
    client = mailchimp_marketing.Client()
    client.set_config({"api_key": KEY})

    assert client.api_client.host.replace("server", client.api_client.server) == f"https://{HOST}/3.0"


def test_a_log_in_is_shown_as_the_official_client_shows_it(partner: FakeMailchimp) -> None:
    partner.tokens.add("t0ken")
    grant = Grant("t0ken", facts={"api_endpoint": f"https://{HOST}"})
    logged_in(MailchimpSettings(), grant, Redirected({HOST: partner.url})).forward(FANS, (), NOW)
    ours = [seen(each) for each in partner.heard]
    partner.heard.clear()

    client = mailchimp_marketing.Client()
    client.set_config({"access_token": "t0ken", "server": "us19"})
    client.api_client.host = f"{partner.url}/3.0"
    client.ping.get()

    assert ours == [seen(each) for each in partner.heard]
