"""What fanning out and counting promise: lists, ledger, logs and sizes follow the profiles, however records come."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid, OutputId
from audience_core.domain.membership import Membership, MembershipChange, Reason
from audience_core.domain.messages import Due, WakeUp
from audience_core.domain.output import (
    ConnectionStatus,
    Target,
    delivery_bucket_of,
)
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen, bucket_of
from audience_core.domain.profile_change import ProfileChange
from audience_core.domain.stores import CountStep
from audience_core.pipeline.count_members import count_members
from audience_core.pipeline.fan_out import fan_out
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    CONNECTION,
    OTHER_ACCOUNT,
    OUTPUT,
    WORKSPACE,
    a_connection,
    an_audience,
)
from tests.support.fan_out_world import ANN, BO, EMAIL, NOW, OTHER_AUDIENCE, Failing, World, a_change, a_profile
from tests.support.long_run import examples


def test_a_join_reaches_member_list_counts_ledger_and_wake_ups() -> None:
    world = World()
    joined = MembershipChange(AUDIENCE, True, NOW - 5, Reason.EVENT)

    world.take(a_change(None, a_profile(audiences=[1], changes=(joined,))))

    assert world.members() == (Membership(AUDIENCE, ANN, NOW - 5),)
    assert world.counted() == (1, 1, 0)
    assert world.desired() == {ANN: Target((EMAIL,))}
    assert world.wake_ups.take() == [WakeUp(ACCOUNT, CONNECTION, delivery_bucket_of(ANN))]


def test_joins_and_leaves_are_kept_with_their_instants_and_reasons() -> None:
    world = World()
    joined = MembershipChange(AUDIENCE, True, NOW - 9, Reason.IDENTITY)
    turned = (
        MembershipChange(AUDIENCE, False, NOW - 5, Reason.TIME),
        MembershipChange(AUDIENCE, True, NOW - 1, Reason.TIME),
    )
    first, second = a_profile(audiences=[1], changes=(joined,)), a_profile(version=2, audiences=[1], changes=turned)

    for _ in range(2):
        world.take(a_change(None, first), a_change(first, second), a_change(second, None))

    kept = world.history.newest(ACCOUNT, AUDIENCE, None, 10).items
    assert [(each.at, each.is_member, each.reason, each.version) for each in kept] == [
        (NOW, False, Reason.DELETION, 3),
        (NOW - 1, True, Reason.TIME, 2),
        (NOW - 5, False, Reason.TIME, 2),
        (NOW - 9, True, Reason.IDENTITY, 1),
    ]
    assert world.history.retention_days == 45


def test_the_history_is_written_before_the_member_list() -> None:
    world = World()
    joined = a_profile(audiences=[1], changes=(MembershipChange(AUDIENCE, True, NOW, Reason.EVENT),))
    stores = replace(world.stores(), memberships=Failing(world.memberships, iter(())))

    with pytest.raises(ConnectionError):
        fan_out(stores, [a_change(None, joined)], NOW)

    assert len(world.history.of_profile(ACCOUNT, AUDIENCE, ANN, None, 10).items) == 1
    assert world.members() == ()


def test_the_log_is_written_before_the_sizes() -> None:
    world = World()
    joined = a_profile(audiences=[1], changes=(MembershipChange(AUDIENCE, True, NOW, Reason.EVENT),))
    stores = replace(world.counting(), memberships=Failing(world.memberships, iter(())))

    with pytest.raises(ConnectionError):
        count_members(stores, [a_change(None, joined)], NOW)

    assert len(world.history.newest(ACCOUNT, AUDIENCE, None, 10).items) == 1
    assert world.counted() == (0, 0, 0)


def test_a_leave_undoes_it_all() -> None:
    world = World()
    member, left = a_profile(audiences=[1]), a_profile(version=2)
    world.take(a_change(None, member))
    world.wake_ups.take()

    world.take(a_change(member, left), now=NOW + 2000)

    assert world.members() == ()
    assert world.counted() == (0, 1, 1)
    assert world.desired() == {ANN: None}
    assert world.wake_ups.take() == [WakeUp(ACCOUNT, CONNECTION, delivery_bucket_of(ANN))]


def test_a_member_whose_identities_change_is_told_of_and_not_counted_again() -> None:
    world = World()
    member = a_profile(audiences=[1])
    world.take(a_change(None, member))
    phone = Identity("mobile_number", "1555")

    world.take(a_change(member, a_profile(version=2, audiences=[1], identities=(EMAIL, phone))))

    assert world.desired() == {ANN: Target((EMAIL, phone))}
    assert world.counted() == (1, 1, 0)


def test_an_attribute_that_a_connection_needs_is_told_of_when_it_changes() -> None:
    world = World()
    ads = {"connector": "meta", "settings": {"ad_account_id": "123"}}
    world.outputs.save(world.outputs.get(ACCOUNT, OUTPUT).model_copy(update=ads))
    worth = {"customer_file_source": "USER_PROVIDED_ONLY", "value_based": True, "value_attribute": "ltv"}
    world.outputs.save_connection(
        world.outputs.get_connection(ACCOUNT, CONNECTION).model_copy(update={"settings": worth})
    )
    key, other = (RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, name) for name in ("ltv", "age"))
    seen = {WORKSPACE: Seen(1, 1)}
    member = a_profile(audiences=[1], seen=seen, registers={key: Register(5, 1), other: Register(1, 1)})
    older = a_profile(version=2, audiences=[1], seen=seen, registers={key: Register(5, 1), other: Register(2, 2)})
    richer = a_profile(version=3, audiences=[1], seen=seen, registers={key: Register(9, 3), other: Register(2, 2)})

    world.take(a_change(member, older))
    assert world.desired() == {}
    world.take(a_change(older, richer))

    assert world.desired() == {ANN: Target((EMAIL,), (("ltv", 9),))}


def test_a_write_that_moves_no_membership_touches_no_ledger() -> None:
    world = World()
    member = a_profile(audiences=[1])

    world.take(a_change(member, a_profile(version=2, audiences=[1])))

    assert world.desired() == {}
    assert world.wake_ups.take() == []


def test_several_writes_of_one_profile_end_in_the_last() -> None:
    world = World()
    states = [None, *(a_profile(version=n, audiences=[1] if n % 2 else []) for n in range(1, 5))]

    world.take(*(a_change(old, new) for old, new in pairwise(states)))

    assert world.members() == ()
    assert world.counted() == (0, 2, 2)
    assert world.desired() == {ANN: None}


def test_a_deleted_profile_leaves_everything() -> None:
    world = World()
    member = a_profile(audiences=[1, 2])
    world.take(a_change(None, member))

    world.take(a_change(member, None))

    assert world.members() == world.members(OTHER_AUDIENCE) == ()
    assert world.desired() == {ANN: None}
    assert world.reevaluations.take() == []


def test_development_profiles_reach_nothing() -> None:
    world = World()

    world.take(a_change(None, a_profile(audiences=[1], environment=Environment.DEVELOPMENT)))

    assert (world.members(), world.counted(), world.desired()) == ((), (0, 0, 0), {})


def test_accounts_are_kept_apart() -> None:
    world = World()

    world.take(a_change(None, a_profile(audiences=[1])), a_change(None, a_profile(BO, audiences=[1])))
    world.take(a_change(None, a_profile(BO, audiences=[1], account_id=OTHER_ACCOUNT)))

    assert world.counted() == (2, 2, 0)
    assert world.memberships.counts(OTHER_ACCOUNT, AUDIENCE, NOW).size == 1


@pytest.mark.parametrize("status", [ConnectionStatus.INACTIVE, ConnectionStatus.DELETING])
def test_connections_that_are_not_active_get_no_new_members(status: ConnectionStatus) -> None:
    world = World()
    connection = world.outputs.get_connection(ACCOUNT, CONNECTION)
    world.outputs.save_connection(connection.model_copy(update={"status": status}))

    world.take(a_change(None, a_profile(audiences=[1])))

    assert world.desired() == {}
    assert world.counted() == (1, 1, 0)


def test_a_connection_whose_output_is_gone_stops_nobody() -> None:
    world = World()
    stray = ConnectionId("c-000000000002")
    world.outputs.save_connection(a_connection(connection_id=stray, output_id=OutputId("o-000000000009")))

    world.take(a_change(None, a_profile(audiences=[1])))

    assert world.desired() == {ANN: Target((EMAIL,))}
    assert world.desired(stray) == {}


def test_a_count_that_fails_fails_the_batch_and_is_made_up_for_by_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    joins = a_change(None, a_profile(audiences=[1, 2]))
    working = world.memberships.count

    def failing(account_id: AccountId, steps: Mapping[AudienceId, Sequence[CountStep]]) -> None:
        working(account_id, {AUDIENCE: steps[AUDIENCE]})
        raise ConnectionError("throttled")

    monkeypatch.setattr(world.memberships, "count", failing)
    with pytest.raises(ConnectionError):
        world.take(joins)
    monkeypatch.undo()
    world.take(joins)

    assert world.counted() == world.counted(OTHER_AUDIENCE) == (1, 1, 0)


def test_a_profile_evaluated_with_outdated_definitions_is_sent_round_again_once() -> None:
    world = World()
    world.audiences.publish(an_audience(status=AudienceStatus.ACTIVE))
    first, second = a_profile(program_version=0), a_profile(version=2, program_version=0)

    world.take(a_change(None, first), a_change(first, second), a_change(None, a_profile(BO, program_version=1)))

    assert world.reevaluations.take() == [Due(ACCOUNT, ANN, NOW)]


def test_a_profile_that_was_brought_up_to_date_in_between_is_left_alone() -> None:
    world = World()
    world.audiences.publish(an_audience(status=AudienceStatus.ACTIVE))
    first, second = a_profile(program_version=0), a_profile(version=2, program_version=1)

    world.take(a_change(None, first), a_change(first, second))

    assert world.reevaluations.take() == []


MPIDS = [Mpid(each) for each in (1, 2, 65, 66, 129)]  # in two buckets
ADDRESSES = [Identity("email", name) for name in ("a", "b")]
written = st.tuples(
    st.sampled_from(MPIDS),
    st.sets(st.sampled_from([1, 2])),
    st.sets(st.sampled_from(ADDRESSES)),
    st.booleans(),
)
# Which shard is delivered, how many records at most, how many calls to stores succeed, how far the shard goes back.
deliveries = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 6), st.integers(0, 25), st.integers(0, 4)), max_size=20
)


@given(st.lists(written, max_size=20), deliveries, deliveries)
@settings(max_examples=examples(300), deadline=None)
def test_however_records_are_cut_and_repeated_the_end_is_the_same(
    writes: list[tuple[Mpid, set[int], set[Identity], bool]],
    plan: list[tuple[int, int, int, int]],
    of_counting: list[tuple[int, int, int, int]],
) -> None:
    stream = list(_stream(writes))
    shards = [[change for change in stream if bucket_of(change.profile.mpid) % 2 == parity] for parity in (0, 1)]
    world = World()

    _deliver(lambda calls, some: fan_out(world.stores(calls), some, NOW), shards, plan)
    _deliver(lambda calls, some: count_members(world.counting(calls), some, NOW), shards, of_counting)

    final = {change.profile.mpid: change.new for change in stream}
    for audience_id in (AUDIENCE, OTHER_AUDIENCE):
        members = {mpid for mpid, profile in final.items() if profile and audience_id in profile.memberships}
        moves = Counter(is_join for change in stream for is_join in _moves(change, audience_id))
        assert {row.mpid for row in world.members(audience_id)} == members
        assert world.counted(audience_id) == (len(members), moves[True], moves[False])
    forwarded = {
        mpid: Target(tuple(sorted(profile.identities)))
        for mpid, profile in final.items()
        if profile and AUDIENCE in profile.memberships and profile.identities
    }
    assert {mpid: target for mpid, target in world.desired().items() if target} == forwarded


def _stream(writes: Iterable[tuple[Mpid, set[int], set[Identity], bool]]) -> Iterator[ProfileChange]:
    """Records of successive writes; the flag deletes a profile that exists."""
    current: dict[Mpid, Profile] = {}
    versions: Counter[Mpid] = Counter()
    for mpid, audiences, identities, is_deleted in writes:
        old = current.pop(mpid, None)
        versions[mpid] += 1
        new = None
        if old is None or not is_deleted:
            new = current[mpid] = a_profile(mpid, versions[mpid], audiences, identities)
        yield a_change(old, new)


def _moves(change: ProfileChange, audience_id: AudienceId) -> list[bool]:
    was, is_now = (bool(p and audience_id in p.memberships) for p in (change.old, change.new))
    return [is_now] if was != is_now else []


def _deliver(
    take: Callable[[int | None, Sequence[ProfileChange]], None],
    shards: list[list[ProfileChange]],
    plan: Iterable[tuple[int, int, int, int]],
) -> None:
    """A delivery that fails, and now and then one that does not, comes again, cut differently.

    Args:
        take: is given how many calls of stores succeed (None: all), and records.
    """
    positions = [0, 0]
    for shard, size, calls, back in plan:
        batch = shards[shard][positions[shard] : positions[shard] + size]
        try:
            take(calls, batch)
            positions[shard] += len(batch)
        except ConnectionError:
            pass
        positions[shard] = max(0, positions[shard] - back)
    for records, position in zip(shards, positions, strict=True):
        take(None, records[position:])


def test_a_write_that_makes_a_profile_due_soon_queues_its_visit() -> None:
    world = World()
    soon, later = a_profile(agenda_until=NOW + 20_000), a_profile(BO, agenda_until=NOW + 3_600_000)

    world.take(a_change(None, soon), a_change(None, later))

    assert world.reevaluations.take() == [Due(ACCOUNT, ANN, NOW + 20_000)]
