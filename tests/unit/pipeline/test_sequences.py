"""Random stories of a connection, each against a partner of its own (`make stories` plays a thousand)."""

import pytest

from audience_core.outputs import registry
from tests.support.lists import LISTS, a_list_partner
from tests.support.partners import FaultyPartner, serving
from tests.support.sequences import Story


@pytest.mark.parametrize("seed", range(12))
def test_a_partner_that_knows_members_ends_up_right(seed: int) -> None:
    # It does not look at signatures: the story has a clock of its own.
    with serving(FaultyPartner(secrets=())) as partner:
        Story(seed, partner).play()


@pytest.mark.parametrize("seed", range(12))
def test_a_partner_that_knows_identities_alone_ends_up_right(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # A connector that only tests have.
    monkeypatch.setitem(registry.CONNECTORS, "lists", LISTS)
    with a_list_partner() as partner:
        Story(seed, partner).play()
