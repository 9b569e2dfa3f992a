"""The authorizer of access tokens, with a key set of its own."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from audience_core import wiring
from audience_core.domain.account import Client, Role
from audience_core.domain.ids import AccountId
from audience_core.persistence.memory.control import MemoryAccountStore
from functions.authorize_bearer import handler
from tests.support.control import ACCOUNT
from tests.support.http_api import a_context, a_sample
from tests.support.tokens import ISSUER, a_key, a_token, publishing

REFUSED = {"isAuthorized": False}


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    return a_key()


@pytest.fixture(scope="module")
def issuer(key: rsa.RSAPrivateKey) -> Iterator[str]:
    with publishing(key) as url:
        yield url


@pytest.fixture(autouse=True)
def accounts(issuer: str, monkeypatch: pytest.MonkeyPatch) -> MemoryAccountStore:
    store = MemoryAccountStore()
    store.save_client(Client(client_id="client-1", account_id=ACCOUNT, role=Role.USER, name="Console"))
    monkeypatch.setattr(wiring, "stores", lambda: SimpleNamespace(accounts=store))
    monkeypatch.setattr(wiring, "settings", lambda: {"TOKEN_ISSUER": ISSUER, "JWKS_URL": f"{issuer}/jwks.json"})
    return store


def authorize(token: str, scheme: str = "Bearer") -> dict[str, Any]:
    event = {"version": "2.0", "type": "REQUEST", "headers": {"authorization": f"{scheme} {token}"}}
    return handler.lambda_handler(event, a_context())


def test_a_good_token_tells_the_account_and_the_role(key: rsa.RSAPrivateKey) -> None:
    assert authorize(a_token(key)) == {
        "isAuthorized": True,
        "context": {"account_id": "7", "role": "user", "client_id": "client-1"},
    }


def test_a_person_is_known_by_name_whatever_app_the_token_is_for(
    key: rsa.RSAPrivateKey, accounts: MemoryAccountStore
) -> None:
    person = Client(client_id="ann@example.com", account_id=AccountId(8), role=Role.READ_ONLY, name="ann@example.com")
    accounts.save_client(person)

    assert authorize(a_token(key, client_id="console", username="ann@example.com")) == {
        "isAuthorized": True,
        "context": {"account_id": "8", "role": "read_only", "client_id": "ann@example.com"},
    }
    # The app's own rights, if it had any, are not the person's.
    assert authorize(a_token(key, username="somebody@example.com")) == REFUSED


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_other"},
        {"iss": None},
        {"token_use": "id"},
        {"token_use": None},
        {"scope": "other/api"},
        {"scope": None},
        {"client_id": "somebody-else"},
        {"client_id": None},
        {"nbf": 4_000_000_000},
    ],
)
def test_a_token_with_wrong_claims_is_refused(key: rsa.RSAPrivateKey, claims: dict[str, Any]) -> None:
    assert authorize(a_token(key, **claims)) == REFUSED


def test_a_token_of_another_signer_is_refused(key: rsa.RSAPrivateKey) -> None:
    assert authorize(a_token(a_key())) == REFUSED
    assert authorize(a_token(key, kid="k2")) == REFUSED


def test_the_algorithm_is_not_the_token_s_to_choose(key: rsa.RSAPrivateKey) -> None:
    assert authorize(a_token(key, algorithm="RS512")) == REFUSED
    assert authorize(jwt.encode({"client_id": "client-1"}, "", "none", {"kid": "k1"})) == REFUSED


@pytest.mark.parametrize("token", ["", "nonsense", "a.b.c"])
def test_what_is_no_token_is_refused(token: str) -> None:
    assert authorize(token) == REFUSED


def test_another_scheme_is_refused(key: rsa.RSAPrivateKey) -> None:
    assert authorize(a_token(key), "Basic") == REFUSED


def test_keys_out_of_reach_are_an_error_and_not_a_refusal(
    key: rsa.RSAPrivateKey, issuer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"TOKEN_ISSUER": ISSUER, "JWKS_URL": f"{issuer}/missing.json"}
    monkeypatch.setattr(wiring, "settings", lambda: settings)

    with pytest.raises(jwt.PyJWKClientConnectionError):
        authorize(a_token(key))


def test_the_sample_event_is_understood() -> None:
    assert handler.lambda_handler(a_sample("authorize_bearer"), a_context()) == REFUSED
