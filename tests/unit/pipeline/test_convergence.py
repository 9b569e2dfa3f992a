"""A partner compared with its audience: whatever stands in between is counted, found and explained."""

from collections import Counter
from dataclasses import asdict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.output import ConnectionStatus, Fault, FaultKind
from audience_core.domain.profile import Profile
from audience_core.pipeline.convergence import Comparison, Obstacle, compare
from tests.support.ab_tests import an_ab_test, mpids_in
from tests.support.control import ACCOUNT, AUDIENCE, CONNECTION, NOW
from tests.support.delivery import ANN, BOB, EVE, T, World, email
from tests.support.long_run import examples

LATE = 10**15


def joined(world: World, mpid: Mpid, *identities: Identity) -> None:
    """A member in the list, with a profile; the ledger knows nothing of it yet."""
    profile = Profile(ACCOUNT, Environment.PRODUCTION, mpid, memberships={AUDIENCE})
    profile.identities = dict.fromkeys(identities, T)
    world.profiles.save(profile, T)
    world.memberships.apply(ACCOUNT, [Membership(AUDIENCE, mpid, T)], [])


def desired(world: World, mpid: Mpid, who: str = "ann") -> None:
    joined(world, mpid, *email(who).identities)
    world.desire(mpid, email(who))


def acknowledged(world: World, *mpids: Mpid) -> None:
    for mpid in mpids:
        row = world.row(mpid)
        assert row is not None
        world.ledger.acknowledge([row])


def compared(world: World, cursor: str | None = None, limit: int = 100) -> Comparison:
    return compare(world, ACCOUNT, CONNECTION, cursor, limit, lambda: T, LATE)


def figures(comparison: Comparison) -> dict[str, int]:
    """Those that are not zero."""
    found = asdict(comparison.total)
    return {name: value for name, value in found.items() if value and name not in ("desired", "acknowledged")}


def found(comparison: Comparison) -> dict[Mpid, tuple[Obstacle, bool, str | None]]:
    return {each.mpid: (each.obstacle, each.is_removal, each.detail) for each in comparison.undelivered}


def test_members_of_other_variants_are_none_of_the_connections_business() -> None:
    world, test = World(), an_ab_test(30, 20)
    world.change(variant=test.variants[0])
    mine, others = mpids_in(test.variants[0], 2), mpids_in(test.control, 2)
    for mpid in mine:
        desired(world, mpid)
    for mpid in others:
        joined(world, mpid, *email("ann").identities)
    acknowledged(world, *mine)
    # A row of somebody whom the partner had once, and has forgotten.
    for target in (email("ann"), None):
        world.desire(others[0], target)
        acknowledged(world, others[0])

    comparison = compared(world)

    assert figures(comparison) == {"members": 2, "delivered": 2}
    assert (comparison.total.is_converged, comparison.undelivered) == (True, [])


def test_all_is_delivered() -> None:
    world = World()
    for mpid in (ANN, BOB, Mpid(9)):
        desired(world, mpid)
    acknowledged(world, ANN, BOB, Mpid(9))

    comparison = compared(world)

    assert figures(comparison) == {"members": 3, "delivered": 3}
    assert (comparison.total.is_converged, comparison.undelivered, comparison.next) == (True, [], None)
    assert [tally.members for tally in comparison.tallies] == [2, 1, 0, 0, 0, 0, 0, 0]
    assert comparison.total.desired != 0


def test_nothing_is_there_to_deliver() -> None:
    comparison = compared(World())

    assert figures(comparison) == {}
    assert comparison.total.is_converged


def test_rows_wait_with_their_reason() -> None:
    world = World()
    for mpid in (ANN, BOB, EVE):
        desired(world, mpid)
    row = world.row(BOB)
    assert row is not None
    world.ledger.attempt([row])
    rejected = world.row(EVE)
    assert rejected is not None
    world.ledger.reject(rejected, "unsubscribed", None)

    comparison = compared(world)

    assert found(comparison) == {
        ANN: (Obstacle.WAITING, False, None),
        BOB: (Obstacle.UNKNOWN_OUTCOME, False, None),
        EVE: (Obstacle.REJECTED, False, "unsubscribed"),
    }
    assert figures(comparison) == {"members": 3, "waiting": 2, "rejected": 1}
    assert {each.since for each in comparison.undelivered} == {T, None}
    assert not comparison.total.is_converged


def test_a_member_that_may_have_been_told_something_else_is_not_converged() -> None:
    world = World()
    desired(world, ANN)
    acknowledged(world, ANN)
    world.ledger.doubt(ACCOUNT, CONNECTION, ANN, email("ann"), T)

    comparison = compared(world)

    assert found(comparison) == {ANN: (Obstacle.UNKNOWN_OUTCOME, False, None)}
    assert not comparison.total.is_converged


@pytest.mark.parametrize(
    ("changes", "obstacle"),
    [
        ({"fault": Fault(kind=FaultKind.PARTNER_ERROR, message="503", at=NOW)}, Obstacle.FAULTED),
        ({"status": ConnectionStatus.INACTIVE}, Obstacle.INACTIVE),
    ],
)
def test_what_stops_the_whole_connection_is_the_reason(changes: dict[str, Any], obstacle: Obstacle) -> None:
    world = World()
    desired(world, ANN)
    joined(world, BOB, *email("bob").identities)
    world.change(**changes)

    comparison = compared(world)

    assert found(comparison) == {ANN: (obstacle, False, None), BOB: (obstacle, False, None)}
    assert figures(comparison) == {"members": 2, "waiting": 2}


def test_members_without_a_row_are_on_their_way_or_cannot_be_forwarded() -> None:
    world = World()
    joined(world, ANN, *email("ann").identities)
    joined(world, BOB, Identity("push_token", "t"))

    comparison = compared(world)

    assert found(comparison) == {
        ANN: (Obstacle.WAITING, False, None),
        BOB: (Obstacle.NOT_FORWARDABLE, False, "has no identity that the output accepts"),
    }
    assert figures(comparison) == {"members": 2, "waiting": 1, "not_forwardable": 1}
    assert not comparison.total.is_converged


def test_those_who_cannot_be_forwarded_are_no_difference() -> None:
    world = World()
    joined(world, BOB, Identity("push_token", "t"))

    assert compared(world).total.is_converged


def test_who_left_is_waiting_for_removal() -> None:
    world = World()
    for mpid in (ANN, BOB):
        desired(world, mpid)
    acknowledged(world, ANN, BOB)
    world.memberships.apply(ACCOUNT, [], [(AUDIENCE, ANN), (AUDIENCE, BOB)])
    world.desire(ANN, None)
    # Of Bob the ledger has not heard yet.
    profile = world.profiles.load(ACCOUNT, Environment.PRODUCTION, [BOB])[BOB]
    profile.memberships = set()
    world.profiles.save(profile, T)

    comparison = compared(world)

    assert found(comparison) == {ANN: (Obstacle.WAITING, True, None), BOB: (Obstacle.WAITING, True, None)}
    assert figures(comparison) == {"removals": 2}


def test_a_list_that_is_behind_counts_nobody_who_is_gone() -> None:
    world = World()
    world.memberships.apply(ACCOUNT, [Membership(AUDIENCE, ANN, T)], [])

    comparison = compared(world)

    assert (figures(comparison), comparison.undelivered) == ({}, [])


states = st.sampled_from(["delivered", "dirty", "rejected", "row missing", "no identity", "removal"])


def in_state(world: World, mpid: Mpid, state: str) -> None:
    if state in ("row missing", "no identity"):
        identity = Identity("email", "a@example.com") if state == "row missing" else Identity("alias", "a")
        return joined(world, mpid, identity)
    desired(world, mpid, str(mpid))
    row = world.row(mpid)
    assert row is not None
    if state in ("delivered", "removal"):
        world.ledger.acknowledge([row])
    if state == "rejected":
        world.ledger.reject(row, "no", None)
    if state == "removal":
        world.memberships.apply(ACCOUNT, [], [(AUDIENCE, mpid)])
        world.desire(mpid, None)
    return None


def pages(world: World, limit: int, until_ms: int) -> list[Comparison]:
    found = [compare(world, ACCOUNT, CONNECTION, None, limit, lambda: T, until_ms)]
    while found[-1].next is not None:
        found.append(compare(world, ACCOUNT, CONNECTION, found[-1].next, limit, lambda: T, until_ms))
    return found


@settings(deadline=None, max_examples=examples(60))
@given(
    population=st.dictionaries(st.integers(-300, 300).map(Mpid), states, max_size=60),
    limit=st.integers(0, 7),
    until_ms=st.sampled_from([0, LATE]),
)
def test_pages_add_up_to_the_whole(population: dict[Mpid, str], limit: int, until_ms: int) -> None:
    world = World()
    for mpid, state in population.items():
        in_state(world, mpid, state)

    found = pages(world, limit, until_ms)

    counts, total = Counter(population.values()), found[-1].total
    assert (total.delivered, total.rejected) == (counts["delivered"], counts["rejected"])
    assert total.waiting == counts["dirty"] + counts["row missing"]
    assert (total.not_forwardable, total.removals) == (counts["no identity"], counts["removal"])
    assert total.members == len(population) - counts["removal"]
    assert total.is_converged is (set(population.values()) <= {"delivered", "no identity"})
    listed = sorted(each.mpid for page in found for each in page.undelivered)
    assert listed == sorted(m for m, state in population.items() if limit and state != "delivered")
    assert all(len(page.undelivered) <= limit for page in found)


def test_long_lanes_are_read_in_stretches() -> None:
    world = World()
    for n in range(-450, 450):
        in_state(world, Mpid(8 * n), "dirty" if n % 2 else "no identity")

    comparison = compared(world, limit=1000)

    assert figures(comparison) == {"members": 900, "waiting": 450, "not_forwardable": 450}
    assert len(found(comparison)) == 900
