"""What processing puts into the archive: every batch, and whose it is; history finds its users and changes nobody."""

import random
from typing import Any

import pytest

from audience_core.domain.account import LoginStrategy
from audience_core.domain.archive import OwnedBatch
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.messages import AcceptedBatch, Release
from audience_core.errors import StaleVersionError
from audience_core.persistence.memory.identities import MemoryIdentityStore
from tests.support.population import ACCOUNT, DAY, NOW, SOURCE, Population, a_batch, at_least, custom_event

DEVICE = {"ios_advertising_id": "aa-1"}


def past(number: int, customer: str | None = "c-1", days: int = 400, **body: Any) -> AcceptedBatch:
    """A historical batch of one event so many days ago."""
    live = a_batch(number, customer, events=[custom_event("view", NOW - days * DAY, f"old-{number}")], **body)
    return AcceptedBatch(SOURCE, live.batch_id, live.received_at, live.body, is_historical=True)


def owners(population: Population) -> dict[str, Mpid]:
    entries = [each for each in population.archive.all if isinstance(each, OwnedBatch)]
    return {each.batch.batch_id: each.mpid for each in entries}


@pytest.mark.parametrize("seed", range(5))
def test_every_batch_is_archived_with_the_profile_that_has_its_events(seed: int) -> None:
    population, chance = Population(), random.Random(seed)
    batches = [
        a_batch(
            n,
            chance.choice(["c-1", "c-2", None]),
            events=[custom_event("view", NOW - n, f"m-{n}", number=n)],
            device_info={"ios_advertising_id": f"device {chance.randrange(3)}"},
        )
        for n in range(30)
    ]
    for batch in batches:
        population.take([batch])

    holders = {
        f"request-{event.attributes['number']}": profile.mpid
        for profile in population.everybody()
        for track in profile.timeline.values()
        for event in track
    }
    assert owners(population) == holders
    assert sorted(each.batch_id for each in population.archive.batches) == sorted(each.batch_id for each in batches)


def test_what_an_account_cannot_hold_any_more_is_archived_with_its_release() -> None:
    population = Population(strategy=LoginStrategy(unique=frozenset({"customer_id", "email"})))
    population.take([a_batch(1, "c-1", NOW, user_identities={"email": "a@b.co"})])
    population.take([a_batch(2, "c-2", NOW + 1, user_identities={"email": "a@b.co"})])

    (release,) = [each for each in population.archive.all if isinstance(each, Release)]

    assert release.identity == Identity("email", "a@b.co")
    assert release.mpid == owners(population)["request-1"] != owners(population)["request-2"]


def test_identities_that_a_profile_might_take_are_archived_with_the_batch() -> None:
    population = Population()

    population.take([a_batch(1, "c-1", device_info=DEVICE)])

    (entry,) = population.archive.all
    assert isinstance(entry, OwnedBatch)
    assert {each.type for each in entry.granted} == {"customer_id", "ios_advertising_id"}


def test_history_of_a_user_without_a_profile_is_one_users_and_makes_no_profile() -> None:
    population = Population(at_least(1, "view"))

    population.take([past(1), past(2)])
    population.take([past(3), past(4, "c-2")])

    found = owners(population)
    assert found["request-1"] == found["request-2"] == found["request-3"] != found["request-4"]
    assert population.everybody() == []


def test_a_user_who_comes_later_goes_on_with_the_history() -> None:
    population = Population()
    population.take([past(1)])

    population.take([a_batch(2)])

    assert population.customer("c-1").mpid == owners(population)["request-1"]


def test_history_of_a_known_user_is_its_own_and_leaves_the_profile_as_it_is() -> None:
    population = Population()
    population.take([a_batch(1)])
    before = population.customer("c-1")
    population.profiles.saves = 0

    population.take([past(2, user_attributes={"tier": "gold"}, user_identities={"email": "a@b.co"})])

    assert owners(population)["request-2"] == before.mpid
    assert population.customer("c-1") == before
    assert population.profiles.saves == 0


def test_history_never_makes_an_anonymous_profile_a_customers() -> None:
    population = Population()
    population.take([a_batch(1, None, device_info=DEVICE)])
    (anonymous,) = population.everybody()

    population.take([past(2, "c-9", device_info=DEVICE)])
    population.take([past(3, None, device_info=DEVICE)])
    population.take([a_batch(4, None, device_info=DEVICE)])

    found = owners(population)
    assert found["request-2"] != anonymous.mpid
    assert found["request-3"] == found["request-4"] == anonymous.mpid
    assert len(population.everybody()) == 1


def test_history_gives_an_anonymous_profile_nothing_to_be_found_by() -> None:
    population, other_device = Population(), {"android_advertising_id": "bb-2"}
    population.take([a_batch(1, None, device_info=DEVICE)])

    population.take([past(2, None, device_info=DEVICE | other_device)])
    population.take([a_batch(3, None, device_info=other_device)])

    found = owners(population)
    assert found["request-1"] == found["request-2"] != found["request-3"]


def test_history_takes_no_identity_that_a_profile_has_to_itself() -> None:
    unique = LoginStrategy(login=frozenset({"customer_id", "email"}), unique=frozenset({"customer_id", "email"}))
    population = Population(strategy=unique)
    population.take([a_batch(1, "c-1", user_identities={"email": "a@b.co"}, received_at=NOW - 500 * DAY)])

    population.take([past(2, "c-2", user_identities={"email": "a@b.co"})])
    population.take([a_batch(3, None, user_identities={"email": "a@b.co"})])

    entries = {each.batch.batch_id: each for each in population.archive.all if isinstance(each, OwnedBatch)}
    assert entries["request-2"].mpid != entries["request-1"].mpid == entries["request-3"].mpid
    assert {each.type for each in entries["request-2"].granted} == {"customer_id"}


@pytest.mark.parametrize("customer", ["c-1", None])
def test_a_repeat_of_history_is_the_same_users(customer: str | None) -> None:
    population = Population()

    population.take([past(1, customer)])
    population.take([past(1, customer)])

    assert len(population.archive.all) == 1


class RacedIdentityStore(MemoryIdentityStore):
    """Somebody else writes first, once."""

    def __init__(self) -> None:
        super().__init__()
        self.races = 1

    def write(self, *given: Any) -> None:
        self.races -= 1
        if self.races == 0:
            super().write(*given)
            raise StaleVersionError("raced")
        super().write(*given)


def test_history_that_lost_a_race_is_resolved_again() -> None:
    population = Population()
    population.identities = RacedIdentityStore()

    population.take([past(1)])

    rows = population.identities.rows(ACCOUNT, Environment.PRODUCTION, {Identity("customer_id", "c-1")})
    (row,) = rows.values()
    assert owners(population) == {"request-1": next(iter(row.holders))}
