"""Forwards memberships to any HTTPS endpoint, as signed Firehose messages."""

import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, RootModel, field_validator, model_validator

from audience_core.domain.output import FaultKind, Forward
from audience_core.errors import TerminalDeliveryError
from audience_core.outputs.connector import Receipt, Subscription, raise_for_status
from audience_core.outputs.connectors.webhook_messages import (
    DEVICE_IDENTITIES,
    USER_IDENTITIES,
    Encoding,
    membership_request,
    subscription_request,
)
from audience_core.outputs.http import HttpRequest, Send
from audience_core.outputs.setting_types import SecretText, usable_url

IDENTITY_TYPES = frozenset(USER_IDENTITIES | DEVICE_IDENTITIES)
BATCH_SIZE = 100


class WebhookSettings(BaseModel):
    """What an output of this kind is configured with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[
        str,
        AfterValidator(usable_url),
        Field(max_length=2048, title="URL", description="Where messages are posted; https"),
    ]
    token: Annotated[
        SecretText | None,
        Field(description="Sent as `Authorization: Token ...`", json_schema_extra={"confidential": True}),
    ] = None
    signing_secret: Annotated[
        SecretText | None,
        Field(description="Key of the HMAC signature; made up if absent", json_schema_extra={"confidential": True}),
    ] = None
    encoding: Annotated[Encoding, Field(description="How identities are written")] = Encoding.RAW
    accepted_identities: Annotated[
        tuple[str, ...], Field(description="Identity types to forward; empty for all", examples=[["email"]])
    ] = ()
    required_identities: Annotated[
        tuple[str, ...], Field(description="Forward only users with at least one identity of these types")
    ] = ()

    @field_validator("accepted_identities", "required_identities")
    @classmethod
    def _are_known(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := sorted(set(types) - IDENTITY_TYPES):
            raise ValueError(f"not accepted by this connector: {', '.join(unknown)}")
        return types

    @model_validator(mode="after")
    def _requires_what_it_accepts(self) -> "WebhookSettings":
        if self.accepted_identities and not set(self.required_identities) <= set(self.accepted_identities):
            raise ValueError("required_identities must be among accepted_identities")
        return self


class WebhookConnectionSettings(RootModel[dict[Annotated[str, Field(min_length=1, max_length=100)], str]]):
    """Free settings of one connection, sent with every message as `audience_subscription_settings`."""

    root: Annotated[dict[Annotated[str, Field(min_length=1, max_length=100)], str], Field(max_length=50)] = {}


class WebhookConnector:
    def __init__(self, settings: WebhookSettings, send: Send) -> None:
        self._settings, self._send = settings, send

    @property
    def accepted_identities(self) -> frozenset[str]:
        return frozenset(self._settings.accepted_identities) or IDENTITY_TYPES

    @property
    def required_identities(self) -> frozenset[str]:
        return frozenset(self._settings.required_identities)

    @property
    def batch_size(self) -> int:
        return BATCH_SIZE

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        return _echoed(self._post(subscription_request(subscription, "add", now_ms), now_ms))

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        return _echoed(self._post(subscription_request(subscription, "update", now_ms, previous), now_ms))

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        self._post(subscription_request(subscription, "remove", now_ms), now_ms)

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        answer = self._post(membership_request(subscription, changes, self._settings.encoding, now_ms), now_ms)
        if answer.get("suspend_subscription") is True:
            raise TerminalDeliveryError("the partner asked to suspend the subscription", FaultKind.PARTNER_ERROR)
        return Receipt()

    def _post(self, body: bytes, now_ms: int) -> dict[str, Any]:
        response = self._send(HttpRequest("POST", self._settings.url, self._headers(body, now_ms), body))
        raise_for_status(response)
        return _json_object(response.body)

    def _headers(self, body: bytes, now_ms: int) -> dict[str, str]:
        timestamp = str(now_ms // 1000)
        headers = {"Content-Type": "application/json", "X-Audience-Timestamp": timestamp}
        if self._settings.token:
            headers["Authorization"] = f"Token {self._settings.token}"
        if self._settings.signing_secret:
            headers["X-Audience-Signature"] = signature(self._settings.signing_secret, timestamp, body)
        return headers


def signature(secret: str, timestamp: str, body: bytes) -> str:
    """The `X-Audience-Signature` of a body sent at `timestamp` (UNIX seconds, as the header says)."""
    digest = hmac.new(secret.encode(), timestamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return f"v1={digest}"


def new_signing_secret() -> str:
    """A secret of 256 random bits."""
    return secrets.token_urlsafe(32)


def _json_object(body: bytes) -> dict[str, Any]:
    """Success needs no body: one that is not a JSON object says nothing."""
    try:
        answer = json.loads(body)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


def _echoed(answer: dict[str, Any]) -> dict[str, str]:
    settings = answer.get("audience_subscription_settings")
    if not isinstance(settings, dict):
        return {}
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in settings.items()}
