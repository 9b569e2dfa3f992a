"""The JSON of Firehose messages, which partners' own endpoints speak (docs/connectors.md)."""

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any

from audience_core.domain.event import AttributeValue, Identity
from audience_core.domain.output import Forward, Target
from audience_core.outputs.connector import Subscription, gone

FIREHOSE_VERSION = "3.2.0"
_MESSAGE_IDS = uuid.UUID("8f1c3b62-52cf-4f52-9b0e-0d6a4e0f7c11")

USER_IDENTITIES = {
    "customer_id": "customer",
    "email": "email",
    "other": "other",
    **{f"other_id_{n}": f"other{n}" for n in range(2, 11)},
    "mobile_number": "mobile_number",
    "phone_number_2": "phone_number_2",
    "phone_number_3": "phone_number_3",
    "facebook": "facebook",
    "twitter": "twitter",
    "google": "google",
    "microsoft": "microsoft",
    "yahoo": "yahoo",
}
# Push tokens are left out: their name there depends on a platform that identities do not tell.
DEVICE_IDENTITIES = {
    "ios_advertising_id": "ios_advertising_id",
    "ios_idfv": "ios_vendor_id",
    "android_advertising_id": "google_advertising_id",
    "android_uuid": "android_id",
    "roku_advertising_id": "roku_advertising_id",
    "roku_publisher_id": "roku_publisher_id",
    "fire_advertising_id": "fire_advertising_id",
    "microsoft_advertising_id": "microsoft_advertising_id",
    "microsoft_publisher_id": "microsoft_publisher_id",
}


class Encoding(StrEnum):
    """How identity values are written; hashes are of the lower-case value, in hexadecimal."""

    RAW = "raw"
    MD5 = "md5"
    SHA1 = "sha1"
    SHA256 = "sha256"


def subscription_request(
    subscription: Subscription, action: str, now_ms: int, previous: Mapping[str, str] | None = None
) -> bytes:
    """An `audience_subscription_request`; `action` is add, update or remove."""
    content: dict[str, Any] = {
        "account": _account(subscription),
        "audience_id": subscription.audience_id,
        "audience_name": subscription.audience_name,
        "audience_subscription_settings": dict(subscription.settings),
        "action": action,
    }
    if previous is not None:
        content["previous_audience_subscription_settings"] = dict(previous)
    return _message("audience_subscription_request", content, subscription.revision, now_ms)


def membership_request(
    subscription: Subscription, changes: Sequence[Forward], encoding: Encoding, now_ms: int
) -> bytes:
    """An `audience_membership_change_request`: deletes first, so that an identity that moved to another user stays.

    Without changes it is the verification ping, which holds no profiles.
    """
    deletes = [_entry(subscription, c, encoding, "delete", left) for c in changes if (left := gone(c))]
    sets = [_set_entry(subscription, c, c.after, encoding) for c in changes if c.after is not None]
    content: dict[str, Any] = {"account": _account(subscription)}
    if changes:
        content["user_profiles"] = [*deletes, *sets]
    versions = ",".join(str(change.version) for change in changes)
    return _message("audience_membership_change_request", content, f"{subscription.revision}/{versions}", now_ms)


def _message(kind: str, content: dict[str, Any], revision: str, now_ms: int) -> bytes:
    """The id is worked out from what is said, so that a repeat can be known by it."""
    said = json.dumps([kind, revision, content], sort_keys=True, separators=(",", ":"))
    head = {
        "type": kind,
        "id": str(uuid.uuid5(_MESSAGE_IDS, said)),
        "timestamp_ms": now_ms,
        "firehose_version": FIREHOSE_VERSION,
    }
    return json.dumps({**head, **content}, separators=(",", ":")).encode()


def _account(subscription: Subscription) -> dict[str, Any]:
    return {"account_id": subscription.account_id, "account_settings": {}}


def _set_entry(subscription: Subscription, change: Forward, after: Target, encoding: Encoding) -> dict[str, Any]:
    before, told, known = change.before, dict(after.attributes), dict(change.before.attributes if change.before else ())
    gone = [{"key": key, "action": "delete"} for key in known if key not in told]
    if before is None or before == after or change.is_uncertain or before.identities != after.identities:
        whole = [*gone, *(_upsert(key, value) for key, value in told.items())]
        return _entry(subscription, change, encoding, "add", after.identities, whole)
    changed = [
        _upsert(key, value) for key, value in told.items() if key not in known or _text(known[key]) != _text(value)
    ]
    return _entry(subscription, change, encoding, "attribute_update", after.identities, [*gone, *changed])


def _upsert(key: str, value: AttributeValue) -> dict[str, Any]:
    if isinstance(value, list):
        return {"key": key, "action": "upsert", "list_value": [_text(each) for each in value]}
    return {"key": key, "action": "upsert", "value": _text(value)}


def _entry(
    subscription: Subscription,
    change: Forward,
    encoding: Encoding,
    action: str,
    identities: Sequence[Identity],
    attributes: Sequence[dict[str, Any]] = (),
) -> dict[str, Any]:
    audience: dict[str, Any] = {
        "audience_id": subscription.audience_id,
        "audience_name": subscription.audience_name,
        "audience_subscription_settings": dict(subscription.settings),
        "action": action,
    }
    if attributes:
        audience["user_attributes"] = list(attributes)
    return {
        "mpid": str(change.mpid),
        "user_identities": _identities(identities, USER_IDENTITIES, encoding),
        "device_identities": _identities(identities, DEVICE_IDENTITIES, encoding),
        "audiences": [audience],
    }


def _identities(identities: Sequence[Identity], names: Mapping[str, str], encoding: Encoding) -> list[dict[str, str]]:
    return [
        {"type": names[identity.type], "encoding": encoding.value, "value": encode(identity.value, encoding)}
        for identity in identities
        if identity.type in names
    ]


def encode(value: str, encoding: Encoding) -> str:
    if encoding is Encoding.RAW:
        return value
    return hashlib.new(encoding.value, value.lower().encode()).hexdigest()


def _text(value: Any) -> str:
    """Attribute values travel as strings: text as it is, all else as JSON (`true`, `1.5`)."""
    return value if isinstance(value, str) else json.dumps(value)
