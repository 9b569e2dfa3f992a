"""What a partner should know of one profile."""

from dataclasses import replace

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid, WorkspaceId
from audience_core.domain.output import Target
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind
from audience_core.outputs.projection import Wanted, project
from tests.support.control import a_connection

HIKERS = AudienceId(4411)
EMAIL, CUSTOMER, TOKEN = Identity("email", "a@b.c"), Identity("customer_id", "1"), Identity("push_token", "t")


ACCEPTED = Wanted(frozenset({"email", "customer_id"}))


def a_profile(*identities: Identity, audiences: frozenset[AudienceId] = frozenset({HIKERS})) -> Profile:
    return Profile(
        AccountId(7),
        Environment.PRODUCTION,
        Mpid(1),
        identities=dict.fromkeys(identities, 5),
        memberships=set(audiences),
    )


def test_a_member_is_its_accepted_identities_in_order() -> None:
    assert project(a_profile(TOKEN, EMAIL, CUSTOMER), HIKERS, a_connection(), ACCEPTED) == Target((CUSTOMER, EMAIL))


def test_somebody_who_is_not_a_member_is_nothing() -> None:
    assert project(a_profile(EMAIL, audiences=frozenset()), HIKERS, a_connection(), ACCEPTED) is None


def test_a_member_without_accepted_identities_is_nothing() -> None:
    assert project(a_profile(TOKEN), HIKERS, a_connection(), ACCEPTED) is None
    assert project(a_profile(), HIKERS, a_connection(), ACCEPTED) is None


def test_a_member_without_a_required_identity_is_nothing() -> None:
    accepts = replace(ACCEPTED, required_identities=frozenset({"email"}))

    assert project(a_profile(CUSTOMER), HIKERS, a_connection(), accepts) is None
    assert project(a_profile(CUSTOMER, EMAIL), HIKERS, a_connection(), accepts) == Target((CUSTOMER, EMAIL))


def test_attributes_that_the_connection_needs_are_told_as_written_last() -> None:
    profile, wanted = a_profile(EMAIL), replace(ACCEPTED, attributes=frozenset({"tier", "age", "gone", "never"}))
    profile.registers = {
        RegisterKey(WorkspaceId(workspace), kind, name): Register(value, at, is_deleted)
        for workspace, kind, name, value, at, is_deleted in (
            ("w-1", RegisterKind.ATTRIBUTE, "tier", "iron", 5, False),
            ("w-2", RegisterKind.ATTRIBUTE, "tier", "gold", 6, False),
            ("w-1", RegisterKind.ATTRIBUTE, "age", 41, 5, False),
            ("w-1", RegisterKind.ATTRIBUTE, "gone", "x", 5, False),
            ("w-2", RegisterKind.ATTRIBUTE, "gone", None, 6, True),
            ("w-1", RegisterKind.ATTRIBUTE, "other", "x", 5, False),
            ("w-1", RegisterKind.CONSENT, "never", "x", 5, False),
        )
    }

    assert project(profile, HIKERS, a_connection(), wanted) == Target((EMAIL,), (("age", 41), ("tier", "gold")))
    assert project(profile, HIKERS, a_connection(), ACCEPTED) == Target((EMAIL,))
