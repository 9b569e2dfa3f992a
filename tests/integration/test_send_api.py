"""Sending lifetime audiences through handlers, state machine and a ledger in DynamoDB; and what is refused."""

from datetime import timedelta
from types import SimpleNamespace

import pytest

from audience_core import wiring, wiring_archive, wiring_outputs
from audience_core.api import edge
from audience_core.domain.account import Role
from audience_core.domain.ids import ConnectionId
from audience_core.domain.output import DELIVERY_BUCKETS
from tests.support.control import OTHER_ACCOUNT, OUTPUT
from tests.support.control_stack import runs
from tests.support.http_api import Caller
from tests.support.lifetime_stack import (
    PREMIUM,
    a_user,
    archive,
    created,
    everything,
    opened,
    premium_stack,
    run,
    send,
    started,
    three_buyers,
)


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return premium_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = opened(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    wiring_archive.calculation.cache_clear()
    wiring_outputs.sender.cache_clear()
    three_buyers(stores)
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(everything, PREMIUM)


def ready(stack: SimpleNamespace, call: Caller) -> tuple[int, str]:
    """A calculated audience of four members, and its connection."""
    audience = created(call, date_range={"start": (edge.now() - timedelta(days=600)).date().isoformat()})
    connection = call("POST", f"/v1/audiences/{audience}/connections", {"output_id": OUTPUT}).body["id"]
    run(stack, started(call, audience).body["id"])
    return audience, connection


def desired(stack: SimpleNamespace, connection_id: str) -> dict[int, str]:
    lanes = range(DELIVERY_BUCKETS)
    rows = [row for lane in lanes for row in stack.ledger.rows(PREMIUM, connection_id, lane, None, 100).items]
    return {row.mpid: row.desired.identities[0].value for row in rows if row.desired}


def test_a_ready_audience_is_sent_and_after_another_calculation_what_changed(
    stack: SimpleNamespace, call: Caller
) -> None:
    audience, connection = ready(stack, call)

    answer = call("POST", f"/v1/audiences/{audience}/send", {})
    during = call("GET", f"/v1/connections/{connection}").body
    again = call("POST", f"/v1/audiences/{audience}/send", {})
    send(stack, answer.body["id"])
    after = call("GET", f"/v1/jobs/{answer.body['id']}").body

    assert (answer.status, answer.body["kind"], answer.body["state"]) == (202, "send_audience", "queued")
    assert answer.headers["Location"] == f"/v1/jobs/{answer.body['id']}"
    assert (during["status"], during["active_since"] is None) == ("active", False)
    assert during["sent"] == {"job_id": answer.body["id"], "calculation_id": "lifetime-1"}
    assert (again.status, answer.body["id"] in again.body["detail"]) == (409, True)
    assert (after["state"], after["progress"], [each["code"] for each in after["results"]]) == (
        "succeeded",
        1.0,
        ["sent"],
    )
    assert desired(stack, connection) == {mpid: f"{mpid}@example.com" for mpid in (1, 2, 3, 4)}
    assert any(name.startswith(f"fill-{PREMIUM}-{connection}") for name in runs(stack))

    archive(stack, a_user(2, 40, 41), a_user(3, 4), a_user(5, 6))
    run(stack, started(call, audience).body["id"])
    send(stack, call("POST", f"/v1/connections/{connection}/send").body["id"])

    assert desired(stack, connection) == {mpid: f"{mpid}@example.com" for mpid in (2, 3, 5)}


def test_what_cannot_be_sent_is_refused_with_what_to_do(
    stack: SimpleNamespace, call: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    audience, connection = ready(stack, call)
    draft, real_time = created(call), created(call, kind="real_time", activate=True)

    def refused(audience_id: int, body: dict[str, object] | None = None) -> tuple[int, str]:
        answer = call("POST", f"/v1/audiences/{audience_id}/send", body or {})
        return answer.status, answer.body["detail"]

    assert refused(draft) == (409, "the audience is a draft: calculate it first (POST /v1/lifetime-calculations)")
    assert refused(real_time)[0] == 409
    assert "real-time" in refused(real_time)[1]
    assert refused(12345)[0] == 404
    foreign = call("POST", f"/v1/audiences/{audience}/send", {"connection_ids": [connection, "c-other"]})
    assert (foreign.status, foreign.pointers) == (422, ["/connection_ids/1"])
    assert call("POST", f"/v1/audiences/{audience}/send", {"connection_ids": []}).status == 422
    assert Caller(everything, PREMIUM, Role.READ_ONLY)("POST", f"/v1/audiences/{audience}/send", {}).status == 403
    assert Caller(everything, OTHER_ACCOUNT)("POST", f"/v1/audiences/{audience}/send", {}).status == 404
    active = call("PATCH", f"/v1/connections/{connection}", {"status": "active"}, {"If-Match": "*"})
    assert (active.status, f"/v1/audiences/{audience}/send" in active.body["detail"]) == (409, True)

    stack.outputs.delete_connection(stack.outputs.get_connection(PREMIUM, ConnectionId(connection)))
    assert refused(audience) == (409, "the audience is not connected to an output yet: connect one first")
    later = edge.now() + timedelta(days=30, seconds=5)
    monkeypatch.setattr(edge, "now", lambda: later)
    assert refused(audience)[0] == 409
    assert "archived" in refused(audience)[1]
    assert not any(name.startswith(f"{PREMIUM}-send") for name in runs(stack))


def test_nothing_is_sent_while_it_is_calculated_anew(stack: SimpleNamespace, call: Caller) -> None:
    audience = created(call, date_range={"start": (edge.now() - timedelta(days=300)).date().isoformat()})
    call("POST", f"/v1/audiences/{audience}/connections", {"output_id": OUTPUT})
    run(stack, started(call, audience).body["id"])
    started(call, audience)

    answer = call("POST", f"/v1/audiences/{audience}/send", {})

    assert (answer.status, "is being calculated" in answer.body["detail"]) == (409, True)


def test_an_audience_goes_after_its_connections_and_these_after_their_members(
    stack: SimpleNamespace, call: Caller
) -> None:
    audience, connection = ready(stack, call)
    send(stack, call("POST", f"/v1/audiences/{audience}/send", {}).body["id"])

    refused = call("DELETE", f"/v1/audiences/{audience}")
    deleted = call("DELETE", f"/v1/connections/{connection}")

    assert (refused.status, connection in refused.body["detail"]) == (409, True)
    assert (deleted.status, deleted.body["status"]) == (202, "deleting")
