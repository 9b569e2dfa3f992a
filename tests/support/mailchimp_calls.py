"""What the tests of the Mailchimp connector share: members who come and go, and the stand-in told of them."""

from collections.abc import Sequence
from typing import Any

from audience_core.domain.event import AttributeValue, Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.outputs.connector import Receipt, Subscription
from audience_core.outputs.connectors.mailchimp import MailchimpConnector, MailchimpSettings, with_key
from tests.support.mailchimp import HOST, KEY, LIST, RESULTS_HOST, Audience, Contact, FakeMailchimp, member_hash
from tests.support.redirect import Redirected

NOW = 1_795_430_000_000
FANS = Subscription(AccountId(7), AudienceId(4411), "Fans", {"list_id": LIST, "tag": "Fans"}, "1.1")
ANN, BOB = Mpid(8), Mpid(16)


def connector(partner: FakeMailchimp, pauses: list[float] | None = None, **given: Any) -> MailchimpConnector:
    settings = MailchimpSettings(**{"api_key": KEY} | given)
    pause = (pauses if pauses is not None else list[float]()).append
    return with_key(settings, Redirected({HOST: partner.url, RESULTS_HOST: partner.url}), pause)


def target(*emails: str, **attributes: AttributeValue) -> Target:
    return Target(tuple(Identity("email", email) for email in emails), tuple(sorted(attributes.items())))


def added(email: str, mpid: Mpid = ANN, **attributes: AttributeValue) -> Forward:
    return Forward(mpid, None, target(email, **attributes))


def removed(email: str, mpid: Mpid = ANN) -> Forward:
    return Forward(mpid, target(email), None)


def forward(partner: FakeMailchimp, *changes: Forward, **settings: Any) -> Receipt:
    return connector(partner, **settings).forward(FANS, changes, NOW)


def known(audience: Audience, email: str, status: str = "subscribed", **given: Any) -> Contact:
    contact = audience.contacts[member_hash(email)] = Contact(email, status, tags={"Fans"}, **given)
    audience.tag("Fans")
    return contact


def many(count: int) -> Sequence[str]:
    return [f"user-{n}@example.com" for n in range(count)]
