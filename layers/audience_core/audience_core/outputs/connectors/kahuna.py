"""Marks members with a user attribute at Kahuna, a service that is no longer sold."""

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from http import HTTPStatus
from itertools import batched, chain, repeat
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from audience_core.domain.event import Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.output import FaultKind, Forward
from audience_core.errors import TerminalDeliveryError
from audience_core.outputs.connector import RETRIED, Receipt, Rejection, Subscription, raise_for_status
from audience_core.outputs.http import HttpRequest, HttpResponse, Send

# Identity type -> its name in Kahuna's `target`.
_TARGETS = {"customer_id": "user_id", "email": "email"}
IDENTITY_TYPES = frozenset(_TARGETS)
# What one request may hold (Kahuna's "User Attribute API").
BATCH_SIZE = 100
_URL = "https://tap-nexus.appspot.com/api/userattributes"
# Errors of one user by which all others would fail as well.
_OF_ALL = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.CONFLICT})

type Key = Annotated[str, Field(min_length=1, max_length=1024, pattern=r"^[!-9;-~]+$")]


class Environment(StrEnum):
    PRODUCTION = "production"
    SANDBOX = "sandbox"


class KahunaSettings(BaseModel):
    """What an output of this kind is configured with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    secret_key: Annotated[Key | None, Field(title="Secret Key", json_schema_extra={"confidential": True})] = None
    api_key: Annotated[Key | None, Field(title="API Key", json_schema_extra={"confidential": True})] = None
    environment: Annotated[Environment, Field(description="Which users of the app")] = Environment.PRODUCTION


class KahunaConnectionSettings(BaseModel):
    """A connection needs no settings."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True, slots=True)
class Mark:
    """Whether the user found by these identities is a member."""

    mpid: Mpid
    identities: Sequence[Identity]
    is_member: bool


class KahunaConnector:
    accepted_identities = IDENTITY_TYPES
    required_identities = frozenset[str]()
    batch_size = BATCH_SIZE

    def __init__(self, settings: KahunaSettings, send: Send) -> None:
        self._settings, self._send = settings, send

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        """Kahuna has no audiences to announce: see only whether it would listen."""
        self._set(_attribute(subscription), ())
        return {}

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        return self.subscribe(subscription, now_ms)

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        self._set(_attribute(subscription), ())

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        """Takes marks off first, so that an identity that moved to another member keeps its mark."""
        attribute, outcomes = _attribute(subscription), list[tuple[Mark, str]]()
        off = [Mark(each.mpid, gone, False) for each in changes if (gone := _gone(each))]
        on = [Mark(each.mpid, each.after.identities, True) for each in changes if each.after is not None]
        for marks in (off, on):
            for chunk in batched(marks, BATCH_SIZE, strict=False):
                outcomes += self._set(attribute, chunk)
        if not changes:
            self._set(attribute, ())
        return Receipt(_rejections(outcomes))

    def _set(self, attribute: str, marks: Sequence[Mark]) -> list[tuple[Mark, str]]:
        """Each mark with the reason why it was not set; "" if it was."""
        body = json.dumps({"user_attributes_array": [_entry(attribute, mark) for mark in marks]}).encode()
        response = self._send(HttpRequest("POST", f"{_URL}?env={self._environment}", self._headers(), body))
        _raise_for(response)
        # An answer of another form says nothing of any user.
        results = chain(_results(response.body), repeat(None))
        return [(mark, _refusal(mark, result)) for mark, result in zip(marks, results, strict=False)]

    @property
    def _environment(self) -> str:
        return "p" if self._settings.environment is Environment.PRODUCTION else "s"

    def _headers(self) -> dict[str, str]:
        keys = self._settings.secret_key, self._settings.api_key
        if None in keys:
            raise TerminalDeliveryError("the output needs a secret_key and an api_key", FaultKind.AUTHENTICATION)
        credential = base64.b64encode(f"{keys[0]}:{keys[1]}".encode()).decode()
        return {"Content-Type": "application/json", "Authorization": f"Basic {credential}"}


def _attribute(subscription: Subscription) -> str:
    return f"mp_audience_{subscription.audience_id}"


def _gone(change: Forward) -> tuple[Identity, ...]:
    kept = change.after.identities if change.after else ()
    return tuple(each for each in change.before.identities if each not in kept) if change.before else ()


def _entry(attribute: str, mark: Mark) -> dict[str, Any]:
    target = {_TARGETS[each.type]: each.value for each in mark.identities if each.type in _TARGETS}
    return {"target": target, "attributes": {attribute: "true" if mark.is_member else "false"}}


def _raise_for(response: HttpResponse) -> None:
    if response.status == HTTPStatus.CONFLICT:
        raise TerminalDeliveryError("the partner answered 409 Conflict: not allowed there", FaultKind.PERMISSIONS)
    raise_for_status(response)


def _results(body: bytes) -> Sequence[Any]:
    """What became of each user, in the order of the request; none from an answer of another form."""
    try:
        answer = json.loads(body)
    except ValueError:
        return ()
    return answer if isinstance(answer, list) else ()


def _refusal(mark: Mark, result: Any) -> str:
    """Why this mark was not set, in our own words; "" if it was. A success may hide that all have failed."""
    if not isinstance(result, dict) or result.get("success") is not False:
        return ""
    code = result.get("error_code")
    if code in _OF_ALL or code in RETRIED:
        _raise_for(HttpResponse(code))
    if code == HTTPStatus.NOT_FOUND:
        # Whom Kahuna does not know has no mark to take off.
        return "Kahuna knows no such user" if mark.is_member else ""
    return "Kahuna refuses this user"


def _rejections(outcomes: Sequence[tuple[Mark, str]]) -> tuple[Rejection, ...]:
    """A rejection is partial if another mark of the same member was set."""
    taken = {mark.mpid for mark, reason in outcomes if not reason}
    reasons = {mark.mpid: reason for mark, reason in outcomes if reason}
    return tuple(Rejection(mpid, reason, mpid in taken) for mpid, reason in reasons.items())
