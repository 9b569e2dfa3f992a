"""Users and sizes through the handler."""

from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.definition import Definition
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import HistoryEntry, Reason
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore, MemoryWorkspaceStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from functions.insights_api import handler
from tests.support.control import (
    ACCOUNT,
    INPUT,
    OTHER_ACCOUNT,
    WORKSPACE,
    a_workspace,
    an_account,
    an_audience,
    an_input,
)
from tests.support.http_api import Answer, Caller, a_context, a_sample
from tests.support.population import tier_is

NOW = 1_795_525_200_000
ANN = Mpid(-4711)


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Ann, gold, of one account."""
    made = SimpleNamespace(
        accounts=MemoryAccountStore(),
        audiences=MemoryAudienceStore(),
        workspaces=MemoryWorkspaceStore(),
        profiles=MemoryProfileStore(),
        history=MemoryHistoryStore(),
        memberships=MemoryMembershipStore(),
    )
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        made.accounts.create(an_account(account_id=account_id))
    made.workspaces.save(a_workspace())
    made.workspaces.save_input(an_input())
    ann = Profile(ACCOUNT, Environment.PRODUCTION, ANN)
    ann.seen[WORKSPACE] = Seen(NOW - 5, NOW)
    ann.identities = {Identity("email", "ann@example.com"): NOW}
    ann.registers[RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, "tier")] = Register("gold", NOW)
    made.profiles.save(ann, NOW)
    for number, tier in ((1, "gold"), (2, "silver")):
        audience_id = AudienceId(number)
        definition = Definition(root=tier_is(tier))
        made.audiences.publish(
            an_audience(
                audience_id=audience_id, name=tier, status=AudienceStatus.ACTIVE, inputs=(INPUT,), definition=definition
            )
        )
    made.history.record(ACCOUNT, [HistoryEntry(AudienceId(1), ANN, True, NOW, Reason.ATTRIBUTE, 1)], 90)
    monkeypatch.setattr(wiring, "stores", lambda: made)
    return made


def get(path: str, account_id: AccountId = ACCOUNT, **query: Any) -> Answer:
    return Caller(handler.lambda_handler, account_id)("GET", path, **query)


def test_a_user_s_audiences_are_told_with_their_time(stores: SimpleNamespace) -> None:
    answer = get("/v1/profiles/-4711/memberships")

    assert answer.status == 200
    (membership,) = answer.body["items"]
    assert (membership["audience_id"], membership["name"], membership["until"]) == (1, "gold", None)
    assert membership["since"] == "2026-11-24T13:00:00Z"


@pytest.mark.parametrize("mpid", ["4712", "nobody", str(2**63)])
def test_a_user_who_is_not_there_is_not_found(stores: SimpleNamespace, mpid: str) -> None:
    assert get(f"/v1/profiles/{mpid}/memberships").status == 404
    assert get("/v1/profiles/-4711/memberships", OTHER_ACCOUNT).status == 404


def test_sizes_and_suggestions_are_told(stores: SimpleNamespace) -> None:
    points = get("/v1/audiences/1/sizes", days="2").body["points"]
    assert len(points) == 49
    assert get("/v1/audiences/1/sizes", days="400").pointers == ["/query/days"]
    assert get("/v1/audiences/404/sizes").status == 404
    suggested = get("/v1/suggestions", workspace=WORKSPACE, input=INPUT).body
    assert [each["name"] for each in suggested["user_attributes"]] == ["tier"]


def test_the_sample_event_is_understood(stores: SimpleNamespace) -> None:
    answer = handler.lambda_handler(a_sample("insights_api_sizes"), a_context())

    assert answer["statusCode"] == 200
