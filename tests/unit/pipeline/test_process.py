"""What processing promises: order and repeats do not matter, nothing is lost, one read and one put per profile."""

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.account import LoginStrategy
from audience_core.domain.erasure import grave_of
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import AcceptedBatch, Reevaluation
from audience_core.domain.profile import Profile, RegisterKey, RegisterKind
from audience_core.errors import StaleVersionError
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.pipeline.process import process
from tests.support.population import (
    ACCOUNT,
    DAY,
    HOUR,
    NOW,
    OTHER_SOURCE,
    SOURCE,
    WORKSPACE,
    Population,
    a_batch,
    at_least,
    custom_event,
    fewer_than,
    tier_is,
)

definitions = (at_least(2, "view"), fewer_than(1, "buy", days=3), tier_is("gold"))


def test_an_event_makes_a_member() -> None:
    population = Population(*definitions)

    population.take([a_batch(n, events=[custom_event("view", NOW - n * HOUR, f"m-{n}")]) for n in (1, 2)])

    assert population.customer("c-1").memberships == {1, 2}


def test_time_alone_ends_a_membership_at_its_exact_instant() -> None:
    population = Population(at_least(1, "view", days=3))
    population.take([a_batch(1, events=[custom_event("view", NOW - DAY, "m-1")])])
    leaves_at = NOW + 2 * DAY + 1
    assert population.customer("c-1").due_at == leaves_at

    visit = Reevaluation(ACCOUNT, population.customer("c-1").mpid)
    population.take([visit], now=leaves_at - 1)
    assert population.customer("c-1").memberships == {1}
    population.take([visit], now=leaves_at + 40_000)

    profile = population.customer("c-1")
    assert profile.memberships == frozenset()
    assert [(change.at, change.is_member) for change in profile.changes] == [(leaves_at, False)]


def test_a_message_group_reads_and_puts_each_profile_once() -> None:
    population = Population(*[at_least(n % 5 + 1, f"event {n % 7}") for n in range(100)])
    population.take([a_batch(1, customer) for customer in ("c-1", "c-2")])
    population.profiles.loads = population.profiles.saves = 0

    population.take(
        a_batch(n, f"c-{n % 2 + 1}", events=[custom_event(f"event {n % 7}", NOW, f"m-{n}")]) for n in range(2, 40)
    )

    assert (population.profiles.loads, population.profiles.saves) == (1, 2)


def test_a_look_that_finds_nothing_new_writes_nothing() -> None:
    population = Population(*definitions)
    population.take([a_batch(1)])
    population.profiles.saves = 0

    population.take([Reevaluation(ACCOUNT, population.customer("c-1").mpid)])

    assert population.profiles.saves == 0


def test_development_data_is_kept_apart_and_joins_no_audience() -> None:
    population = Population(fewer_than(1, "buy"))

    population.take([a_batch(1, environment="development")])

    assert population.everybody() == []
    (profile,) = population.everybody(Environment.DEVELOPMENT)
    assert (profile.memberships, profile.agenda) == (set(), ())


def test_history_is_archived_and_changes_no_audience() -> None:
    population = Population(*definitions)
    batch = AcceptedBatch(SOURCE, "request-1", NOW, {"user_identities": {"customer_id": "c-1"}}, is_historical=True)

    population.take([batch])

    assert population.everybody() == []
    assert population.archive.batches == [batch]


def test_two_workspaces_feed_one_profile_and_keep_their_attributes_apart() -> None:
    population = Population()

    population.take(
        [
            a_batch(1, user_attributes={"tier": "gold"}, device_info={"ios_advertising_id": "AA-1"}),
            a_batch(
                2, user_attributes={"tier": "tin"}, source=OTHER_SOURCE, device_info={"ios_advertising_id": "BB-2"}
            ),
        ]
    )

    profile = population.customer("c-1")
    assert {key.workspace_id: r.value for key, r in profile.registers.items() if key.name == "tier"} == {
        SOURCE.workspace_id: "gold",
        OTHER_SOURCE.workspace_id: "tin",
    }
    assert {i.value for i in profile.identities if i.type == "ios_advertising_id"} == {"aa-1", "bb-2"}


class CrashingProfileStore(MemoryProfileStore):
    """Loses the worker at the n-th put: before it, or just after."""

    def __init__(self, stored: MemoryProfileStore, crash_at: int, is_after: bool) -> None:
        super().__init__()
        self._stored, self._crash_at, self._is_after = stored._stored, crash_at, is_after

    def save(self, profile: Profile, now_ms: int) -> Profile:
        self._crash_at -= 1
        if self._crash_at == 0 and not self._is_after:
            raise ConnectionError("killed before the put")
        saved = super().save(profile, now_ms)
        if self._crash_at == 0:
            raise ConnectionError("killed after the put")
        return saved


@pytest.mark.parametrize("is_after", [False, True])
@pytest.mark.parametrize("crash_at", [1, 2, 3])
def test_a_worker_killed_in_the_middle_changes_no_final_state(crash_at: int, is_after: bool) -> None:
    batches = [
        a_batch(n, f"c-{n % 3}", events=[custom_event("view", NOW - n, f"m-{n}")], user_attributes={"n": n})
        for n in range(9)
    ]
    undisturbed, disturbed = Population(*definitions), Population(*definitions)
    undisturbed.take(batches)

    crashing = CrashingProfileStore(disturbed.profiles, crash_at, is_after)
    with pytest.raises(ConnectionError):
        process(disturbed.pipeline(profiles=crashing), batches, NOW)
    disturbed.take(batches)

    assert state(disturbed) == state(undisturbed)


class RacingProfileStore(MemoryProfileStore):
    """Lets another worker write between each read and put, for a number of rounds."""

    def __init__(self, population: Population, rivals: list[list[AcceptedBatch]]) -> None:
        super().__init__()
        self._population, self._rivals = population, rivals
        self._stored = population.profiles._stored

    def load(self, account_id: AccountId, environment: Environment, mpids: Any) -> dict[Mpid, Profile]:
        found = super().load(account_id, environment, mpids)
        if self._rivals:
            self._population.take(self._rivals.pop())
        return found


def test_a_race_lost_is_run_again() -> None:
    population = Population(*definitions)
    population.take([a_batch(0)])
    mine = [a_batch(1, events=[custom_event("view", NOW, "m-1")])]
    theirs = [[a_batch(10 + n, events=[custom_event("view", NOW - n, f"r-{n}")])] for n in range(3)]

    process(population.pipeline(profiles=RacingProfileStore(population, theirs)), mine, NOW)

    (profile,) = population.everybody()
    assert len(profile.timeline[next(iter(profile.timeline))]) == 4


def test_a_race_never_won_says_so_and_loses_nothing() -> None:
    population = Population(*definitions)
    population.take([a_batch(0)])
    mine = [a_batch(1, events=[custom_event("view", NOW, "m-1")])]
    theirs = [[a_batch(10 + n, received_at=NOW + 100 - n, user_attributes={"n": n})] for n in range(100)]

    with pytest.raises(StaleVersionError):
        process(population.pipeline(profiles=RacingProfileStore(population, theirs)), mine, NOW)
    population.take(mine)

    assert len(population.customer("c-1").timeline) == 1


values = st.one_of(
    st.sampled_from(["gold", "tin", "", None, True]), st.integers(0, 3), st.lists(st.integers(0, 2), max_size=2)
)
attributes = st.dictionaries(st.sampled_from(["tier", "age", "parks"]), values, max_size=2)
wire_events = st.builds(
    custom_event,
    st.sampled_from(["view", "buy"]),
    st.integers(NOW - 40 * DAY, NOW + HOUR),
    st.integers(0, 8).map(lambda n: f"m-{n}"),
    color=st.sampled_from(["red", "blue"]),
)


@st.composite
def batches(draw: st.DrawFn, number: int) -> AcceptedBatch:
    identities = draw(
        st.dictionaries(st.sampled_from(["email", "other"]), st.sampled_from(["a@b.co", "d@e.co"]), max_size=2)
    )
    return a_batch(
        number,
        draw(st.sampled_from(["c-1", "c-2"])),
        draw(st.integers(NOW - 3, NOW)),
        user_identities=identities,
        user_attributes=draw(attributes),
        deleted_user_attributes=draw(st.lists(st.sampled_from(["tier", "age"]), max_size=1)),
        device_info=draw(st.sampled_from([None, {"platform": "iOS", "ios_advertising_id": "x"}, {"platform": "web"}])),
        events=draw(st.lists(wire_events, max_size=3)),
        source=draw(st.sampled_from([SOURCE, OTHER_SOURCE])),
    )


histories = st.integers(1, 7).flatmap(lambda size: st.tuples(*[batches(number) for number in range(size)]))


@settings(deadline=None)
@given(histories, st.randoms(use_true_random=False))
def test_state_depends_on_which_batches_came_and_not_on_their_order(
    history: tuple[AcceptedBatch, ...], chance: random.Random
) -> None:
    straight, shuffled = Population(*definitions), Population(*definitions)
    straight.take(history)

    deliveries = [*history, *chance.choices(history, k=chance.randrange(4))]
    chance.shuffle(deliveries)
    while deliveries:
        size = chance.randint(1, len(deliveries))
        shuffled.take(deliveries[:size])
        deliveries = deliveries[size:]

    assert state(shuffled) == state(straight)


def state(population: Population) -> dict[Any, Any]:
    """All that is known of each customer; mpids and versions are chance."""
    return {
        next(i.value for i in profile.identities if i.type == "customer_id"): (
            profile.identities,
            profile.registers,
            profile.seen,
            profile.timeline,
            profile.memberships,
            profile.agenda,
        )
        for profile in population.everybody()
    }


def test_a_value_told_again_later_outlives_one_told_between() -> None:
    states = []
    for order in itertools.permutations((1, 2, 3)):
        population = Population(*definitions)
        told = {1: ("e1@x.co", "gold", 50), 2: ("e2@x.co", "silver", 80), 3: ("e1@x.co", "gold", 100)}
        for n in order:
            email, tier, at = told[n]
            identities, attributes = {"email": email}, {"tier": tier}
            population.take([a_batch(n, "c-1", NOW + at, user_identities=identities, user_attributes=attributes)], NOW)
        states.append(state(population))

    assert all(each == states[0] for each in states)


def test_an_email_that_is_unique_moves_to_whoever_told_it_last() -> None:
    population = Population(strategy=LoginStrategy(unique=frozenset({"customer_id", "email"})))

    population.take([a_batch(1, "c-1", NOW, user_identities={"email": "a@b.co"})])
    population.take([a_batch(2, "c-2", NOW + 1, user_identities={"email": "a@b.co"})])

    email = Identity("email", "a@b.co")
    assert email not in population.customer("c-1").identities
    assert email in population.customer("c-2").identities


def test_an_opt_out_event_is_kept_with_the_profile_and_taken_back_by_a_later_one() -> None:
    population = Population()

    def opting(number: int, is_opted_out: bool) -> AcceptedBatch:
        event = {"event_type": "opt_out", "data": {"is_opted_out": is_opted_out, "timestamp_unixtime_ms": NOW}}
        return a_batch(number, received_at=NOW + number, events=[event])

    found = []
    for number, is_opted_out in enumerate([True, False]):
        population.take([opting(number, is_opted_out)])
        found.append(population.customer("c-1").registers[RegisterKey(WORKSPACE, RegisterKind.OPT_OUT, "")].value)

    assert found == [True, False]


def test_what_was_received_before_its_user_was_erased_is_dropped_and_what_came_later_is_somebody_new() -> None:
    population, ann, bob = Population(), Identity("customer_id", "ann"), Identity("email", "family@example.com")
    population.take([a_batch(1, "bob", user_identities={"email": bob.value})])
    population.identities.bury(ACCOUNT, Environment.PRODUCTION, [ann, bob], NOW + 5)
    population.audiences.note_erasure(ACCOUNT, NOW + 5)

    population.take([a_batch(2, "ann", received_at=NOW + 5)])
    population.take([a_batch(4, "bob", received_at=NOW + 4, user_identities={"email": bob.value})])

    assert [each.value for profile in population.everybody() for each in sorted(profile.identities)] == [
        "bob",
        "family@example.com",
    ]
    assert [each.batch_id for each in population.archive.batches] == ["request-1", "request-4"]
    population.take([a_batch(5, "ann", received_at=NOW + 6)])
    assert population.customer("ann").seen


def test_nothing_is_applied_to_an_erased_profile_that_its_rows_still_name() -> None:
    population = Population()
    population.take([a_batch(1, "ann")])
    ann = population.customer("ann")
    population.profiles.delete(ann)
    population.identities.bury(ACCOUNT, Environment.PRODUCTION, [grave_of(ann.mpid)], NOW + 5)
    population.audiences.note_erasure(ACCOUNT, NOW + 5)

    population.take([a_batch(2, "ann", received_at=NOW + 1)])

    assert population.everybody() == []
