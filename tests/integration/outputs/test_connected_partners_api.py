"""What is asked of a connected partner through the handler: lookalikes, and how it compares with the audience."""

import json
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from audience_core import wiring
from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.membership import Membership
from audience_core.outputs.http import HttpSend
from audience_core.pipeline.update_subscription import update_subscription
from tests.support.control import ACCOUNT, AUDIENCE, NOW
from tests.support.delivery import T, email
from tests.support.http_api import Caller
from tests.support.meta_partner import ACCOUNT as META_ACCOUNT
from tests.support.meta_partner import TOKEN as META_TOKEN
from tests.support.meta_partner import MetaPartner, sha
from tests.support.outputs_api import connected


@pytest.fixture
def partner(monkeypatch: pytest.MonkeyPatch) -> Iterator[MetaPartner]:
    monkeypatch.setattr(wiring, "send", lambda: HttpSend(allow_private=True))
    with MetaPartner().serving() as partner:
        yield partner


def advertised(call: Caller, stack: SimpleNamespace, partner: MetaPartner, members: int) -> str:
    """Path of a connection to Meta whose audience of e-mails has members."""
    meta = {"ad_account_id": META_ACCOUNT, "access_token": META_TOKEN, "graph_url": partner.url}
    output = call("POST", "/v1/outputs", {"connector": "meta", "name": "Ads", "settings": meta})
    given = {"output_id": output.body["id"], "settings": {"customer_file_source": "USER_PROVIDED_ONLY"}}
    path = call("POST", "/v1/audiences/1/connections", given).headers["Location"]
    update_subscription(stack, wiring.send(), ACCOUNT, ConnectionId(path.rpartition("/")[2]), 1, NOW)
    origin = next(each for each in partner.audiences.values() if each.name.endswith("(email)"))
    origin.entries = {frozenset({("EMAIL", sha(str(n)))}): None for n in range(members)}
    return path


def test_a_lookalike_is_made_once(call: Caller, stack: SimpleNamespace, partner: MetaPartner) -> None:
    path = advertised(call, stack, partner, 100)
    spec = {"country": "DE", "ratio": 0.03, "starting_ratio": 0.01}

    made = call("POST", f"{path}/lookalike", spec)
    again = call("POST", f"{path}/lookalike", spec)
    other = call("POST", f"{path}/lookalike", {"country": "DE", "origin": "email"})

    assert (made.status, made.body["name"]) == (201, "Lookalike (DE, 1%-3%) - Players (email)")
    assert (again.status, again.body) == (201, made.body)
    assert other.body["name"] == "Lookalike (DE, 1%) - Players (email)"
    fields = partner.audiences[made.body["remote_id"]].fields
    assert json.loads(fields["lookalike_spec"]) == spec
    assert partner.audiences[fields["origin_audience_id"]].name == "Players (email)"


def test_a_lookalike_needs_members_and_a_partner_that_makes_them(
    call: Caller, stack: SimpleNamespace, partner: MetaPartner
) -> None:
    path, spec = advertised(call, stack, partner, 99), {"country": "DE"}

    few = call("POST", f"{path}/lookalike", spec)
    elsewhere = call("POST", f"{path}/lookalike", {**spec, "origin": "phones"})
    nonsense = call("POST", f"{path}/lookalike", {"country": "Germany", "ratio": 0.015})
    call("DELETE", path)

    assert (few.status, "hundred" in few.body["detail"]) == (409, True)
    assert (elsewhere.status, elsewhere.pointers) == (422, ["/origin"])
    assert (nonsense.status, nonsense.pointers) == (422, ["/country", "/ratio"])
    assert call("POST", "/v1/connections/c-9/lookalike", spec).status == 404


def test_a_webhook_makes_no_lookalikes_and_nobody_before_the_partner_was_told(
    call: Caller, stack: SimpleNamespace
) -> None:
    meta = {"connector": "meta", "name": "Ads", "settings": {"ad_account_id": "1", "access_token": "t"}}
    untold = call(
        "POST",
        "/v1/audiences/1/connections",
        {
            "output_id": call("POST", "/v1/outputs", meta).body["id"],
            "settings": {"customer_file_source": "USER_PROVIDED_ONLY"},
        },
    ).headers["Location"]

    answers = [call("POST", f"{path}/lookalike", {"country": "DE"}) for path in (connected(call), untold)]

    assert [each.status for each in answers] == [409, 409]


def test_a_partner_is_compared_with_its_audience(call: Caller, stack: SimpleNamespace) -> None:
    path = connected(call)
    connection_id = path.rsplit("/", 1)[1]
    stack.memberships.rows[ACCOUNT, AUDIENCE] = [Membership(AUDIENCE, Mpid(n), 1) for n in (8, 16, 24)]
    for mpid in (Mpid(8), Mpid(16), Mpid(24)):
        stack.ledger.desire(ACCOUNT, connection_id, mpid, email(f"user-{mpid}"), 1, T)
    first, second, third = stack.ledger.dirty(ACCOUNT, connection_id, 0, 10)
    stack.ledger.acknowledge([first])
    stack.ledger.reject(second, "unsubscribed", None)

    page = call("GET", f"{path}/reconciliation", limit=1).body
    rest = call("GET", f"{path}/reconciliation", limit=1, next=page["next"]).body
    last = call("GET", f"{path}/reconciliation", limit=1, next=rest["next"]).body
    counted = call("GET", f"{path}/reconciliation", limit=0).body

    assert (page["is_complete"], page["is_converged"], len(page["items"])) == (False, None, 1)
    assert {each["mpid"]: each["reason"] for each in page["items"] + rest["items"] + last["items"]} == {
        str(second.mpid): "rejected",
        str(third.mpid): "waiting",
    }
    assert [each["detail"] for each in page["items"] + rest["items"]] == ["unsubscribed", None]
    assert (last["is_complete"], last["is_converged"], last["next"]) == (True, False, None)
    assert counted["items"] == []
    assert counted["total"] == last["total"]
    assert {name: counted["total"][name] for name in ("members", "delivered", "waiting", "rejected")} == {
        "members": 3, "delivered": 1, "waiting": 1, "rejected": 1,
    }  # fmt: skip
    assert "example.com" not in str((page, rest, last))


@pytest.mark.parametrize("cursor", ["nonsense", "W10", ""])
def test_a_comparison_is_not_continued_from_nowhere(call: Caller, cursor: str) -> None:
    refused = call("GET", f"{connected(call)}/reconciliation", next=cursor)

    assert (refused.status, refused.pointers) == (422, ["/query/next"])
