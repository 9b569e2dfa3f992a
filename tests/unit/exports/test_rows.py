"""Which rows a member gives."""

import hashlib
import random

from audience_core.domain.event import Environment, Identity
from audience_core.domain.export import EXPORTED_TYPES
from audience_core.domain.identities import IDENTITY_TYPES
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.profile import Profile
from audience_core.exports.rows import Choice

IDFA = "6d92078a-8246-4ba4-ae5b-76104861e7dc"


def a_profile(*identities: tuple[str, str]) -> Profile:
    profile = Profile(AccountId(7), Environment.PRODUCTION, Mpid(5))
    profile.identities = {Identity(*each): 0 for each in identities}
    return profile


def test_only_chosen_types_give_rows() -> None:
    profile = a_profile(("email", "a@example.com"), ("customer_id", "ann"), ("push_token", "t"))

    assert Choice(["email", "customer_id", "google"]).rows(profile) == [
        ("ann", "customer_id"),
        ("a@example.com", "email"),
    ]
    assert Choice(["google"]).rows(profile) == []


def test_a_hashed_type_is_the_digest_of_what_is_stored() -> None:
    digest = hashlib.sha256(IDFA.encode()).hexdigest()

    both = Choice(["ios_advertising_id", "ios_advertising_id_sha256"]).rows(a_profile(("ios_advertising_id", IDFA)))
    hashed = Choice(["ios_advertising_id_sha256"]).rows(a_profile(("ios_advertising_id", IDFA), ("ios_idfv", IDFA)))

    assert both == [(IDFA, "ios_advertising_id"), (digest, "ios_advertising_id_sha256")]
    assert hashed == [(digest, "ios_advertising_id_sha256")]


def test_the_order_depends_on_nothing_but_the_values() -> None:
    identities = [("android_uuid", f"{n:02d}") for n in range(20)] + [("email", "b@example.com")]
    shuffled = random.Random(3).sample(identities, len(identities))

    rows = Choice(["email", "android_uuid"]).rows(a_profile(*shuffled))

    assert rows == [(value, kind) for kind, value in identities]


def test_every_identity_type_can_be_exported() -> None:
    assert set(EXPORTED_TYPES) == IDENTITY_TYPES | {
        "ios_advertising_id_sha256",
        "android_advertising_id_sha256",
        "android_uuid_sha256",
    }
