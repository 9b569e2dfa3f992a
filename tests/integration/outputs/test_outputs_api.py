"""The directory, outputs and connections, through their handler."""

from types import SimpleNamespace

import pytest

from audience_core import wiring
from audience_core.errors import NotFoundError
from audience_core.outputs.http import HttpRequest, HttpResponse
from functions.outputs_api import handler
from tests.support.control import ACCOUNT
from tests.support.control_stack import runs
from tests.support.http_api import Caller, a_context, a_sample
from tests.support.outputs_api import ANY, FAULT, connected, new


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


def test_a_connected_output_is_not_deleted(call: Caller) -> None:
    path = connected(call)
    output_id = call("GET", path).body["output_id"]

    refused = call("DELETE", f"/v1/outputs/{output_id}")

    assert refused.status == 409
    assert path.rsplit("/", 1)[1] in refused.body["detail"]


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


@pytest.mark.parametrize(("sample", "status"), [("outputs_api_create", 201), ("outputs_api_connect", 422)])
def test_sample_events_are_understood(stack: SimpleNamespace, sample: str, status: int) -> None:
    assert handler.lambda_handler(a_sample(sample), a_context())["statusCode"] == status
