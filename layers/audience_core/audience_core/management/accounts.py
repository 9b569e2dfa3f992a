"""Accounts and the OAuth2 clients that act for them."""

import secrets
from collections.abc import Mapping
from typing import Any

from audience_core.domain.account import MAX_NAME_LENGTH, Account, Client, ClientCredentials, Role
from audience_core.domain.control_stores import AccountStore, IdentityProvider
from audience_core.domain.ids import AccountId
from audience_core.errors import NotFoundError


def create_account(
    store: AccountStore, provider: IdentityProvider, name: str, account_id: AccountId | None, limits: Mapping[str, Any]
) -> tuple[Account, ClientCredentials]:
    """An account with a first client, an admin.

    Args:
        limits: fields of `Account` that differ from their defaults.

    Raises:
        ConflictError: the id is taken.
    """
    chosen = AccountId(1 + secrets.randbelow(2**31 - 1)) if account_id is None else account_id
    account = store.create(Account(account_id=chosen, name=name, **limits))
    return account, create_client(store, provider, chosen, Role.ADMIN, f"{name} admin")


def create_client(
    store: AccountStore, provider: IdentityProvider, account_id: AccountId, role: Role, name: str
) -> ClientCredentials:
    """Raise `NotFoundError` when there is no such account."""
    store.get(account_id)
    credentials = provider.create_client(f"{account_id}-{role}")
    store.save_client(Client(client_id=credentials.client_id, account_id=account_id, role=role, name=name[:100]))
    return credentials


def people(store: AccountStore, account_id: AccountId) -> tuple[Client, ...]:
    """Who may sign in for an account, by address."""
    return tuple(each for each in store.clients(account_id) if each.is_person)


def revoke_client(store: AccountStore, provider: IdentityProvider, account_id: AccountId, client_id: str) -> None:
    """Refuse its tokens, those given out already first. Raise `NotFoundError` when the account has no such client."""
    client = store.client(client_id)
    if client.account_id != account_id:
        raise NotFoundError("there is no such client")
    store.delete_client(client)
    if client.is_person:
        provider.delete_user(client_id)
    else:
        provider.delete_client(client_id)


def create_user(
    store: AccountStore, provider: IdentityProvider, account_id: AccountId, role: Role, email: str
) -> Client:
    """A person of the account, known by the e-mail address in lower case; the provider mails an invitation.

    Raises:
        NotFoundError: there is no such account.
        ConflictError: somebody has this address already; nobody's account or role changes.
    """
    store.get(account_id)
    name = email.lower()
    provider.create_user(name)
    user = Client(client_id=name, account_id=account_id, role=role, name=name[:MAX_NAME_LENGTH])
    store.save_client(user)
    return user
