"""Connections of audiences to outputs, through their handler."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from audience_core.domain.account import Role
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, SubscriptionState
from audience_core.outputs.registry import CONNECTORS
from functions.outputs_api import handler
from tests.support.control import ACCOUNT, OTHER_ACCOUNT, an_audience
from tests.support.control_stack import runs
from tests.support.http_api import Caller
from tests.support.outputs_api import ANY, FAULT, connected, new


def test_an_audience_is_connected_paused_and_disconnected(call: Caller, stack: SimpleNamespace) -> None:
    output = call("POST", "/v1/outputs", new())
    created = call("POST", "/v1/audiences/1/connections", {"output_id": output.body["id"], "settings": {"list": "vip"}})
    path = created.headers["Location"]
    paused = call("PATCH", path, {"status": "inactive"}, {"If-Match": created.headers["ETag"]})
    deleted = call("DELETE", path)

    assert (created.status, created.body["status"], created.body["settings"]) == (201, "active", {"list": "vip"})
    assert (paused.body["status"], paused.body["active_since"]) == ("inactive", None)
    assert (deleted.status, deleted.body["status"]) == (202, "deleting")
    assert call("GET", path).body == deleted.body
    assert call("GET", "/v1/audiences/1/connections").body["items"] == [deleted.body]
    assert sorted(runs(stack)) == [f"fill-{ACCOUNT}-{created.body['id']}-{version}" for version in (1, 2, 3)]


def test_attributes_are_chosen_before_the_partner_is_told_anything(call: Caller, stack: SimpleNamespace) -> None:
    output_id = call("POST", "/v1/outputs", new()).body["id"]
    inactive = {"output_id": output_id, "status": "inactive"}
    created = call("POST", "/v1/audiences/1/connections", inactive)
    path = created.headers["Location"]
    lists = {"account": ["tier", "city", "tier"], "workspace": ["visits"]}

    changed = call("PATCH", path, {"attributes": lists, "status": "active"}, ANY)

    assert created.body["attributes"] == {"account": [], "workspace": []}
    assert "attributes" in created.body["notice"]
    assert changed.body["attributes"] == {"account": ["city", "tier"], "workspace": ["visits"]}
    assert call("GET", path).body == changed.body
    assert f"fill-{ACCOUNT}-{created.body['id']}-2" in runs(stack)
    stored = stack.outputs.list_connections(ACCOUNT)[0]
    stack.outputs.save_connection(stored.model_copy(update={"subscription": SubscriptionState.ACTIVE}))
    assert call("GET", path).body["notice"] is None
    assert call("PATCH", path, {"attributes": {}}, ANY).body["attributes"] == {"account": [], "workspace": []}


@pytest.mark.parametrize(
    ("attributes", "pointer"),
    [
        ({"account": [str(n) for n in range(30)], "workspace": [str(n) for n in range(100, 120)]}, "/attributes"),
        ({"account": [""]}, "/attributes/account/0"),
        ({"device": ["model"]}, "/attributes/device"),
    ],
    ids=["too many", "no name", "no such list"],
)
def test_lists_of_attributes_that_cannot_be_used_are_named(call: Caller, attributes: Any, pointer: str) -> None:
    output_id = call("POST", "/v1/outputs", new()).body["id"]

    refused = call("POST", "/v1/audiences/1/connections", {"output_id": output_id, "attributes": attributes})

    assert (refused.status, refused.pointers) == (422, [pointer])


def test_a_connector_without_attributes_takes_none(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    plain = replace(CONNECTORS["webhook"], kind="plain", accepts_attributes=False)
    monkeypatch.setitem(CONNECTORS, "plain", plain)
    output_id = call("POST", "/v1/outputs", {**new(), "connector": "plain"}).body["id"]
    body = {"output_id": output_id, "attributes": {"account": ["tier"]}}

    refused = call("POST", "/v1/audiences/1/connections", body)
    created = call("POST", "/v1/audiences/1/connections", {"output_id": output_id})
    edited = call("PATCH", created.headers["Location"], {"attributes": body["attributes"]}, ANY)

    assert (refused.status, refused.pointers) == (422, ["/attributes"])
    assert created.body["notice"] is None
    assert (edited.status, edited.pointers) == (422, ["/attributes"])


def test_a_connection_being_deleted_is_not_changed_and_not_replaced(call: Caller) -> None:
    path = connected(call)
    output_id = call("DELETE", path).body["output_id"]

    changed = call("PATCH", path, {"status": "active"}, ANY)
    replaced = call("POST", "/v1/audiences/1/connections", {"output_id": output_id})

    assert (changed.status, replaced.status) == (409, 409)
    assert call("DELETE", path).body["version"] == 2


def test_a_faulted_partner_is_given_up_by_deleting_twice(call: Caller, stack: SimpleNamespace) -> None:
    path = connected(call)
    call("DELETE", path)
    stored = stack.outputs.list_connections(ACCOUNT)[0]
    stack.outputs.save_connection(stored.model_copy(update={"fault": FAULT}))

    call("DELETE", path)

    given_up = stack.outputs.list_connections(ACCOUNT)[0]
    assert (given_up.subscription, given_up.fault) == (SubscriptionState.REMOVED, None)


def test_only_an_active_audience_is_connected_and_only_once(call: Caller, stack: SimpleNamespace) -> None:
    output_id = call("POST", "/v1/outputs", new()).body["id"]
    stack.audiences.save(an_audience(audience_id=2))

    draft = call("POST", "/v1/audiences/2/connections", {"output_id": output_id})
    first = call("POST", "/v1/audiences/1/connections", {"output_id": output_id})
    second = call("POST", "/v1/audiences/1/connections", {"output_id": output_id})
    nowhere = call("POST", "/v1/audiences/1/connections", {"output_id": "o-none"})

    assert [draft.status, first.status, second.status] == [409, 201, 409]
    assert (nowhere.status, nowhere.pointers) == (422, ["/output_id"])


def test_resuming_clears_the_fault_and_wakes_every_lane(call: Caller, stack: SimpleNamespace) -> None:
    path = connected(call)
    stored = stack.outputs.list_connections(ACCOUNT)[0]
    told = {"fault": FAULT, "subscription": SubscriptionState.ACTIVE}
    faulted = stack.outputs.save_connection(stored.model_copy(update=told))
    shown = call("GET", path)

    resumed = call("POST", f"{path}/resume")

    assert shown.body["fault"]["kind"] == "authentication"
    assert resumed.body["fault"] is None
    assert stack.wake_ups.sent == [WakeUp(ACCOUNT, faulted.connection_id, bucket) for bucket in range(DELIVERY_BUCKETS)]


def test_resuming_what_the_partner_never_heard_of_tells_it_again(call: Caller, stack: SimpleNamespace) -> None:
    path = connected(call)
    stored = stack.outputs.list_connections(ACCOUNT)[0]
    stack.outputs.save_connection(stored.model_copy(update={"fault": FAULT}))

    resumed = call("POST", f"{path}/resume")

    assert f"fill-{ACCOUNT}-{resumed.body['id']}-{resumed.body['version']}" in runs(stack)


def test_fixed_settings_stay_as_the_connection_was_made_with(call: Caller) -> None:
    meta = {"ad_account_id": "123", "access_token": "t0ken", "app_id": "55"}
    output = call("POST", "/v1/outputs", {"connector": "meta", "name": "Ads", "settings": meta})
    given = {"customer_file_source": "USER_PROVIDED_ONLY", "value_based": True, "value_attribute": "ltv"}
    path = call("POST", "/v1/audiences/1/connections", {"output_id": output.body["id"], "settings": given}).headers[
        "Location"
    ]

    toggled = call("PATCH", path, {"settings": {**given, "forward_phones": False}}, ANY)
    refused = call("PATCH", path, {"settings": {**given, "value_attribute": "age", "multi_key": True}}, ANY)

    assert (toggled.status, toggled.body["settings"]["forward_phones"]) == (200, False)
    assert refused.status == 422
    assert {each["pointer"] for each in refused.body["errors"]} == {"/settings/value_attribute", "/settings/multi_key"}
    assert "t0ken" not in str(output.body)


def test_people_do_not_set_a_connection_to_deleting(call: Caller) -> None:
    assert call("PATCH", connected(call), {"status": "deleting"}, ANY).pointers == ["/status"]


def test_another_account_cannot_connect_to_these_outputs(
    call: Caller, stranger: Caller, stack: SimpleNamespace
) -> None:
    output_id = call("POST", "/v1/outputs", new()).body["id"]
    stack.audiences.publish(an_audience(account_id=OTHER_ACCOUNT, status=AudienceStatus.ACTIVE))

    refused = stranger("POST", "/v1/audiences/1/connections", {"output_id": output_id})

    assert (refused.status, refused.pointers) == (422, ["/output_id"])


def test_audience_makers_connect_to_outputs_that_users_create(stack: SimpleNamespace) -> None:
    maker = Caller(handler.lambda_handler, ACCOUNT, Role.AUDIENCES_ONLY)
    user = Caller(handler.lambda_handler, ACCOUNT, Role.USER)

    assert maker("POST", "/v1/outputs", new()).status == 403
    created = user("POST", "/v1/outputs", new())
    assert created.status == 201
    assert maker("POST", "/v1/audiences/1/connections", {"output_id": created.body["id"]}).status == 201
