"""Confidential settings in Secrets Manager, one secret per output."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from audience_core.domain.ids import AccountId
from audience_core.errors import NotFoundError
from audience_core.persistence.clients import client

_PREFIX = "audience-manager"
# The second is a secret on its way out.
_GONE = {"ResourceNotFoundException", "InvalidRequestException"}


class SecretsManagerStore:
    def __init__(self, region: str | None = None) -> None:
        self._region = region

    @cached_property
    def _client(self) -> Any:
        # Made on first use: most functions need no secrets, and a client costs a tenth of a second.
        return client("secretsmanager", self._region)

    def put(self, account_id: AccountId, name: str, values: Mapping[str, str]) -> str:
        reference = f"{_PREFIX}/{account_id}/{name}"
        text = json.dumps(dict(values))
        try:
            self._client.create_secret(Name=reference, SecretString=text)
        except self._client.exceptions.ResourceExistsException:
            self._client.put_secret_value(SecretId=reference, SecretString=text)
        return reference

    def get(self, reference: str) -> dict[str, str]:
        return self._get(reference, "the confidential settings of the output are gone: enter them again")

    def replace(self, reference: str, values: Mapping[str, str]) -> None:
        with _missing("the secret to replace is gone"):
            self._client.put_secret_value(SecretId=reference, SecretString=json.dumps(dict(values)))

    def delete(self, reference: str) -> None:
        """Deleting what is gone already is harmless."""
        self._client.delete_secret(SecretId=reference, ForceDeleteWithoutRecovery=True)

    def registration(self, kind: str) -> dict[str, str]:
        return self._get(f"{_PREFIX}/log-in/{kind}", f"this installation is not registered at {kind}")

    def _get(self, reference: str, if_missing: str) -> dict[str, str]:
        with _missing(if_missing):
            text: str = self._client.get_secret_value(SecretId=reference)["SecretString"]
        return {name: str(value) for name, value in json.loads(text).items()}


@contextmanager
def _missing(message: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error.response["Error"]["Code"] in _GONE:
            raise NotFoundError(message) from error
        raise
