"""A connection to Meta on loopback, and members to tell it of."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import Target
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.meta import MetaConnector
from audience_core.outputs.connectors.meta_settings import MetaSettings
from audience_core.outputs.http import HttpSend, TimeLimits
from tests.support.meta_partner import ACCOUNT, TOKEN, MetaPartner, sha

SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 2, 4))
NOW = 1_795_430_000_000
SOURCE = {"customer_file_source": "USER_PROVIDED_ONLY"}
FANS = Subscription(AccountId(7), AudienceId(1), "Fans", SOURCE, "1.1", ConnectionId("c-1"))
ANN, BOB = Mpid(8), Mpid(-16)
IDFA = "2b1f6f2c-8a0e-4a3e-9b62-7a1a6f2f0c55"


def connect(partner: MetaPartner, **given: Any) -> MetaConnector:
    settings = {"ad_account_id": ACCOUNT, "access_token": TOKEN, "app_id": "55", "graph_url": partner.url}
    return MetaConnector(MetaSettings(**settings | given), SEND)


def with_settings(**given: str) -> Subscription:
    return replace(FANS, settings={**SOURCE, **given})


def subscribed(connector: MetaConnector, subscription: Subscription = FANS) -> Subscription:
    return replace(subscription, settings={**subscription.settings, **connector.subscribe(subscription, NOW)})


def a_target(*identities: tuple[str, str], attributes: Mapping[str, Any] | None = None) -> Target:
    return Target(tuple(sorted(Identity(*each) for each in identities)), tuple(sorted((attributes or {}).items())))


def email(who: str) -> Target:
    return a_target(("email", f"{who}@example.com"))


def hashed(*who: str) -> set[str]:
    return {sha(f"{each}@example.com") for each in who}
