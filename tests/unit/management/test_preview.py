"""A preview of an account too large to be read whole: a sample of it, and what that says of all."""

import random
from typing import Any

import pytest

from audience_core.api.edge import instant
from audience_core.domain import definition as d
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.management.preview import Draft, Preview, estimate, preview
from audience_core.persistence.memory.control import MemoryOutputStore, MemoryWorkspaceStore
from tests.support.control import a_workspace, an_input, an_output
from tests.support.population import ACCOUNT, NOW, SOURCE, Population, tier_is

USERS, GOLD, REACHABLE = 3000, 900, 300


@pytest.fixture(scope="module")
def shop() -> Population:
    """Every third user is gold, every third of these has an e-mail address; there is one user in development."""
    shop, generator = Population(), random.Random(11)
    for place in range(USERS):
        profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(generator.getrandbits(64) - 2**63))
        profile.seen[SOURCE.workspace_id] = Seen(NOW, NOW)
        if place < GOLD:
            key = RegisterKey(SOURCE.workspace_id, RegisterKind.ATTRIBUTE, "tier")
            profile.registers[key] = Register("gold", NOW)
        if place < REACHABLE:
            profile.identities[Identity("email", f"{place}@example.com")] = NOW
        shop.profiles.save(profile, NOW)
    return shop


def measured(shop: Population, root: Any) -> Preview:
    workspaces, outputs = MemoryWorkspaceStore(), MemoryOutputStore()
    workspaces.save(a_workspace(account_id=ACCOUNT, workspace_id=SOURCE.workspace_id))
    workspaces.save_input(an_input(account_id=ACCOUNT, workspace_id=SOURCE.workspace_id, input_id=SOURCE.input_id))
    settings = {"url": "https://example.com/members", "accepted_identities": ["email"]}
    outputs.save(an_output(account_id=ACCOUNT, settings=settings))
    draft = Draft(workspaces=(SOURCE.workspace_id,), inputs=(SOURCE.input_id,), definition=d.Definition(root=root))
    return preview(shop.accounts, shop.audiences, workspaces, outputs, shop.profiles, ACCOUNT, draft, instant(NOW))


def test_a_large_account_is_sampled(shop: Population) -> None:
    found = measured(shop, tier_is("gold"))

    assert not found.is_exact
    assert 2000 <= found.sampled < 2200
    assert found.low <= GOLD <= found.high
    assert found.high - found.low < GOLD / 4
    assert found.population == pytest.approx(USERS, rel=0.1)
    assert len(found.members_sample) == 20


def test_whom_an_output_could_be_told_of_is_estimated_likewise(shop: Population) -> None:
    (reach,) = measured(shop, tier_is("gold")).reach

    assert reach.low <= REACHABLE <= reach.high
    assert reach.identity_types == ("email",)


def test_a_preview_is_the_same_every_time(shop: Population) -> None:
    assert measured(shop, tier_is("gold")) == measured(shop, tier_is("gold"))


def test_the_members_shown_are_members(shop: Population) -> None:
    shown = [Mpid(int(mpid)) for mpid in measured(shop, tier_is("gold")).members_sample]

    for profile in shop.profiles.load(ACCOUNT, Environment.PRODUCTION, shown).values():
        assert [register.value for register in profile.registers.values()] == ["gold"]


def test_a_stored_audience_is_estimated_like_its_definition(shop: Population) -> None:
    audience = shop.activate(tier_is("gold"))

    stored = estimate(
        shop.accounts, shop.audiences, MemoryOutputStore(), shop.profiles, ACCOUNT, audience.audience_id, instant(NOW)
    )

    previewed = measured(shop, tier_is("gold"))
    assert (stored.size, stored.low, stored.high) == (previewed.size, previewed.low, previewed.high)
