"""Tells Braze who is in an audience by custom attributes of its users, of which segments are made there.

Sources: Braze's REST documentation of `POST /users/track`, of the user attributes object, and of rate limits. Where
errors say which object they mean (`input_array`, `index`) is not in it, so what cannot be read is only counted.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from audience_core.domain.ids import Mpid
from audience_core.domain.output import FaultKind, Forward, Target
from audience_core.errors import RetryableDeliveryError
from audience_core.outputs.connector import Receipt, Rejection, Subscription, raise_for_status, retry_after_s
from audience_core.outputs.http import HttpRequest, HttpResponse, Send
from audience_core.outputs.setting_types import LocalUrl, SecretText

IDENTITY_TYPES = frozenset({"customer_id", "email"})
# Attribute objects per request.
BATCH_SIZE = 75
ALIAS_LABEL = "email"
_NAME_CHARACTERS = 255

logger = logging.getLogger(__name__)


class BrazeSettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    instance: Annotated[
        str,
        Field(pattern=r"^[a-z]{2,4}-[0-9]{2}$", description="As in its REST endpoint", examples=["iad-01", "fra-02"]),
    ]
    api_key: Annotated[
        SecretText,
        Field(description="REST API key with the permission users.track", json_schema_extra={"confidential": True}),
    ]
    rest_url: LocalUrl = ""

    @property
    def url(self) -> str:
        domain = "braze.eu" if self.instance.startswith("fra-") else "braze.com"
        return f"{self.rest_url or f'https://rest.{self.instance}.{domain}'}/users/track"


class BrazeConnectionSettings(BaseModel):
    """Those marked `fixed` decide where memberships are written: they stay as the connection was made with."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    membership: Annotated[
        Literal["attribute", "array", "both"],
        Field(
            description="One attribute `In <Name>` that is true or false, the audience's id in an array, or both",
            json_schema_extra={"fixed": True},
        ),
    ] = "attribute"
    array_attribute: Annotated[
        str, Field(min_length=1, max_length=_NAME_CHARACTERS, json_schema_extra={"fixed": True})
    ] = "AudienceMemberships"
    update_existing_only: Annotated[bool, Field(description="Make no new users at Braze")] = False


@dataclass(frozen=True, slots=True)
class _User:
    """Whom an attribute object is about: by the id that customers gave, else by an alias that is the e-mail address."""

    external_id: str = ""
    email: str = ""

    @property
    def key(self) -> dict[str, Any]:
        if self.external_id:
            return {"external_id": self.external_id}
        return {"user_alias": {"alias_name": self.email, "alias_label": ALIAS_LABEL}}


class BrazeConnector:
    """The attribute is named when the audience is first announced and keeps its name: segments there refer to it."""

    accepted_identities = IDENTITY_TYPES
    required_identities = frozenset[str]()
    batch_size = BATCH_SIZE

    def __init__(self, settings: BrazeSettings, send: Send) -> None:
        self._settings, self._send = settings, send

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        self._knock(now_ms)
        return {"attribute": _attribute(subscription, subscription.settings)}

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        self._knock(now_ms)
        return {"attribute": _attribute(subscription, previous)}

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        """Nothing is left to say: Braze keeps the attribute, which is false for everybody by now."""

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        if not changes:
            self._knock(now_ms)
        objects = _objects(subscription, changes)
        refused: list[Mpid] = []
        for start in range(0, len(objects), BATCH_SIZE):
            told = objects[start : start + BATCH_SIZE]
            response = self._post([each for _, each in told], now_ms)
            refused += [told[place][0] for place in _refused(response, len(told), now_ms)]
            if start + BATCH_SIZE < len(objects) and response.headers.get("x-ratelimit-remaining") == "0":
                wait_s = _until_reset_s(response, now_ms)
                raise RetryableDeliveryError("the partner takes no more for now", wait_s, FaultKind.RATE_LIMIT)
        return Receipt(tuple(_rejections(refused, [mpid for mpid, _ in objects])))

    def _knock(self, now_ms: int) -> None:
        """See whether the key is good: a request about nobody is refused as such (400) once its key was accepted."""
        response = self._post([], now_ms)
        if response.status != HTTPStatus.BAD_REQUEST:
            _raise_for_status(response, now_ms)

    def _post(self, objects: Sequence[dict[str, Any]], now_ms: int) -> HttpResponse:
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._settings.api_key}"}
        body = json.dumps({"attributes": objects}, separators=(",", ":")).encode()
        return self._send(HttpRequest("POST", self._settings.url, headers, body))


def _objects(subscription: Subscription, changes: Sequence[Forward]) -> list[tuple[Mpid, dict[str, Any]]]:
    """Attribute objects, those that end a membership first; whoever any member of the batch is, stays."""
    own = BrazeConnectionSettings.model_fields.keys()
    settings = BrazeConnectionSettings.model_validate({k: v for k, v in subscription.settings.items() if k in own})
    # Which of several targets the partner has is not known, so whoever any of them may have meant is meant.
    known = {user: change.mpid for change in changes for user in (*_by_id(change.before), *_by_email(change.before))}
    wanted = {user: change for change in changes for user in _users(change.after)}
    # Nobody is made at Braze only to be told that they are not in an audience.
    ended = {"_update_existing_only": True, **_membership(subscription, settings, is_member=False)}
    begun = {
        "_update_existing_only": settings.update_existing_only,
        **_membership(subscription, settings, is_member=True),
    }
    return [
        *((mpid, {**user.key, **ended}) for user, mpid in known.items() if user not in wanted),
        *((change.mpid, {**user.key, **_address(user, change.after), **begun}) for user, change in wanted.items()),
    ]


def _users(target: Target | None) -> list[_User]:
    return _by_id(target) or _by_email(target)


def _by_id(target: Target | None) -> list[_User]:
    return [_User(external_id=each) for each in _values(target, "customer_id")]


def _by_email(target: Target | None) -> list[_User]:
    return [_User(email=each) for each in _emails(target)]


def _address(user: _User, target: Target | None) -> dict[str, str]:
    """Where Braze can write to."""
    addresses = [user.email] if user.email else _emails(target)[:1]
    return {"email": addresses[0]} if addresses else {}


def _emails(target: Target | None) -> list[str]:
    return list(dict.fromkeys(each.strip().lower() for each in _values(target, "email")))


def _values(target: Target | None, kind: str) -> list[str]:
    return [identity.value for identity in target.identities if identity.type == kind] if target else []


def _membership(subscription: Subscription, settings: BrazeConnectionSettings, *, is_member: bool) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if settings.membership in ("attribute", "both"):
        told[_attribute(subscription, subscription.settings)] = is_member
    if settings.membership in ("array", "both"):
        told[settings.array_attribute] = {"add" if is_member else "remove": [str(subscription.audience_id)]}
    return told


def _attribute(subscription: Subscription, known: Mapping[str, str]) -> str:
    return known.get("attribute") or f"In {subscription.audience_name}"[:_NAME_CHARACTERS]


def _rejections(refused: Sequence[Mpid], told: Sequence[Mpid]) -> Iterable[Rejection]:
    """One for each member; partial when another object about the member was taken."""
    reason, left, all_told = "the partner refuses the user or the attribute", Counter(refused), Counter(told)
    return (Rejection(mpid, reason, is_partial=left[mpid] < all_told[mpid]) for mpid in sorted(left))


def _refused(response: HttpResponse, count: int, now_ms: int) -> Sequence[int]:
    """Places of the objects that were refused while the others were taken; raise when the request was, as a whole."""
    errors = _errors(response)
    places = {place for place in map(_place, errors) if place is not None and place < count}
    # Braze calls a request bad, too, when each single object of it is.
    if not (response.status == HTTPStatus.BAD_REQUEST and len(places) == count):
        _raise_for_status(response, now_ms)
    if errors:
        logger.warning("objects were refused", extra={"count": len(errors), "named": len(places)})
    return sorted(places)


def _errors(response: HttpResponse) -> list[Any]:
    try:
        errors = json.loads(response.body).get("errors")
    except (ValueError, AttributeError):
        return []
    return errors if isinstance(errors, list) else []


def _place(error: Any) -> int | None:
    """The index of the attribute object that an error means; None when it does not say."""
    is_placed = isinstance(error, dict) and error.get("input_array") == "attributes"
    index = error.get("index") if is_placed else None
    return index if isinstance(index, int) and index >= 0 else None


def _raise_for_status(response: HttpResponse, now_ms: int) -> None:
    if response.status == HTTPStatus.TOO_MANY_REQUESTS:
        wait_s = _until_reset_s(response, now_ms)
        raise RetryableDeliveryError("the partner answered 429 Too Many Requests", wait_s, FaultKind.RATE_LIMIT)
    if response.status != HTTPStatus.CREATED:
        raise_for_status(response)


def _until_reset_s(response: HttpResponse, now_ms: int) -> float | None:
    """`X-RateLimit-Reset` is in UTC epoch seconds."""
    reset = response.headers.get("x-ratelimit-reset", "")
    if not (reset.isascii() and reset.isdigit()):
        return retry_after_s(response)
    return max(0.0, float(reset) - now_ms / 1000)
