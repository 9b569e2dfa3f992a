"""Issues OAuth2 clients in a Cognito user pool, and invites people to it."""

from functools import cached_property
from typing import Any

from audience_core.domain.account import ClientCredentials
from audience_core.errors import ConflictError
from audience_core.persistence.clients import client

# Of the user pool's resource server; whoever holds it may call the API, and its client tells the account and role.
SCOPE = "audiences/api"


class CognitoIdentityProvider:
    def __init__(self, user_pool_id: str, region: str | None = None) -> None:
        self._user_pool_id, self._region = user_pool_id, region

    @cached_property
    def _client(self) -> Any:
        return client("cognito-idp", self._region)

    def create_client(self, name: str) -> ClientCredentials:
        created = self._client.create_user_pool_client(
            UserPoolId=self._user_pool_id,
            ClientName=name,
            GenerateSecret=True,
            AllowedOAuthFlows=["client_credentials"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=[SCOPE],
        )["UserPoolClient"]
        return ClientCredentials(client_id=created["ClientId"], client_secret=created["ClientSecret"])

    def delete_client(self, client_id: str) -> None:
        try:
            self._client.delete_user_pool_client(UserPoolId=self._user_pool_id, ClientId=client_id)
        except self._client.exceptions.ResourceNotFoundException:
            return

    def create_user(self, email: str) -> None:
        """The address is the user name, which access tokens tell: an id that can be read in "created by"."""
        attributes = [{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "true"}]
        try:
            self._client.admin_create_user(
                UserPoolId=self._user_pool_id,
                Username=email,
                UserAttributes=attributes,
                DesiredDeliveryMediums=["EMAIL"],
            )
        except self._client.exceptions.UsernameExistsException as error:
            raise ConflictError(f"there is a user {email} already") from error

    def delete_user(self, email: str) -> None:
        try:
            self._client.admin_delete_user(UserPoolId=self._user_pool_id, Username=email)
        except self._client.exceptions.UserNotFoundException:
            return
