"""What a partner should know of one profile."""

from dataclasses import replace
from typing import Any

import pytest

from audience_core.domain.ab_test import Variant
from audience_core.domain.definition import Consent
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, Mpid, WorkspaceId
from audience_core.domain.output import RequiredConsent, SharedAttributes, Target
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.outputs.projection import Wanted, project
from tests.support.ab_tests import an_ab_test, mpids_in
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


SHOP, APP = WorkspaceId("w-shop"), WorkspaceId("w-app")


def with_attributes(*written: tuple[WorkspaceId, str, object, int]) -> Profile:
    """A member with an e-mail address, seen in both workspaces; a value None stands for a deletion."""
    profile = a_profile(EMAIL)
    profile.seen = {SHOP: Seen(1, 1), APP: Seen(1, 1)}
    profile.registers = {
        RegisterKey(workspace, RegisterKind.ATTRIBUTE, name): Register(value, at, is_deleted=value is None)  # type: ignore[arg-type]
        for workspace, name, value, at in written
    }
    return profile


def shared(profile: Profile, *, account: tuple[str, ...] = (), workspace: tuple[str, ...] = ()) -> dict[str, object]:
    connection = a_connection(attributes=SharedAttributes(account=account, workspace=workspace))
    target = project(profile, HIKERS, connection, ACCEPTED, (SHOP,))
    assert target is not None
    return dict(target.attributes)


def test_no_attribute_is_shared_unless_chosen() -> None:
    assert shared(with_attributes((SHOP, "tier", "gold", 1))) == {}


def test_an_account_level_attribute_is_the_latest_value_anywhere() -> None:
    profile = with_attributes((SHOP, "tier", "gold", 1), (APP, "tier", "silver", 2))

    assert shared(profile, account=("tier",)) == {"tier": "silver"}


def test_a_workspace_level_attribute_is_that_of_the_audiences_own_workspace() -> None:
    profile = with_attributes((SHOP, "tier", "gold", 1), (APP, "tier", "silver", 2), (APP, "city", "Oslo", 2))

    assert shared(profile, workspace=("tier", "city")) == {"tier": "gold"}
    assert shared(profile, workspace=("tier",), account=("tier", "city")) == {"tier": "gold", "city": "Oslo"}


def test_a_deleted_or_unknown_attribute_is_not_there() -> None:
    profile = with_attributes((SHOP, "tier", None, 3), (SHOP, "tags", ["a", 1], 1))

    assert shared(profile, account=("tier", "tags", "city")) == {"tags": ["a", 1]}


def test_attributes_come_in_the_order_of_their_names_and_only_with_members() -> None:
    profile = with_attributes((SHOP, "b", 1, 1), (SHOP, "a", True, 1))
    connection = a_connection(attributes=SharedAttributes(account=("b", "a")))

    assert project(profile, HIKERS, connection, ACCEPTED) == Target((EMAIL,), (("a", True), ("b", 1)))
    profile.memberships = set()
    assert project(profile, HIKERS, connection, ACCEPTED) is None


def test_attributes_that_the_connection_needs_are_told_whether_or_not_they_are_shared() -> None:
    profile = with_attributes(
        (SHOP, "tier", "gold", 1), (APP, "tier", "silver", 2), (SHOP, "age", 41, 1), (SHOP, "x", 1, 1)
    )
    needing, sharing = replace(ACCEPTED, attributes=frozenset({"tier", "never"})), SharedAttributes(account=("age",))

    assert project(profile, HIKERS, a_connection(), needing) == Target((EMAIL,), (("tier", "silver"),))
    assert project(profile, HIKERS, a_connection(attributes=sharing), needing) == Target(
        (EMAIL,), (("age", 41), ("tier", "silver"))
    )


def test_a_connection_of_a_variant_has_its_share_of_the_members_and_nobody_else() -> None:
    variations, control = an_ab_test(30, 20).variants[:2], an_ab_test(30, 20).control
    people = [mpid for variant in (*variations, control) for mpid in mpids_in(variant, 3)]

    def forwarded(variant: Variant | None, is_member: bool = True) -> list[Mpid]:
        profiles = [replace(a_profile(EMAIL), mpid=mpid) for mpid in people]
        for profile in profiles:
            profile.memberships = {HIKERS} if is_member else set()
        connection = a_connection(variant=variant)
        return [each.mpid for each in profiles if project(each, HIKERS, connection, ACCEPTED)]

    shares = [forwarded(variant) for variant in (*variations, control)]
    assert shares == [people[:3], people[3:6], people[6:]]
    assert forwarded(None) == people
    assert forwarded(control, is_member=False) == []


ADS = RequiredConsent(regulation="gdpr", purpose="ads")
NO_SALE = RequiredConsent(regulation="ccpa", purpose="data_sale_opt_out", state=Consent.NOT_PRESENT)


def telling(*told: tuple[WorkspaceId, RegisterKind, str, bool, int]) -> Profile:
    """A member who has said these things, each in a workspace and at an instant."""
    profile = a_profile(EMAIL)
    profile.registers = {RegisterKey(where, kind, name): Register(value, at) for where, kind, name, value, at in told}
    return profile


@pytest.mark.parametrize(
    ("told", "is_forwarded"),
    [
        ([], False),
        ([(SHOP, "gdpr/ads", True, 1)], True),
        ([(SHOP, "gdpr/mail", True, 1)], False),
        ([(SHOP, "gdpr/ads", True, 1), (APP, "gdpr/ads", False, 2)], False),
        ([(SHOP, "gdpr/ads", True, 3), (APP, "gdpr/ads", False, 2)], True),
    ],
)
def test_only_who_consents_is_forwarded_where_consent_is_required(told: list[Any], is_forwarded: bool) -> None:
    profile = telling(*((where, RegisterKind.CONSENT, name, value, at) for where, name, value, at in told))

    assert bool(project(profile, HIKERS, a_connection(required_consent=(ADS,)), ACCEPTED)) is is_forwarded
    assert project(profile, HIKERS, a_connection(), ACCEPTED) is not None


def test_who_has_objected_is_not_forwarded_and_all_requirements_must_hold() -> None:
    given, objected = ((SHOP, RegisterKind.CONSENT, name, True, 1) for name in ("gdpr/ads", "ccpa/data_sale_opt_out"))
    both = a_connection(required_consent=(ADS, NO_SALE))

    assert project(telling(given), HIKERS, both, ACCEPTED) is not None
    assert project(telling(given, objected), HIKERS, both, ACCEPTED) is None
    assert project(telling(), HIKERS, both, ACCEPTED) is None


def test_who_opted_out_in_any_workspace_is_forwarded_nowhere() -> None:
    out, back = (SHOP, RegisterKind.OPT_OUT, "", True, 1), (SHOP, RegisterKind.OPT_OUT, "", False, 2)

    assert project(telling(out), HIKERS, a_connection(), ACCEPTED) is None
    assert project(telling(out, (APP, RegisterKind.OPT_OUT, "", False, 9)), HIKERS, a_connection(), ACCEPTED) is None
    assert project(telling(back), HIKERS, a_connection(), ACCEPTED) is not None
