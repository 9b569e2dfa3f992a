"""Our requests to Meta are those of its official client, for the same operations."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from facebook_business.adobjects.adaccount import AdAccount
from facebook_business.adobjects.customaudience import CustomAudience
from facebook_business.api import FacebookAdsApi
from facebook_business.session import FacebookSession

from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.output import Forward, Target
from audience_core.outputs.connector import Subscription
from audience_core.outputs.connectors.meta import MetaConnector
from audience_core.outputs.connectors.meta_settings import MetaSettings
from audience_core.outputs.http import HttpSend
from audience_core.outputs.lookalike import LookalikeSpec
from tests.support.fake_servers import Heard
from tests.support.meta_partner import ACCOUNT, TOKEN, MetaPartner, sha

NOW = 1_795_430_000_000
SOURCE = {"customer_file_source": "USER_PROVIDED_ONLY"}
FANS = Subscription(AccountId(7), AudienceId(1), "Fans é", SOURCE, "1.1", ConnectionId("c-1"))
ANN, BOB = Mpid(8), Mpid(16)
IDFA = "2b1f6f2c-8a0e-4a3e-9b62-7a1a6f2f0c55"
SCHEMA = CustomAudience.Schema


@pytest.fixture
def partner() -> Iterator[MetaPartner]:
    with MetaPartner().serving() as partner:
        yield partner


@pytest.fixture
def api(partner: MetaPartner, monkeypatch: pytest.MonkeyPatch) -> FacebookAdsApi:
    monkeypatch.setattr(FacebookSession, "GRAPH", partner.url)
    return FacebookAdsApi(FacebookSession(access_token=TOKEN))


def connect(partner: MetaPartner) -> MetaConnector:
    settings = MetaSettings(ad_account_id=ACCOUNT, access_token=TOKEN, app_id="55", graph_url=partner.url)
    return MetaConnector(settings, HttpSend(allow_private=True))


def said(heard: Heard) -> dict[str, Any]:
    """All that a request says, JSON inside of it read."""
    return {
        "method": heard.method,
        "path": heard.path,
        "query": {name: _read(value) for name, value in heard.query.items()},
        "form": {name: _read(value) for name, value in heard.form.items()},
        "content type": heard.headers.get("content-type"),
    }


def _read(value: str) -> Any:
    return json.loads(value) if value[:1] in ("{", "[") else value


def a_target(*identities: tuple[str, str], **attributes: Any) -> Target:
    named = tuple((f"${name}", value) for name, value in sorted(attributes.items()))
    return Target(tuple(sorted(Identity(*each) for each in identities)), named)


def test_an_audience_is_made_renamed_and_deleted_as_the_client_does(partner: MetaPartner, api: FacebookAdsApi) -> None:
    only_emails = dict.fromkeys(("forward_facebook_ids", "forward_idfas", "forward_gaids", "forward_phones"), "false")
    fans = replace(FANS, settings={**SOURCE, **only_emails})
    connector = connect(partner)

    ids = connector.subscribe(fans, NOW)
    (remote_id,) = partner.audiences
    made = partner.audiences[remote_id]
    connector.update(replace(fans, audience_name="Friends"), ids, NOW)
    connector.unsubscribe(replace(fans, settings={**fans.settings, **ids}), NOW)
    ours = [said(each) for each in partner.heard]
    partner.heard.clear()
    AdAccount(f"act_{ACCOUNT}", api=api).create_custom_audience(
        fields=[],
        params={
            "name": made.fields["name"],
            "subtype": "CUSTOM",
            "description": made.description,
            "customer_file_source": "USER_PROVIDED_ONLY",
        },
    )
    (theirs_id,) = partner.audiences
    theirs = CustomAudience(theirs_id, api=api)
    theirs.api_update(params={"name": "Friends (email)"})
    theirs.api_delete()
    list(AdAccount(f"act_{ACCOUNT}", api=api).get_custom_audiences(["id", "name", "description"], {"limit": 50}))

    create, rename, delete, listing = (said(each) for each in partner.heard)
    # The client asks for a total, too.
    assert listing["query"].pop("summary") == "true"
    assert ours == [listing, create, _for(rename, theirs_id, remote_id), listing, _for(delete, theirs_id, remote_id)]


def _for(request: dict[str, Any], theirs: str, ours: str) -> dict[str, Any]:
    return {**request, "path": request["path"].replace(theirs, ours)}


_ROW = (
    ["EMAIL", "PHONE", "MADID", "GEN", "FN", "LN", "CT", "ST", "ZIP", "COUNTRY"],
    [["A@b.co", "+1 (555) 0100", IDFA, "Female", "Anne-Marie", "O'Brien", "San Francisco", "CA", "94103-1234", "US"]],
)


type Told = Callable[[CustomAudience], Any]


@pytest.mark.parametrize(
    ("kind", "target", "settings", "add", "remove"),
    [
        (
            "email",
            a_target(("email", " A@b.co "), ("email", "zoë@b.co")),
            {},
            lambda c: c.add_users(SCHEMA.email_hash, [" A@b.co ", "zoë@b.co"]),
            lambda c: c.remove_users(SCHEMA.email_hash, [" A@b.co ", "zoë@b.co"]),
        ),
        (
            "phone",
            a_target(("mobile_number", "+1 (555) 0100")),
            {},
            # The client hashes single phone numbers as they come.
            lambda c: c.add_users(SCHEMA.phone_hash, ["15550100"]),
            lambda c: c.remove_users(SCHEMA.phone_hash, ["15550100"]),
        ),
        (
            "device",
            a_target(("ios_advertising_id", IDFA)),
            {},
            lambda c: c.add_users(SCHEMA.mobile_advertiser_id, [IDFA]),
            lambda c: c.remove_users(SCHEMA.mobile_advertiser_id, [IDFA]),
        ),
        (
            "facebook",
            a_target(("facebook", "1000123")),
            {},
            lambda c: c.add_users(SCHEMA.uid, ["1000123"], app_ids=["55"]),
            lambda c: c.remove_users(SCHEMA.uid, ["1000123"], app_ids=["55"]),
        ),
        (
            "multi_key",
            a_target(
                ("email", "A@b.co"),
                ("mobile_number", "+1 (555) 0100"),
                ("ios_advertising_id", IDFA),
                Gender="Female",
                FirstName="Anne-Marie",
                LastName="O'Brien",
                City="San Francisco",
                State="CA",
                Zip="94103-1234",
                Country="US",
            ),
            {"multi_key": "true", "match_on_user_attributes": "true"},
            lambda c: c.add_users(*_ROW, is_raw=True),
            lambda c: c.remove_users(*_ROW, is_raw=True),
        ),
    ],
)
def test_members_are_told_as_the_client_does(
    partner: MetaPartner,
    api: FacebookAdsApi,
    kind: str,
    target: Target,
    settings: dict[str, str],
    add: Told,
    remove: Told,
) -> None:
    connector = connect(partner)
    fans = replace(FANS, settings={**SOURCE, **settings})
    remote_id = connector.subscribe(fans, NOW)[f"remote_{kind}"]
    only = replace(fans, settings={**fans.settings, f"remote_{kind}": remote_id})
    partner.heard.clear()

    connector.forward(only, [Forward(ANN, None, target)], NOW)
    assert partner.audiences[remote_id].entries
    connector.forward(only, [Forward(ANN, target, None)], NOW)
    add(CustomAudience(remote_id, api=api))
    remove(CustomAudience(remote_id, api=api))

    ours, theirs = partner.heard[:2], partner.heard[2:]
    assert [said(each) for each in ours] == [said(each) for each in theirs]
    # To the letter, even.
    assert [(each.target, each.body) for each in ours] == [(each.target, each.body) for each in theirs]


def test_what_members_are_worth_is_told_as_the_client_does(partner: MetaPartner, api: FacebookAdsApi) -> None:
    connector = connect(partner)
    fans = replace(FANS, settings={**SOURCE, "value_based": "true", "value_attribute": "$ltv"})
    remote_id = connector.subscribe(fans, NOW)["remote_email"]
    only = replace(fans, settings={**fans.settings, "remote_email": remote_id})
    partner.heard.clear()

    connector.forward(only, [Forward(ANN, None, a_target(("email", "a@b.co"), ltv=44.5))], NOW)
    (entry,) = partner.audiences[remote_id].entries
    ((_, hashed),) = entry
    told = [hashed, 44.5]
    CustomAudience(remote_id, api=api).add_users(["EMAIL", "LOOKALIKE_VALUE"], [told], is_raw=True, pre_hashed=True)

    ours, theirs = partner.heard
    assert (ours.target, ours.body) == (theirs.target, theirs.body)


@pytest.mark.filterwarnings("ignore:value of lookalike_spec")  # the client's own
def test_a_lookalike_is_made_as_the_client_does(partner: MetaPartner, api: FacebookAdsApi) -> None:
    connector = connect(partner)
    ids = connector.subscribe(FANS, NOW)
    origin = partner.audiences[ids["remote_email"]]
    origin.entries = {frozenset({("EMAIL", sha(str(n)))}): None for n in range(100)}
    partner.heard.clear()

    made = connector.make_lookalike(ids, LookalikeSpec(country="DE", ratio=Decimal("0.05")))
    AdAccount(f"act_{ACCOUNT}", api=api).create_custom_audience(
        fields=[],
        params={
            "name": made.name,
            "subtype": "LOOKALIKE",
            "description": partner.audiences[made.remote_id].description,
            "origin_audience_id": ids["remote_email"],
            "lookalike_spec": {"ratio": 0.05, "country": "DE"},
        },
    )

    *_, ours, theirs = partner.heard
    assert (ours.target, ours.body) == (theirs.target, theirs.body)
