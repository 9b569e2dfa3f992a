"""The operators' function that creates accounts and clients, through its handler."""

from types import SimpleNamespace
from typing import Any

import boto3
import pytest
from pydantic import ValidationError

from audience_core import wiring
from audience_core.domain.account import Role
from audience_core.domain.ids import AccountId
from audience_core.errors import ConflictError, NotFoundError
from audience_core.persistence.accounts import DynamoAccountStore
from functions.accounts_admin import handler
from tests.support.control import an_account
from tests.support.control_stack import REGION, create_table
from tests.support.http_api import a_context, a_sample

TOKEN_URL = "https://example.com/oauth2/token"


@pytest.fixture
def store(aws: str, monkeypatch: pytest.MonkeyPatch) -> DynamoAccountStore:
    accounts = DynamoAccountStore(create_table("accounts"), aws)
    settings = wiring.Settings(aws, {"USER_POOL_ID": _user_pool(), "TOKEN_URL": TOKEN_URL})
    monkeypatch.setattr(wiring, "stores", lambda: SimpleNamespace(accounts=accounts))
    monkeypatch.setattr(wiring, "settings", lambda: settings)
    return accounts


def invoke(**event: Any) -> dict[str, Any]:
    return handler.lambda_handler(event, a_context())


def test_an_account_comes_with_an_admin_client(store: DynamoAccountStore) -> None:
    limits = {"look_back_days": 90, "active_audience_cap": 12, "contact_email": "owner@example.com"}

    answer = invoke(action="create_account", name="Acme", account_id=7, limits=limits)

    account = store.get(AccountId(7))
    assert (account.name, account.look_back_days, account.active_audience_cap) == ("Acme", 90, 12)
    assert account.contact_email == "owner@example.com"
    assert (answer["account_id"], answer["token_url"], answer["scope"]) == (7, TOKEN_URL, "audiences/api")
    assert store.client(answer["client_id"]).role is Role.ADMIN
    assert answer["client_secret"]


def test_the_client_uses_client_credentials_for_the_scope_of_the_api(store: DynamoAccountStore) -> None:
    answer = invoke(action="create_account", name="Acme")

    client = boto3.client("cognito-idp", region_name=REGION)
    pool = wiring.settings()["USER_POOL_ID"]
    app = client.describe_user_pool_client(UserPoolId=pool, ClientId=answer["client_id"])["UserPoolClient"]
    assert (app["AllowedOAuthFlows"], app["AllowedOAuthScopes"]) == (["client_credentials"], ["audiences/api"])


def test_an_account_without_an_id_gets_a_positive_int32(store: DynamoAccountStore) -> None:
    account_id = invoke(action="create_account", name="Acme")["account_id"]

    assert 1 <= account_id < 2**31
    assert store.get(account_id).name == "Acme"


def test_an_account_id_is_given_once(store: DynamoAccountStore) -> None:
    invoke(action="create_account", name="Acme", account_id=7)

    with pytest.raises(ConflictError):
        invoke(action="create_account", name="Other", account_id=7)


def test_a_further_client_has_the_role_it_is_given(store: DynamoAccountStore) -> None:
    invoke(action="create_account", name="Acme", account_id=7)

    answer = invoke(action="create_client", account_id=7, role="audiences_only", name="Intern")

    client = store.client(answer["client_id"])
    assert (client.account_id, client.role, client.name) == (7, Role.AUDIENCES_ONLY, "Intern")


def test_there_are_no_clients_without_accounts(store: DynamoAccountStore) -> None:
    with pytest.raises(NotFoundError):
        invoke(action="create_client", account_id=404, role="user")


def test_a_revoked_client_is_nobody_and_gets_no_token(store: DynamoAccountStore) -> None:
    invoke(action="create_account", name="Acme", account_id=7)
    client_id = invoke(action="create_client", account_id=7, role="user")["client_id"]

    invoke(action="revoke_client", account_id=7, client_id=client_id)

    with pytest.raises(NotFoundError):
        store.client(client_id)
    client, pool = boto3.client("cognito-idp", region_name=REGION), wiring.settings()["USER_POOL_ID"]
    with pytest.raises(client.exceptions.ResourceNotFoundException):
        client.describe_user_pool_client(UserPoolId=pool, ClientId=client_id)


def test_a_client_of_another_account_is_not_revoked(store: DynamoAccountStore) -> None:
    client_id = invoke(action="create_account", name="Acme", account_id=7)["client_id"]

    with pytest.raises(NotFoundError):
        invoke(action="revoke_client", account_id=8, client_id=client_id)

    assert store.client(client_id).account_id == 7


@pytest.mark.parametrize(
    "event",
    [
        {"action": "delete_everything"},
        {"action": "create_account", "name": "Acme", "account_id": 2**31},
        {"action": "create_account", "name": "Acme", "limits": {"look_back_days": 45}},
        {"action": "create_client", "account_id": 7, "role": "owner"},
    ],
)
def test_a_wrong_command_is_refused(store: DynamoAccountStore, event: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        invoke(**event)


def test_sample_events_are_understood(store: DynamoAccountStore) -> None:
    store.create(an_account())

    assert invoke(**a_sample("accounts_admin_create_account"))["account_id"]
    assert invoke(**a_sample("accounts_admin_create_client"))["account_id"] == 7
    with pytest.raises(NotFoundError):
        invoke(**a_sample("accounts_admin_revoke_client"))
    assert invoke(**a_sample("accounts_admin_create_user"))["account_id"] == 7


def test_a_person_is_invited_and_signs_in_by_the_address_in_lower_case(store: DynamoAccountStore) -> None:
    store.create(an_account())

    answer = invoke(action="create_user", account_id=7, role="user", email="Ann@Example.com")

    assert answer == {"account_id": 7, "user_name": "ann@example.com", "role": "user"}
    known = store.client("ann@example.com")
    assert (known.account_id, known.role) == (7, Role.USER)
    pool = wiring.settings()["USER_POOL_ID"]
    user = boto3.client("cognito-idp", region_name=REGION).admin_get_user(UserPoolId=pool, Username="ann@example.com")
    assert user["UserStatus"] == "FORCE_CHANGE_PASSWORD"


def test_a_person_who_is_revoked_is_gone_from_both(store: DynamoAccountStore) -> None:
    store.create(an_account())
    invoke(action="create_user", account_id=7, role="user", email="ann@example.com")

    invoke(action="revoke_client", account_id=7, client_id="ann@example.com")

    with pytest.raises(NotFoundError):
        store.client("ann@example.com")
    client = boto3.client("cognito-idp", region_name=REGION)
    with pytest.raises(client.exceptions.UserNotFoundException):
        client.admin_get_user(UserPoolId=wiring.settings()["USER_POOL_ID"], Username="ann@example.com")


def test_a_person_who_is_known_keeps_account_and_role(store: DynamoAccountStore) -> None:
    store.create(an_account())
    store.create(an_account(account_id=AccountId(8)))
    invoke(action="create_user", account_id=7, role="read_only", email="ann@example.com")

    with pytest.raises(ConflictError):
        invoke(action="create_user", account_id=8, role="admin", email="ANN@example.com")

    known = store.client("ann@example.com")
    assert (known.account_id, known.role) == (7, Role.READ_ONLY)


def test_nobody_is_invited_to_an_account_that_is_not_there(store: DynamoAccountStore) -> None:
    with pytest.raises(NotFoundError):
        invoke(action="create_user", account_id=404, role="user", email="ann@example.com")


def _user_pool() -> str:
    client = boto3.client("cognito-idp", region_name=REGION)
    pool = str(client.create_user_pool(PoolName="pool")["UserPool"]["Id"])
    scopes = [{"ScopeName": "api", "ScopeDescription": "Use the API"}]
    client.create_resource_server(UserPoolId=pool, Identifier="audiences", Name="Audiences", Scopes=scopes)
    return pool
