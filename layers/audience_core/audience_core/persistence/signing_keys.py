"""Signing keys in Secrets Manager: a new value of the secret signs, the one before it still opens what it signed."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any

from botocore.exceptions import ClientError

from audience_core.domain.export_stores import SigningKey
from audience_core.persistence.clients import client

_STAGES = ("AWSCURRENT", "AWSPREVIOUS")
# A rotation is seen after so long at the latest; and an unknown key makes nobody ask more often than that.
_KEPT_S, _ASKED_AGAIN_S = 300.0, 10.0


class SecretsManagerSigningKeys:
    """Args:
    seconds: a clock that never goes back.
    """

    def __init__(
        self, secret_id: str, region: str | None = None, seconds: Callable[[], float] = time.monotonic
    ) -> None:
        self._secret_id, self._region, self._seconds = secret_id, region, seconds
        self._known: list[SigningKey] = []
        self._known_at = 0.0

    @cached_property
    def _client(self) -> Any:
        return client("secretsmanager", self._region)

    def current(self) -> SigningKey:
        return self._keys(_KEPT_S)[0]

    def find(self, key_id: str) -> SigningKey | None:
        for age in (_KEPT_S, _ASKED_AGAIN_S):
            for key in self._keys(age):
                if key.key_id == key_id:
                    return key
        return None

    def _keys(self, max_age_s: float) -> list[SigningKey]:
        if not self._known or self._seconds() - self._known_at > max_age_s:
            found = [self._key(stage) for stage in _STAGES]
            self._known, self._known_at = [key for key in found if key is not None], self._seconds()
        return self._known

    def _key(self, stage: str) -> SigningKey | None:
        try:
            found = self._client.get_secret_value(SecretId=self._secret_id, VersionStage=stage)
        except ClientError as error:
            # A secret that never changed has no value before.
            if stage != _STAGES[0] and error.response["Error"]["Code"] == "ResourceNotFoundException":
                return None
            raise
        return SigningKey(found["VersionId"], found["SecretString"])
