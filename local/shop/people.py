"""The customers of the sample shop: who they are, what they carry, and how often they come."""

import uuid
from dataclasses import dataclass
from enum import StrEnum
from random import Random
from typing import Any

from local.shop.catalog import CATEGORIES, FIRST_NAMES, LAST_NAMES, PLACES, PUBLISHERS, Place

DAY_MS = 86_400_000
NAMESPACE = uuid.UUID("0d3c5e0e-54a8-5e2b-9d6c-2f9a3c8a7b10")
IOS, ANDROID, WEB = "ios", "android", "web"
PLATFORMS = {IOS: "iOS", ANDROID: "Android", WEB: "web"}
MODELS = {IOS: ("iPhone15,2", "iPhone16,1"), ANDROID: ("Pixel 9", "Galaxy S24"), WEB: ("",)}
SYSTEMS = {IOS: ("18.2", "19.1"), ANDROID: ("15", "16"), WEB: ("",)}


class Habit(StrEnum):
    """How somebody uses the shop; decides when and how often."""

    NEWCOMER = "newcomer"
    REGULAR = "regular"
    ENTHUSIAST = "enthusiast"
    LAPSING = "lapsing"
    ONE_OFF = "one_off"


# Weights of no tier, silver and gold.
TIERS, KEEN_TIERS = (78, 15, 7), (5, 35, 60)
SHARES = {Habit.NEWCOMER: 12, Habit.REGULAR: 47, Habit.ENTHUSIAST: 9, Habit.LAPSING: 12, Habit.ONE_OFF: 20}


@dataclass(frozen=True, slots=True)
class Device:
    """One phone or browser.

    Args:
        info: its `device_info` on the wire, advertising and push identifiers included.
    """

    input_name: str
    stamp: str
    info: dict[str, Any]

    @property
    def push_token(self) -> str | None:
        token: str | None = self.info.get("push_token")
        return token


@dataclass(frozen=True, slots=True)
class Customer:
    """Somebody, for good; what they do is drawn elsewhere.

    Args:
        tier: what the back office calls them; the apps do not know it.
        signs_up_at_visit: index of the visit in which they sign up; None: they never do.
        publisher: (publisher, campaign) that brought them.
    """

    number: int
    habit: Habit
    devices: tuple[Device, ...]
    place: Place
    customer_id: str
    email: str | None
    signs_up_at_visit: int | None
    attributes: dict[str, Any]
    tier: str | None
    consents: bool
    publisher: tuple[str, str] | None


def a_customer(seed: int, number: int) -> Customer:
    """The same for the same seed and number."""
    draw = Random(f"{seed}/person/{number}")
    habit = draw.choices(tuple(SHARES), tuple(SHARES.values()))[0]
    first, last = draw.choice(FIRST_NAMES), draw.choice(LAST_NAMES)
    signs_up = draw.random() < (0.55 if habit in (Habit.NEWCOMER, Habit.ONE_OFF) else 0.9)
    # Of all customers, about two in three tell their address.
    has_email = signs_up and draw.random() < 0.87
    return Customer(
        number=number,
        habit=habit,
        devices=_devices(draw, f"{seed}/{number}", second=signs_up and draw.random() < 0.22),
        place=draw.choice(PLACES),
        customer_id=f"hiker-{number:05d}",
        email=f"{first}.{last}.{number}@trail.example" if has_email else None,
        signs_up_at_visit=draw.choice((0, 0, 1)) if signs_up else None,
        attributes=_attributes(draw),
        tier=draw.choices((None, "silver", "gold"), KEEN_TIERS if habit is Habit.ENTHUSIAST else TIERS)[0],
        consents=draw.random() < 0.8,
        publisher=draw.choice(PUBLISHERS) if draw.random() < 0.3 else None,
    )


def stable_id(*parts: object) -> str:
    """A UUID made of the parts alone."""
    return str(uuid.uuid5(NAMESPACE, "/".join(map(str, parts))))


def _attributes(draw: Random) -> dict[str, Any]:
    birthday = f"{draw.randint(1955, 2006)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"
    return {
        "favourite_categories": sorted(draw.sample(CATEGORIES, draw.randint(1, 3))),
        "newsletter": draw.random() < 0.55,
        "birthday": birthday,
    }


def _devices(draw: Random, key: str, *, second: bool) -> tuple[Device, ...]:
    kinds = draw.choices((IOS, ANDROID, WEB), (42, 38, 20))
    if second:
        kinds.append(draw.choice([each for each in (IOS, ANDROID, WEB) if each != kinds[0]]))
    return tuple(_device(draw, f"{key}/{kind}", kind) for kind in kinds)


def _device(draw: Random, key: str, kind: str) -> Device:
    info = {"platform": PLATFORMS[kind], "locale_language": "en"}
    model, system = draw.choice(MODELS[kind]), draw.choice(SYSTEMS[kind])
    is_tracked, is_reachable = draw.random() < 0.6, draw.random() < 0.7
    if kind == WEB:
        return Device(kind, stable_id(key, "stamp"), info)
    info |= {"device_model": model, "os_version": system}
    if is_tracked:
        info["ios_advertising_id" if kind == IOS else "android_advertising_id"] = stable_id(key, "advertising")
    if kind == IOS:
        info["ios_idfv"] = stable_id(key, "vendor")
    if is_reachable:
        info["push_token"] = stable_id(key, "push").replace("-", "")
    return Device(kind, stable_id(key, "stamp"), info)
