"""The one table of how clients spell identities, and how values of each type are made comparable."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unicodedata import decimal

from audience_core.domain.event import Identity
from audience_core.domain.identities import DEVICE_STAMP, is_device
from audience_core.pipeline.wire.values import MAX_IDENTITY_CHARS, Losses, mapping, text

type Normalise = Callable[[str], str]


def as_given(value: str) -> str:
    return value


def lower(value: str) -> str:
    return value.strip().lower()


def digits(value: str) -> str:
    """ASCII digits of a phone number, whatever script they were written in."""
    return "".join(str(decimal(character)) for character in value if character.isdecimal())


@dataclass(frozen=True, slots=True)
class Spelling:
    """A canonical type, how its values are compared, and its other names; case and underscores never matter."""

    type: str
    normalise: Normalise
    aliases: tuple[str, ...] = ()


SPELLINGS = (
    # People
    Spelling("customer_id", as_given, ("customerid", "customer")),
    Spelling("mobile_number", digits),
    Spelling("phone_number_2", digits),
    Spelling("phone_number_3", digits),
    Spelling("email", lower),
    Spelling("other", as_given),
    Spelling("other_id_2", as_given, ("other2",)),
    Spelling("other_id_3", as_given, ("other3",)),
    Spelling("other_id_4", as_given, ("other4",)),
    Spelling("other_id_5", as_given, ("other5",)),
    Spelling("other_id_6", as_given, ("other6",)),
    Spelling("other_id_7", as_given, ("other7",)),
    Spelling("other_id_8", as_given, ("other8",)),
    Spelling("other_id_9", as_given, ("other9",)),
    Spelling("other_id_10", as_given, ("other10",)),
    Spelling("facebook", as_given, ("facebookid",)),
    Spelling("facebook_custom_audience_id", as_given, ("facebookcustomaudienceid",)),
    Spelling("google", as_given),
    Spelling("twitter", as_given),
    Spelling("microsoft", as_given),
    Spelling("yahoo", as_given),
    Spelling("alias", as_given),
    # Devices
    Spelling("ios_advertising_id", lower, ("ios_idfa",)),
    Spelling("ios_idfv", lower, ("ios_vendor_id",)),
    Spelling("android_advertising_id", lower, ("android_aaid", "google_advertising_id", "GoogleAdvertisingIdentifier")),
    Spelling("android_uuid", lower, ("android_id",)),
    Spelling("fire_advertising_id", lower, ("fire_aid",)),
    Spelling("roku_advertising_id", lower, ("roku_aid",)),
    Spelling("roku_publisher_id", lower),
    Spelling("microsoft_publisher_id", lower),
    Spelling("microsoft_advertising_id", lower),
    # The services that issue these two tell small letters from capitals.
    Spelling("amp_id", as_given),
    Spelling("mp_deviceid", lower, ("device_application_stamp",)),
    Spelling("push_token", as_given, ("apple_push_notification_token", "google_cloud_messaging_token")),
)


def read_identities(user_identities: Any, device_info: Any, device_stamp: Any, losses: Losses) -> tuple[Identity, ...]:
    """Every usable identity of a batch, in the table's order, none twice.

    Of a person's type the canonical spelling counts before its aliases, and one value only; a device's type
    may come with several values.
    """
    people = _by_spelling(user_identities)
    devices = _by_spelling(device_info)
    found: dict[Identity, None] = {}
    for spelling in SPELLINGS:
        given = [*_values(spelling, people, losses)]
        if is_device(spelling.type):
            given += _values(spelling, devices, losses)
            given += [identity(spelling, device_stamp, losses)] if spelling.type == DEVICE_STAMP else []
        usable = [each for each in given if each is not None]
        found |= dict.fromkeys(usable if is_device(spelling.type) else usable[:1])
    return tuple(found)


def read_identity(identity_type: str, value: Any, losses: Losses) -> Identity | None:
    """One identity whose canonical type is known; None when its value is of no use."""
    return identity(_BY_TYPE[identity_type], value, losses)


def identity_of(identity_type: str, value: str) -> Identity | None:
    """One identity by any spelling of its type; None for an unknown type or a value of no use."""
    wanted = _folded(identity_type)
    found = (each for each in SPELLINGS if wanted in map(_folded, (each.type, *each.aliases)))
    spelling = next(found, None)
    return None if spelling is None else identity(spelling, value, Losses())


def identity(spelling: Spelling, value: Any, losses: Losses) -> Identity | None:
    """None for null, truth values and structures, and for what is left empty."""
    if value is None or isinstance(value, bool | dict | list):
        losses.count += value is not None
        return None
    normalised = losses.cut(spelling.normalise(text(value)), MAX_IDENTITY_CHARS)
    return Identity(spelling.type, normalised) if _is_usable(spelling.type, normalised) else None


def _is_usable(identity_type: str, value: str) -> bool:
    # A device that may not be tracked reports zeros: every such device would be one user.
    is_all_zero = is_device(identity_type) and not value.strip("0-")
    return bool(value.strip()) and not is_all_zero


def _values(spelling: Spelling, given: dict[str, Any], losses: Losses) -> Iterator[Identity | None]:
    for name in dict.fromkeys(map(_folded, (spelling.type, *spelling.aliases))):
        if name in given:
            yield identity(spelling, given[name], losses)


def _by_spelling(given: Any) -> dict[str, Any]:
    """By folded name; of two names that fold alike the one that has a value, then the lesser in order."""
    by_name: dict[str, Any] = {}
    for name, value in sorted(mapping(given).items(), key=_name, reverse=True):
        if value not in (None, "") or _folded(name) not in by_name:
            by_name[_folded(name)] = value
    return by_name


def _name(item: tuple[str, Any]) -> str:
    return item[0]


def _folded(name: str) -> str:
    return name.strip().lower().replace("_", "")


_BY_TYPE = {spelling.type: spelling for spelling in SPELLINGS}
