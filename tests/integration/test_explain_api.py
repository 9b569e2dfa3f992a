"""Explain, preview and estimate, through the audiences API's handler and stores in an AWS in memory."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.api import edge
from audience_core.domain.account import Role
from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event, Identity
from audience_core.domain.ids import InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.domain.stores import IdentityRow
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.profiles import DynamoProfileStore
from functions.audiences_api import handler
from tests.support.control import ACCOUNT, INPUT, OTHER_ACCOUNT, WORKSPACE, a_workspace, an_input, an_output
from tests.support.control_stack import REGION, control_stack, create_table, emptied
from tests.support.http_api import Caller

NOW = 1_795_521_600_000  # 2026-11-24T12:00:00Z
DAY = 86_400_000
PREVIEW = "/v1/audiences/preview"
PLAYED = {"root": {"type": "event", "event": {"kind": "custom_event", "name": "Play Video"}}}
IS_GOLD = {"type": "string", "operator": "equals", "value": "gold"}


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    stores.profiles = DynamoProfileStore(create_table("profiles"), create_table("chunks"), REGION)
    stores.identities = DynamoIdentityStore(create_table("identities"), REGION)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    monkeypatch.setattr(edge, "now", lambda: edge.instant(NOW))
    stores.workspaces.save(a_workspace())
    stores.workspaces.save_input(an_input())
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


def new(**given: Any) -> dict[str, Any]:
    return {"workspaces": [WORKSPACE], "inputs": [INPUT], "definition": PLAYED} | given


def stored(stack: SimpleNamespace, mpid: int, *played_at: int, **given: Any) -> Profile:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(mpid))
    profile.seen[WORKSPACE] = Seen(NOW - DAY, NOW)
    for place, at in enumerate(played_at):
        event = Event(EventKind.CUSTOM, "Play Video", at, bytes([place] * 8), WORKSPACE, InputId(INPUT), {"minutes": 3})
        profile.timeline.setdefault((event.kind, event.name), []).append(event)
    for identity_type, value in given.items():
        profile.identities[Identity(identity_type, value)] = NOW
    stack.profiles.save(profile, NOW)
    return profile


def claimed(stack: SimpleNamespace, customer_id: str, *mpids: int) -> None:
    row = IdentityRow(Identity("customer_id", customer_id), dict.fromkeys(map(Mpid, mpids), NOW))
    stack.identities.write(ACCOUNT, Environment.PRODUCTION, [row])


def created(call: Caller, **given: Any) -> str:
    return str(call("POST", "/v1/audiences", new(name="Players", **given)).headers["Location"])


def test_a_member_is_told_why_and_until_when(call: Caller, stack: SimpleNamespace) -> None:
    stored(stack, -7, NOW - 3 * DAY)

    answer = call("GET", f"{created(call)}/explain", mpid="-7")

    assert answer.status == 200, answer.body
    assert (answer.body["mpid"], answer.body["at"], answer.body["is_member"]) == ("-7", "2026-11-24T12:00:00Z", True)
    assert answer.body["next_change"] == {"at": "2026-12-21T12:00:00.001000Z", "value": False}
    root = answer.body["root"]
    assert (root["type"], root["path"], root["value"]) == ("event", "/definition/root", True)
    assert root["saw"] == {"what": "count", "value": 1}
    assert root["deciding"] == [
        {
            "kind": "custom_event",
            "name": "Play Video",
            "at": "2026-11-21T12:00:00Z",
            "attributes": {},
            "products": [],
        }
    ]


def test_a_customer_id_finds_the_profile_that_holds_it(call: Caller, stack: SimpleNamespace) -> None:
    stored(stack, 5, NOW - DAY)  # once claimed it, and has lost it since
    stored(stack, 6, customer_id="c-1")
    claimed(stack, "c-1", 5, 6)

    answer = call("GET", f"{created(call)}/explain", customer_id="c-1")

    assert (answer.body["mpid"], answer.body["is_member"]) == ("6", False)
    assert call("GET", f"{created(call)}/explain", customer_id="c-2").status == 404


def test_an_instant_of_the_past_is_answered_by_what_is_known_now(call: Caller, stack: SimpleNamespace) -> None:
    stored(stack, 5, NOW - 3 * DAY)
    path = f"{created(call)}/explain"

    before = call("GET", path, mpid="5", at="2026-11-21T11:59:59.999Z")
    after = call("GET", path, mpid="5", at="2026-11-21T12:00:00")

    assert (before.body["is_member"], after.body["is_member"]) == (False, True)
    assert before.body["next_change"] == {"at": "2026-11-21T12:00:00Z", "value": True}


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"mpid": "5", "at": "2026-10-25T11:59:59Z"}, "/query/at"),
        ({"mpid": "5", "at": "2027-12-24T12:00:00Z"}, "/query/at"),
        ({"mpid": "5", "at": "yesterday"}, "/query/at"),
        ({"mpid": "five"}, "/query/mpid"),
        ({"mpid": "5", "customer_id": "c-1"}, "/query/mpid"),
        ({}, "/query/mpid"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    call: Caller, stack: SimpleNamespace, query: dict[str, Any], pointer: str
) -> None:
    stored(stack, 5)

    answer = call("GET", f"{created(call)}/explain", **query)

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_a_profile_or_audience_of_nobody_is_not_found(call: Caller, stack: SimpleNamespace) -> None:
    stored(stack, 5)
    stranger = Caller(handler.lambda_handler, OTHER_ACCOUNT)
    path = f"{created(call)}/explain"

    assert call("GET", path, mpid="6").status == 404
    assert call("GET", "/v1/audiences/99/explain", mpid="5").status == 404
    assert stranger("GET", path, mpid="5").status == 404


def test_a_nested_audience_is_explained_with_its_parts(call: Caller, stack: SimpleNamespace) -> None:
    stored(stack, 5, NOW - DAY)
    nested = created(call, activate=True)
    root = {"type": "not", "criterion": {"type": "audience_membership", "audience_id": int(nested.split("/")[-1])}}

    answer = call("GET", f"{created(call, definition={'root': root})}/explain", mpid="5")

    (membership,) = answer.body["root"]["children"]
    assert (answer.body["is_member"], membership["value"]) == (False, True)
    assert membership["summary"] == "The user is in the audience “Players”."
    assert [child["type"] for child in membership["children"]] == ["population", "event"]


@pytest.fixture
def shop(stack: SimpleNamespace) -> Iterator[SimpleNamespace]:
    """100 users, of whom 40 played, 10 of these with an e-mail address."""
    for mpid in range(1, 101):
        email = {"email": f"{mpid}@example.com"} if mpid <= 10 else {}
        stored(stack, mpid * 7919 * 10**14, *([NOW - DAY] if mpid <= 40 else []), **email)
    stack.outputs.save(an_output(settings={"url": "https://example.com/members", "accepted_identities": ["email"]}))
    return stack


def test_a_preview_of_a_small_account_is_exact(call: Caller, shop: SimpleNamespace) -> None:
    answer = call("POST", PREVIEW, new())

    assert answer.status == 200, answer.body
    figures = {name: answer.body[name] for name in ("size", "low", "high", "is_exact", "sampled", "population")}
    assert figures == {"size": 40, "low": 40, "high": 40, "is_exact": True, "sampled": 100, "population": 100}
    assert len(set(answer.body["members_sample"])) == 20
    (reach,) = answer.body["reach"]
    assert (reach["name"], reach["identity_types"], reach["size"]) == ("Our warehouse", ["email"], 10)
    assert answer.body["lint"] == []


def test_a_preview_warns_of_what_will_hardly_work(call: Caller, shop: SimpleNamespace) -> None:
    event = {"kind": "custom_event", "name": "play_video"}
    root = {"type": "all_of", "criteria": [{"type": "event", "event": event}, PLAYED["root"]]}

    body = call("POST", PREVIEW, new(definition={"root": root})).body

    assert body["size"] == 0
    assert body["lint"] == [
        {
            "path": "/definition/root/criteria/0/event/name",
            "code": "unknown_event",
            "message": "none of the 100 users looked at has an event “play_video” of kind custom_event",
            "suggestion": "did you mean “Play Video”?",
        }
    ]


def test_a_preview_of_what_cannot_be_saved_is_refused_in_the_same_words(call: Caller) -> None:
    nested = {"root": {"type": "audience_membership", "audience_id": 9}}

    answer = call("POST", PREVIEW, new(definition=nested))
    unreadable = call("POST", PREVIEW, new(definition={"root": {"type": "nonsense"}}))

    assert (answer.status, answer.pointers) == (422, ["/definition/root/audience_id"])
    assert answer.pointers == call("POST", "/v1/audiences", new(name="x", definition=nested)).pointers
    assert unreadable.pointers == ["/definition/root"]
    assert call("POST", PREVIEW, new(inputs=["i-ffffffffffff"])).pointers == ["/inputs/0"]


def test_who_may_only_read_cannot_post_a_preview_but_can_have_an_estimate(call: Caller, stack: SimpleNamespace) -> None:
    reader = Caller(handler.lambda_handler, ACCOUNT, Role.READ_ONLY)

    assert reader("POST", PREVIEW, new()).status == 403
    assert reader("GET", f"{created(call)}/estimate").status == 200


def test_an_estimate_measures_a_draft_by_its_definition(call: Caller, shop: SimpleNamespace) -> None:
    test = {"type": "presence", "operator": "not_exists"}
    root = {"type": "user_attribute", "attribute": "tier", "test": test}
    gold = stored(shop, 12345, NOW)
    gold.registers[RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, "tier")] = Register("gold", NOW)
    shop.profiles.save(gold, NOW)
    elsewhere = stored(shop, 12346, NOW)
    elsewhere.seen = {WorkspaceId("w-ffffffffffff"): Seen(NOW, NOW)}
    shop.profiles.save(elsewhere, NOW)

    body = call("GET", f"{created(call, definition={'root': root})}/estimate").body

    assert (body["size"], body["population"], body["is_exact"]) == (100, 102, True)


def test_an_account_without_users_has_an_empty_preview(call: Caller) -> None:
    body = call("POST", PREVIEW, new()).body

    assert (body["size"], body["high"], body["sampled"], body["population"]) == (0, 0, 0, 0)


def test_an_instant_may_have_any_zone(call: Caller, stack: SimpleNamespace) -> None:
    stored(stack, 5)

    answer = call("GET", f"{created(call)}/explain", mpid="5", at="2026-11-24T14:00:00+02:00")

    assert answer.body["at"] == "2026-11-24T12:00:00Z"
