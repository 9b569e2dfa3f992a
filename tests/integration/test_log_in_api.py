"""Logging in at a partner through the API: begun with a token of the account, ended by a browser without one."""

import json
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.output import Fault, FaultKind
from audience_core.persistence.console_address import SsmConsoleAddress
from functions.oauth_callback import handler as callback
from functions.outputs_api import handler
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, a_connection, an_audience
from tests.support.control_stack import REGION, control_stack, emptied
from tests.support.http_api import Caller, a_context, a_sample, an_event
from tests.support.login import HOST as LOGIN_HOST
from tests.support.login import REGISTRATION, FakeLogIn, browse
from tests.support.mailchimp import HOST, KEY, FakeMailchimp
from tests.support.redirect import Redirected

CONSOLE = "https://console.example"
CALLBACK = "https://api.execute-api.us-east-1.amazonaws.com/v1/oauth/callback"


@pytest.fixture(scope="module")
def aws_stack(aws: str) -> Iterator[SimpleNamespace]:
    client, name = boto3.client("secretsmanager", region_name=aws), "audience-manager/log-in/mailchimp"
    client.create_secret(Name=name, SecretString=json.dumps(REGISTRATION))
    parameters = boto3.client("ssm", region_name=aws)
    parameters.put_parameter(Name="/audiences/console-url", Value=CONSOLE, Type="String")
    yield control_stack()
    parameters.delete_parameter(Name="/audiences/console-url")
    client.delete_secret(SecretId=name, ForceDeleteWithoutRecovery=True)


@pytest.fixture
def partner() -> Iterator[FakeMailchimp]:
    with FakeMailchimp().serving() as partner:
        yield partner


@pytest.fixture
def login(partner: FakeMailchimp) -> Iterator[FakeLogIn]:
    with FakeLogIn(partner.tokens, CALLBACK).serving() as login:
        yield login


@pytest.fixture
def stack(
    aws_stack: SimpleNamespace, partner: FakeMailchimp, login: FakeLogIn, monkeypatch: pytest.MonkeyPatch
) -> SimpleNamespace:
    stores = emptied(aws_stack)
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    send = Redirected({HOST: partner.url, LOGIN_HOST: login.url})
    monkeypatch.setattr(wiring, "send", lambda: send)
    address = SsmConsoleAddress("/audiences/console-url", REGION)
    monkeypatch.setattr(wiring, "console_address", lambda: address)
    return stores


@pytest.fixture
def call(stack: SimpleNamespace) -> Caller:
    return Caller(handler.lambda_handler, ACCOUNT)


def an_output(call: Caller, **settings: Any) -> str:
    """Path of a new output at Mailchimp."""
    new = {"connector": "mailchimp", "name": "News", "settings": settings}
    return call("POST", "/v1/outputs", new).headers["Location"]


def authorize(call: Caller, path: str) -> str:
    return str(call("POST", f"{path}/authorize").body["authorization_url"])


def come_back(**query: str) -> tuple[int, dict[str, str], str]:
    """Status, headers and body of what a browser sees that the partner has sent back."""
    event = an_event("GET", "/v1/oauth/callback", None, {}, query, None)
    answer = callback.lambda_handler(event, a_context())
    return answer["statusCode"], answer["headers"], answer["body"]


def test_logging_in_makes_an_output_usable(call: Caller, login: FakeLogIn, stack: SimpleNamespace) -> None:
    path = an_output(call)
    before = call("GET", path).body["is_logged_in"], call("POST", f"{path}/test").body["ok"]

    status, headers, page = come_back(**browse(login, authorize(call, path)))

    after = call("GET", path).body["is_logged_in"], call("POST", f"{path}/test").body["ok"]
    assert (before, after, status) == ((False, False), (True, True), 200)
    assert headers["Content-Type"].startswith("text/html")
    assert (headers["Cache-Control"], headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert "You are logged in" in page
    (token,) = login.tokens
    assert token not in page + str(call("GET", path).body) + str(stack.outputs.get(ACCOUNT, path.split("/")[-1]))


def test_the_partner_is_told_to_come_back_to_where_the_api_is(call: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    path = an_output(call)
    found = authorize(call, path)
    monkeypatch.setattr(wiring, "settings", lambda: {"PUBLIC_URL": "https://audiences.example"})

    told = authorize(call, path)

    addresses = [parse_qs(urlsplit(each).query)["redirect_uri"][0] for each in (found, told)]
    assert addresses == [CALLBACK, "https://audiences.example/v1/oauth/callback"]


def test_a_fault_that_a_log_in_mends_says_where_people_log_in_again(
    call: Caller, login: FakeLogIn, stack: SimpleNamespace
) -> None:
    path = an_output(call)
    come_back(**browse(login, authorize(call, path)))
    login.revoke()
    tested = call("POST", f"{path}/test").body["fault"]
    output_id = path.rsplit("/", 1)[1]
    stack.audiences.save(an_audience())
    found = []
    for kind in FaultKind:
        fault = Fault(kind=kind, message="no", at=NOW)
        stack.outputs.save_connection(a_connection(connection_id=f"c-{kind}", output_id=output_id, fault=fault))
        of_connection = call("GET", f"/v1/connections/c-{kind}").body["fault"]
        compared = call("GET", f"/v1/connections/c-{kind}/reconciliation").body["fault"]
        found.append((kind, of_connection["log_in_url"], compared["log_in_url"]))
    listed = call("GET", f"/v1/audiences/{AUDIENCE}/connections").body["items"]

    page = f"{CONSOLE}/outputs/{output_id}/log-in"
    assert (tested["kind"], tested["log_in_url"]) == ("authentication", page)
    assert found == [(kind, *([page if kind is FaultKind.AUTHENTICATION else None] * 2)) for kind in FaultKind]
    assert sum(each["fault"]["log_in_url"] == page for each in listed) == 1


def test_while_the_console_cannot_be_found_a_fault_is_shown_without_a_link(
    call: Caller, login: FakeLogIn, stack: SimpleNamespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = SsmConsoleAddress("/audiences/nowhere", REGION)
    monkeypatch.setattr(wiring, "console_address", lambda: nowhere)
    path = an_output(call)
    come_back(**browse(login, authorize(call, path)))
    login.revoke()

    fault = call("POST", f"{path}/test").body["fault"]

    assert (fault["kind"], fault["log_in_url"]) == ("authentication", None)


def test_where_nobody_logged_in_a_fault_leads_nowhere(call: Caller) -> None:
    path = an_output(call, api_key="0" * 32 + "-us19")

    fault = call("POST", f"{path}/test").body["fault"]

    assert (fault["kind"], fault["log_in_url"]) == ("authentication", None)


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        ({"state": "7.guess", "code": "c"}, "/query/state"),
        ({"state": "7." + "9" * 199, "code": "c"}, "/query/state"),
        ({"code": "c"}, "/query/state"),
        ({"state": "<script>", "error": "<script>"}, "/query/state"),
    ],
)
def test_a_browser_that_was_not_sent_by_us_is_told_of_a_problem(
    stack: SimpleNamespace, query: dict[str, str], pointer: str
) -> None:
    status, headers, body = come_back(**query)

    problem = json.loads(body)
    assert (status, headers["Content-Type"], headers["Cache-Control"]) == (422, "application/problem+json", "no-store")
    assert [each["pointer"] for each in problem["errors"]] == [pointer]
    assert "<script>" not in body


def test_a_browser_comes_back_once(call: Caller, login: FakeLogIn) -> None:
    query = browse(login, authorize(call, an_output(call)))

    assert [come_back(**query)[0] for _ in range(2)] == [200, 422]


def test_whoever_said_no_is_told_so(call: Caller, login: FakeLogIn) -> None:
    login.is_denied = True

    status, _, body = come_back(**browse(login, authorize(call, an_output(call))))

    assert (status, json.loads(body)["errors"][0]["pointer"]) == (422, "/query/error")


def test_an_output_that_was_deleted_meanwhile_cannot_be_logged_in(call: Caller, login: FakeLogIn) -> None:
    path = an_output(call)
    query = browse(login, authorize(call, path))
    call("DELETE", path)

    assert come_back(**query)[0] == 404


def test_only_those_who_may_change_an_output_log_in(call: Caller) -> None:
    path = an_output(call)

    maker = Caller(handler.lambda_handler, ACCOUNT, Role.AUDIENCES_ONLY)
    stranger = Caller(handler.lambda_handler, OTHER_ACCOUNT)

    assert maker("POST", f"{path}/authorize").status == 403
    assert stranger("POST", f"{path}/authorize").status == 404


def test_an_output_with_a_key_needs_no_log_in(call: Caller) -> None:
    path = an_output(call, api_key=KEY)

    refused = call("POST", f"{path}/authorize")
    call("PATCH", path, {"settings": {"api_key": None}}, {"If-Match": "*"})

    assert (refused.status, "api_key" in refused.body["detail"]) == (409, True)
    assert call("POST", f"{path}/authorize").status == 200


def test_the_directory_says_where_one_can_log_in(call: Caller) -> None:
    cards = call("GET", "/v1/directory").body["items"]

    assert {each["kind"] for each in cards if each["has_log_in"]} == {"mailchimp"}


def test_the_sample_event_is_understood(stack: SimpleNamespace) -> None:
    assert callback.lambda_handler(a_sample("oauth_callback"), a_context())["statusCode"] == 422
