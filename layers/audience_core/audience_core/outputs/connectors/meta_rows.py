"""What Meta is told of a member: normalised, hashed, and laid out in the columns of its upload schemas.

Rules of the columns: Meta's guide to customer file custom audiences, and the official client's own helper.
"""

import hashlib
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from audience_core.domain.event import AttributeValue
from audience_core.domain.output import Target
from audience_core.outputs.connectors.meta_settings import GAID, IDFA, PHONES, MetaConnectionSettings

VALUE_COLUMN = "LOOKALIKE_VALUE"
PHONE_ATTRIBUTE = "$Mobile"
_TRIMMED = " \t\r\n\0\x0b."


class RemoteKind(StrEnum):
    """The audiences that one connection keeps at Meta, by what they hold."""

    EMAIL = "email"
    FACEBOOK = "facebook"
    DEVICE = "device"
    PHONE = "phone"
    MULTI_KEY = "multi_key"


TITLES = {
    RemoteKind.EMAIL: "email",
    RemoteKind.FACEBOOK: "fb id",
    RemoteKind.DEVICE: "IDFA/GAID",
    RemoteKind.PHONE: "phone",
    RemoteKind.MULTI_KEY: "multi-key",
}
_SINGLE_SCHEMAS = {
    RemoteKind.EMAIL: "EMAIL_SHA256",
    RemoteKind.FACEBOOK: "UID",
    RemoteKind.DEVICE: "MOBILE_ADVERTISER_ID",
    RemoteKind.PHONE: "PHONE_SHA256",
}
_COLUMNS = {
    RemoteKind.EMAIL: "EMAIL",
    RemoteKind.FACEBOOK: "UID",
    RemoteKind.DEVICE: "MADID",
    RemoteKind.PHONE: "PHONE",
}
# Column -> the reserved user attribute that fills it.
MATCHED_ATTRIBUTES = {
    "GEN": "$Gender",
    "FN": "$FirstName",
    "LN": "$LastName",
    "CT": "$City",
    "ST": "$State",
    "ZIP": "$Zip",
    "COUNTRY": "$Country",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One entry of a remote audience.

    Args:
        keys: what identifies it there: one value, or all columns of a multi-key audience, unknown ones blank.
        value: what the member is worth, in value-based audiences.
    """

    keys: tuple[str, ...]
    value: float | None = None


def rows(kind: RemoteKind, target: Target | None, settings: MetaConnectionSettings) -> list[Row]:
    """The entries by which a remote audience knows a member; none when it should not have the member.

    Every identity of the target counts: it holds those alone that are, or were, forwarded.
    """
    if target is None:
        return []
    value = worth(target, settings) if settings.value_based else None
    if settings.value_based and value is None:
        return []
    if kind is RemoteKind.MULTI_KEY:
        keys = _multi_keys(target, settings)
        return [Row(keys, value)] if keys else []
    return [Row((each,), value) for each in dict.fromkeys(_values(kind, target, settings))]


def added(kind: RemoteKind, told: Sequence[Row], settings: MetaConnectionSettings, app_id: str) -> dict[str, Any]:
    """The `payload` that adds rows."""
    if not settings.value_based:
        return removed(kind, told, settings, app_id)
    columns = _multi_columns(settings) if kind is RemoteKind.MULTI_KEY else [_COLUMNS[kind]]
    data = [[*_in_columns(kind, row.keys), row.value] for row in told]
    return _payload(kind, [*columns, VALUE_COLUMN], data, app_id)


def removed(kind: RemoteKind, told: Sequence[Row], settings: MetaConnectionSettings, app_id: str) -> dict[str, Any]:
    """The `payload` that removes rows: by their keys alone, whatever their value was."""
    if kind is RemoteKind.MULTI_KEY:
        return _payload(kind, _multi_columns(settings), [list(row.keys) for row in told], app_id)
    return _payload(kind, _SINGLE_SCHEMAS[kind], [row.keys[0] for row in told], app_id)


def cells(kind: RemoteKind, row: Row) -> set[str]:
    """The texts by which an answer may name a row."""
    return {*row.keys, *_in_columns(kind, row.keys)} - {""}


def worth(target: Target, settings: MetaConnectionSettings) -> float | None:
    """The number by which a value-based audience ranks a member; None when the member must stay out of it."""
    held = dict(target.attributes).get(settings.value_attribute, 0)
    try:
        number = float(held) if isinstance(held, int | float | str) and not isinstance(held, bool) else -1.0
    except ValueError:
        return None
    if not 0 <= number < float("inf"):
        return None
    return number if number > 0 or settings.allow_zero_values else None


def email(value: str) -> str:
    return value.strip(_TRIMMED).lower()


def phone(value: str) -> str:
    """Digits with the country code, which only whoever collected the number could add."""
    return "".join(each for each in value if each.isascii() and each.isdigit()).lstrip("0")


def device(value: str) -> str:
    """Lower case, with hyphens; what is no advertising id is left for Meta to refuse."""
    try:
        return str(uuid.UUID(value.strip()))
    except ValueError:
        return value.strip().lower()


def external_id(value: str) -> str:
    return value.strip().lower()


def gender(value: str) -> str:
    first = value.strip()[:1].lower()
    return first if first in ("m", "f") else ""


def letters(value: str) -> str:
    """Lower-case letters; those outside a-z are kept, as Meta's guide asks for, though its own client drops them."""
    return "".join(each for each in value.lower() if each.isalpha())


def postcode(value: str) -> str:
    return value.strip().lower().partition("-")[0]


def country(value: str) -> str:
    """ISO 3166-1 alpha-2; a longer name is unknown rather than its first two letters, which are another country's."""
    code = letters(value)
    return code if len(code) == 2 else ""


def sha256(text: str) -> str:
    """Hexadecimal; nothing stays nothing: an unknown cell must be blank."""
    return hashlib.sha256(text.encode()).hexdigest() if text else ""


_NORMALISED = {"GEN": gender, "FN": letters, "LN": letters, "CT": letters, "ST": letters}
_NORMALISED |= {"ZIP": postcode, "COUNTRY": country}


def _values(kind: RemoteKind, target: Target, settings: MetaConnectionSettings) -> Iterable[str]:
    match kind:
        case RemoteKind.EMAIL:
            found = (sha256(email(each)) for each in _of(target, settings.external_email_identity_type))
        case RemoteKind.FACEBOOK:
            found = (each.strip() for each in _of(target, "facebook"))
        case RemoteKind.DEVICE:
            found = (device(each) for each in _of(target, IDFA, GAID))
        case _:
            found = (sha256(phone(each)) for each in _phones(target))
    return (each for each in found if each)


def _phones(target: Target) -> list[str]:
    reserved = dict(target.attributes).get(PHONE_ATTRIBUTE)
    return [*_of(target, *PHONES), *([_text(reserved)] if reserved is not None else [])]


def _of(target: Target, *types: str) -> list[str]:
    return [identity.value for identity in target.identities if identity.type in types]


def _multi_columns(settings: MetaConnectionSettings) -> list[str]:
    """The same whatever is forwarded at present: rows of before must be told as they were to be removed."""
    external = ["EXTERN_ID"] if settings.external_id_type else []
    matched = list(MATCHED_ATTRIBUTES) if settings.match_on_user_attributes else []
    return [*external, "EMAIL", "PHONE", "MADID", *matched]


def _multi_keys(target: Target, settings: MetaConnectionSettings) -> tuple[str, ...]:
    """One value a column: of several identities of a kind the first in order. Empty without any identity."""
    identities = {
        "EXTERN_ID": sha256(external_id(_first(_of(target, settings.external_id_type)))),
        "EMAIL": _first(_values(RemoteKind.EMAIL, target, settings)),
        "PHONE": _first(_values(RemoteKind.PHONE, target, settings)),
        "MADID": sha256(_first(_values(RemoteKind.DEVICE, target, settings))),
    }
    columns, attributes = _multi_columns(settings), dict(target.attributes)
    if not any(identities.get(column) for column in columns):
        return ()
    return tuple(identities[c] if c in identities else _matched(c, attributes) for c in columns)


def _matched(column: str, attributes: dict[str, AttributeValue]) -> str:
    held = attributes.get(MATCHED_ATTRIBUTES[column])
    return "" if held is None else sha256(_NORMALISED[column](_text(held)))


def _first(found: Iterable[str]) -> str:
    return next(iter(found), "")


def _text(value: AttributeValue) -> str:
    """Of a list or an object there is no one text to match by."""
    return "" if isinstance(value, list | dict) else str(value)


def _in_columns(kind: RemoteKind, keys: tuple[str, ...]) -> tuple[str, ...]:
    """In a list of columns advertising ids are hashed, which they are not on their own."""
    return tuple(map(sha256, keys)) if kind is RemoteKind.DEVICE else keys


def _payload(kind: RemoteKind, schema: str | list[str], data: list[Any], app_id: str) -> dict[str, Any]:
    payload = {"schema": schema, "is_raw": isinstance(schema, list), "data": data}
    return {**payload, "app_ids": [app_id]} if kind is RemoteKind.FACEBOOK else payload
