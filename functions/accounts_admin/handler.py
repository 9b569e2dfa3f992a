"""Creates accounts and their API clients, for operators with the right to invoke it; no HTTP path leads here."""

from typing import Annotated, Any, Literal

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from audience_core import wiring
from audience_core.domain.account import ClientCredentials, EmailAddress, LoginStrategy, ResourceName, Role
from audience_core.domain.ids import AccountId
from audience_core.management import accounts
from audience_core.persistence.identity_provider import CognitoIdentityProvider

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


class Limits(BaseModel):
    """Where the account differs from the defaults."""

    model_config = ConfigDict(extra="forbid")

    look_back_days: Literal[30, 60, 90] = 30
    active_audience_cap: Annotated[int, Field(ge=0)] = 5000
    batches_per_second: Annotated[int, Field(ge=1)] = 270
    profile_retention_days: Annotated[int, Field(ge=1, le=3650)] = 30
    history_retention_days: Annotated[int, Field(ge=1, le=3650)] = 90
    has_lifetime_audiences: bool = False
    lifetime_credits: Annotated[int, Field(ge=0)] = 12
    lifetime_period_days: Annotated[int, Field(ge=1, le=3650)] = 365
    strategy: LoginStrategy = LoginStrategy()
    contact_email: EmailAddress | None = None


class CreateAccount(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["create_account"]
    name: ResourceName
    # A Java int at partners.
    account_id: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None
    limits: Limits = Limits()


class CreateClient(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["create_client"]
    account_id: int
    role: Role
    name: ResourceName = "API client"


class RevokeClient(BaseModel):
    model_config = ConfigDict(extra="forbid")

    action: Literal["revoke_client"]
    account_id: int
    client_id: str


class CreateUser(BaseModel):
    """A person who signs in to the console; the user pool mails an invitation with a first password."""

    model_config = ConfigDict(extra="forbid")

    action: Literal["create_user"]
    account_id: int
    role: Role
    email: EmailAddress


type AnyCommand = CreateAccount | CreateClient | RevokeClient | CreateUser
Command = Annotated[CreateAccount | CreateClient | RevokeClient | CreateUser, Field(discriminator="action")]


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What an application needs to get a token; the client secret is told this once. Of a user, the name to sign in."""
    command = TypeAdapter[AnyCommand](Command).validate_python(event)
    match command:
        case RevokeClient():
            account = AccountId(command.account_id)
            accounts.revoke_client(wiring.stores().accounts, _identity_provider(), account, command.client_id)
            return {"account_id": account, "client_id": command.client_id, "revoked": True}
        case CreateUser():
            return _create_user(command)
        case CreateAccount():
            account_id, credentials = _create_account(command)
        case CreateClient():
            account_id, credentials = _create_client(command)
    return {
        "account_id": account_id,
        **credentials.model_dump(),
        "token_url": wiring.settings()["TOKEN_URL"],
        "scope": "audiences/api",
    }


def _create_account(command: CreateAccount) -> tuple[AccountId, ClientCredentials]:
    chosen = None if command.account_id is None else AccountId(command.account_id)
    account, credentials = accounts.create_account(
        wiring.stores().accounts, _identity_provider(), command.name, chosen, dict(command.limits)
    )
    return account.account_id, credentials


def _create_client(command: CreateClient) -> tuple[AccountId, ClientCredentials]:
    account_id = AccountId(command.account_id)
    store = wiring.stores().accounts
    return account_id, accounts.create_client(store, _identity_provider(), account_id, command.role, command.name)


def _create_user(command: CreateUser) -> dict[str, Any]:
    account_id, store = AccountId(command.account_id), wiring.stores().accounts
    user = accounts.create_user(store, _identity_provider(), account_id, command.role, command.email)
    return {"account_id": account_id, "user_name": user.client_id, "role": user.role}


def _identity_provider() -> CognitoIdentityProvider:
    return CognitoIdentityProvider(wiring.settings()["USER_POOL_ID"], wiring.settings().region)
