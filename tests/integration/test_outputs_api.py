"""The directory, outputs and connections, through their handler."""

import json
from collections.abc import Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, Fault, FaultKind, SubscriptionState
from audience_core.errors import NotFoundError
from audience_core.outputs.http import HttpRequest, HttpResponse, HttpSend
from audience_core.outputs.registry import CONNECTORS
from audience_core.pipeline.update_subscription import update_subscription
from functions.connect_audiences import handler as connect_audiences
from functions.jobs_api import handler as jobs_handler
from functions.outputs_api import handler
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, an_audience
from tests.support.control_stack import control_stack, emptied, runs
from tests.support.delivery import T, email
from tests.support.http_api import Caller, a_context, a_sample
from tests.support.meta_partner import ACCOUNT as META_ACCOUNT
from tests.support.meta_partner import TOKEN as META_TOKEN
from tests.support.meta_partner import MetaPartner, sha

ANY = {"If-Match": "*"}
FAULT = Fault(kind=FaultKind.AUTHENTICATION, message="401 Unauthorized", at=NOW)


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> SimpleNamespace:
    return control_stack()


@pytest.fixture
def stack(aws_stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    stores.audiences.publish(an_audience(status=AudienceStatus.ACTIVE))
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


@pytest.fixture
def stranger(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, OTHER_ACCOUNT)


def new(**settings: Any) -> dict[str, Any]:
    return {
        "connector": "webhook",
        "name": "Warehouse",
        "settings": {"url": "https://example.com/members", "token": "t0ken", **settings},
    }


def connected(call: Caller) -> str:
    """Path of a new connection of a new output."""
    output = call("POST", "/v1/outputs", new())
    return call("POST", "/v1/audiences/1/connections", {"output_id": output.body["id"]}).headers["Location"]


def test_the_directory_describes_each_connector(call: Caller) -> None:
    card = next(
        each for each in call("GET", "/v1/directory", audience="true").body["items"] if each["kind"] == "webhook"
    )

    assert "email" in card["identity_types"]
    assert card["output_settings"]["required"] == ["url"]
    assert card["output_settings"]["properties"]["token"]["confidential"] is True


def test_the_directory_says_which_services_have_ended(call: Caller) -> None:
    cards = call("GET", "/v1/directory").body["items"]

    assert {each["kind"] for each in cards if each["is_legacy"]} == {"kahuna"}


def test_an_output_is_created_changed_listed_and_deleted(call: Caller) -> None:
    created = call("POST", "/v1/outputs", new())
    path = created.headers["Location"]
    changed = call("PATCH", path, {"name": "Lake"}, {"If-Match": created.headers["ETag"]})
    listed = call("GET", "/v1/outputs")

    assert (created.status, created.body["name"], changed.body["name"]) == (201, "Warehouse", "Lake")
    assert [each["id"] for each in listed.body["items"]] == [created.body["id"]]
    assert call("DELETE", path).status == 204
    assert call("GET", path).status == 404


def test_the_list_of_outputs_shows_which_of_their_connections_are_faulted(call: Caller, stack: SimpleNamespace) -> None:
    path = connected(call)
    call("POST", "/v1/outputs", new())
    stored = stack.outputs.list_connections(ACCOUNT)[0]
    stack.outputs.save_connection(stored.model_copy(update={"fault": FAULT}))

    listed = call("GET", "/v1/outputs").body["items"]

    assert [each["faults"] for each in listed] == [[path.rsplit("/", 1)[1]], []]
    assert call("GET", f"/v1/outputs/{listed[0]['id']}").body == listed[0]


def test_an_output_names_whom_to_tell_of_faults(call: Caller) -> None:
    created = call("POST", "/v1/outputs", {**new(), "contact_email": "ops@example.com"})
    path = created.headers["Location"]

    renamed = call("PATCH", path, {"name": "Lake"}, ANY)
    changed = call("PATCH", path, {"contact_email": "data@example.com"}, ANY)
    removed = call("PATCH", path, {"contact_email": ""}, ANY)

    found = [answer.body["contact_email"] for answer in (created, renamed, changed, removed, call("GET", path))]
    assert found == ["ops@example.com", "ops@example.com", "data@example.com", None, None]


@pytest.mark.parametrize("address", ["nobody", "a@b", "a b@example.com", "a@example.com\nBcc: b@example.com"])
def test_an_address_that_is_none_is_refused(call: Caller, address: str) -> None:
    refused = call("POST", "/v1/outputs", {**new(), "contact_email": address})

    assert (refused.status, refused.pointers) == (422, ["/contact_email"])


def test_secrets_are_kept_apart_and_never_shown(call: Caller, stack: SimpleNamespace) -> None:
    created = call("POST", "/v1/outputs", new(signing_secret="s1gn"))
    read = call("GET", created.headers["Location"])

    stored = stack.outputs.get(ACCOUNT, created.body["id"])
    assert stack.secrets.get(stored.secret_ref) == {"token": "t0ken", "signing_secret": "s1gn"}
    for shown in (created.body, read.body, stored.settings):
        assert "t0ken" not in str(shown)
        assert "s1gn" not in str(shown)


def test_a_secret_that_was_made_up_is_shown_once(call: Caller, stack: SimpleNamespace) -> None:
    key = {"Idempotency-Key": "output"}
    created = call("POST", "/v1/outputs", new(), key)

    again = call("POST", "/v1/outputs", new(), key)

    stored = stack.outputs.get(ACCOUNT, created.body["id"])
    assert stack.secrets.get(stored.secret_ref)["signing_secret"] == created.body["generated"]["signing_secret"]
    assert again.body == {**created.body, "generated": {}}


def test_changed_settings_keep_the_others_and_reach_the_connections(call: Caller, stack: SimpleNamespace) -> None:
    created = call("POST", "/v1/outputs", new(signing_secret="s1gn"))
    connection = call("POST", "/v1/audiences/1/connections", {"output_id": created.body["id"]})

    changed = call("PATCH", created.headers["Location"], {"settings": {"token": None, "encoding": "sha256"}}, ANY)

    assert changed.body["settings"]["url"] == "https://example.com/members"
    assert changed.body["settings"]["encoding"] == "sha256"
    assert changed.body["generated"] == {}
    stored = stack.outputs.get(ACCOUNT, created.body["id"])
    assert stack.secrets.get(stored.secret_ref) == {"signing_secret": "s1gn"}
    assert sorted(runs(stack)) == [f"fill-{ACCOUNT}-{connection.body['id']}-{version}" for version in (1, 2)]


def test_the_last_secret_that_is_removed_is_gone(call: Caller, stack: SimpleNamespace) -> None:
    settings = {"secret_key": "s3cret", "api_key": "k3y"}
    created = call("POST", "/v1/outputs", {"connector": "kahuna", "name": "Kahuna", "settings": settings})
    reference = stack.outputs.get(ACCOUNT, created.body["id"]).secret_ref

    call("PATCH", created.headers["Location"], {"settings": dict.fromkeys(settings)}, ANY)

    assert stack.outputs.get(ACCOUNT, created.body["id"]).secret_ref is None
    with pytest.raises(NotFoundError):
        stack.secrets.get(reference)


def test_problems_name_the_settings(call: Caller) -> None:
    wrong = call("POST", "/v1/outputs", new(url="nonsense", colour="red"))
    unknown = call("POST", "/v1/outputs", {"connector": "fax", "name": "Fax"})

    assert (wrong.status, sorted(wrong.pointers)) == (422, ["/settings/colour", "/settings/url"])
    assert (unknown.status, unknown.pointers) == (422, ["/connector"])


@pytest.mark.parametrize(("status", "fault"), [(200, None), (401, "authentication"), (503, "partner_error")])
def test_an_output_is_tried_at_the_partner(
    call: Caller, monkeypatch: pytest.MonkeyPatch, status: int, fault: str | None
) -> None:
    sent: list[HttpRequest] = []

    def send(request: HttpRequest) -> HttpResponse:
        sent.append(request)
        return HttpResponse(status)

    monkeypatch.setattr(wiring, "send", lambda: send)
    path = call("POST", "/v1/outputs", new()).headers["Location"]

    answer = call("POST", f"{path}/test")

    assert sent[0].headers["Authorization"] == "Token t0ken"
    assert answer.status == 200
    assert answer.body["ok"] is (fault is None)
    assert (answer.body["fault"] or {}).get("kind") == fault


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


def test_a_connected_output_is_not_deleted(call: Caller) -> None:
    path = connected(call)
    output_id = call("GET", path).body["output_id"]

    refused = call("DELETE", f"/v1/outputs/{output_id}")

    assert refused.status == 409
    assert path.rsplit("/", 1)[1] in refused.body["detail"]


def test_people_do_not_set_a_connection_to_deleting(call: Caller) -> None:
    assert call("PATCH", connected(call), {"status": "deleting"}, ANY).pointers == ["/status"]


def test_another_account_finds_nothing(call: Caller, stranger: Caller) -> None:
    connection = connected(call)
    output = f"/v1/outputs/{call('GET', connection).body['output_id']}"

    answers = [
        stranger("GET", output),
        stranger("PATCH", output, {"name": "Mine"}, ANY),
        stranger("DELETE", output),
        stranger("POST", f"{output}/test"),
        stranger("GET", connection),
        stranger("PATCH", connection, {"status": "inactive"}, ANY),
        stranger("DELETE", connection),
        stranger("POST", f"{connection}/resume"),
        stranger("GET", f"{connection}/reconciliation"),
        stranger("GET", "/v1/audiences/1/connections"),
        stranger("POST", "/v1/audiences/1/connections", {"output_id": output.rsplit("/", 1)[1]}),
    ]

    assert {answer.status for answer in answers} == {404}
    assert stranger("GET", "/v1/outputs").body["items"] == []


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


def test_many_audiences_are_connected_by_a_job_with_a_result_for_each(call: Caller, stack: SimpleNamespace) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]
    body = {"audience_ids": [1, 2], "status": "inactive", "settings": {"list": "7"}}
    once, key = f"/v1/outputs/{output}/connect-audiences", {"Idempotency-Key": "k-1"}

    started, repeated = call("POST", once, body, key), call("POST", once, body, key)
    assert (started.status, started.body["state"], started.body["results"]) == (202, "queued", [])
    assert repeated.body["id"] == started.body["id"]
    arguments = {"account_id": ACCOUNT, "job_id": started.body["id"], "run": "run-1"}
    answer = connect_audiences.lambda_handler({"step": "connect", **arguments}, a_context())
    job = Caller(jobs_handler.lambda_handler, ACCOUNT)("GET", started.headers["Location"])

    assert answer == {"next": "done"}
    assert (job.body["state"], job.body["kind"]) == ("succeeded", "connect_audiences")
    assert [(each["audience_id"], each["code"]) for each in job.body["results"]] == [(1, "connected"), (2, "not_found")]
    (connection,) = stack.outputs.list_connections(ACCOUNT)
    assert (connection.connection_id, connection.settings) == (job.body["results"][0]["connection_id"], {"list": "7"})


def test_a_failed_bulk_connection_says_why(call: Caller) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]
    started = call("POST", f"/v1/outputs/{output}/connect-audiences", {"audience_ids": [1]}).body["id"]

    failure = {"step": "fail", "account_id": ACCOUNT, "job_id": started, "run": "run-1", "error": "TimeoutError"}
    connect_audiences.lambda_handler(failure, a_context())

    job = Caller(jobs_handler.lambda_handler, ACCOUNT)("GET", f"/v1/jobs/{started}")
    assert (job.body["state"], job.body["error"]) == ("failed", "TimeoutError")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"audience_ids": []}, "/audience_ids"),
        ({"audience_ids": [1, 1]}, "/audience_ids"),
        ({"audience_ids": list(range(501))}, "/audience_ids"),
        ({"audience_ids": [1], "status": "deleting"}, "/status"),
        ({"audience_ids": [1], "colour": "red"}, "/colour"),
    ],
)
def test_a_bulk_connection_that_cannot_be_read_names_its_field(
    call: Caller, body: dict[str, Any], pointer: str
) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]

    answer = call("POST", f"/v1/outputs/{output}/connect-audiences", body)

    assert (answer.status, answer.pointers) == (422, [pointer])


def test_the_output_of_a_stranger_is_connected_to_nothing(call: Caller, stranger: Caller) -> None:
    output = call("POST", "/v1/outputs", new()).body["id"]

    assert stranger("POST", f"/v1/outputs/{output}/connect-audiences", {"audience_ids": [1]}).status == 404


@pytest.mark.parametrize(("sample", "status"), [("outputs_api_create", 201), ("outputs_api_connect", 422)])
def test_sample_events_are_understood(stack: SimpleNamespace, sample: str, status: int) -> None:
    assert handler.lambda_handler(a_sample(sample), a_context())["statusCode"] == status
