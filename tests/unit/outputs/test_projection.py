"""What a partner should know of one profile."""

from dataclasses import dataclass

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.output import Target
from audience_core.domain.profile import Profile
from audience_core.outputs.projection import project
from tests.support.control import a_connection

HIKERS = AudienceId(4411)
EMAIL, CUSTOMER, TOKEN = Identity("email", "a@b.c"), Identity("customer_id", "1"), Identity("push_token", "t")


@dataclass(frozen=True)
class Accepts:
    accepted_identities: frozenset[str] = frozenset({"email", "customer_id"})
    required_identities: frozenset[str] = frozenset()


def a_profile(*identities: Identity, audiences: frozenset[AudienceId] = frozenset({HIKERS})) -> Profile:
    return Profile(
        AccountId(7),
        Environment.PRODUCTION,
        Mpid(1),
        identities=dict.fromkeys(identities, 5),
        memberships=set(audiences),
    )


def test_a_member_is_its_accepted_identities_in_order() -> None:
    assert project(a_profile(TOKEN, EMAIL, CUSTOMER), HIKERS, a_connection(), Accepts()) == Target((CUSTOMER, EMAIL))


def test_somebody_who_is_not_a_member_is_nothing() -> None:
    assert project(a_profile(EMAIL, audiences=frozenset()), HIKERS, a_connection(), Accepts()) is None


def test_a_member_without_accepted_identities_is_nothing() -> None:
    assert project(a_profile(TOKEN), HIKERS, a_connection(), Accepts()) is None
    assert project(a_profile(), HIKERS, a_connection(), Accepts()) is None


def test_a_member_without_a_required_identity_is_nothing() -> None:
    accepts = Accepts(required_identities=frozenset({"email"}))

    assert project(a_profile(CUSTOMER), HIKERS, a_connection(), accepts) is None
    assert project(a_profile(CUSTOMER, EMAIL), HIKERS, a_connection(), accepts) == Target((CUSTOMER, EMAIL))
