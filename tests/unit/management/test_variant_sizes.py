"""Sizes of variants are those of the real sets once all is quiet, whatever went on when they were counted before."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from itertools import count
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.ab_test import variant_of
from audience_core.domain.audience import AudienceStatus
from audience_core.domain.definition import Definition
from audience_core.domain.event import Environment
from audience_core.domain.ids import NEVER, AudienceId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.profile_change import ProfileChange
from audience_core.management import ab_tests, edits
from audience_core.management.ab_tests import NewAbTest
from audience_core.management.variant_sizes import Sizes, measure
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore, MemoryOutputStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryReevaluationQueue, MemoryWakeUpQueue
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.persistence.memory.splits import MemorySplitStore
from audience_core.pipeline.fan_out import FanOut, fan_out
from audience_core.pipeline.member_sets import MemberSets
from tests.support import population
from tests.support.ab_tests import an_ab_test
from tests.support.backfills import Town
from tests.support.control import ACCOUNT, AUDIENCE, an_account, an_audience
from tests.support.long_run import examples
from tests.support.population import a_batch, at_least, custom_event

NOW = 1_795_521_600_000
A, B, CONTROL = AudienceId(101), AudienceId(102), AudienceId(103)
TEST = an_ab_test(30, 20)
VIEWED, BOUGHT = at_least(1, "view"), at_least(1, "buy")


class World:
    """An account with an audience that is split, records that are fanned out, and sizes that are asked for."""

    def __init__(self) -> None:
        self.accounts, self.audiences, self.outputs = MemoryAccountStore(), MemoryAudienceStore(), MemoryOutputStore()
        self.memberships, self.splits = MemoryMembershipStore(), MemorySplitStore()
        self.accounts.create(an_account())
        self.audiences.save(an_audience(status=AudienceStatus.ACTIVE, ab_test=TEST))
        self.now = NOW

    def join(self, *mpids: Mpid) -> None:
        self.memberships.apply(ACCOUNT, [Membership(AUDIENCE, mpid, NOW) for mpid in mpids], [])

    def leave(self, *mpids: Mpid) -> None:
        self.memberships.apply(ACCOUNT, [], [(AUDIENCE, mpid) for mpid in mpids])

    def sizes(self, buckets: int = BUCKETS) -> Sizes | None:
        """Args:
        buckets: how many there is time to count.
        """
        ticks, start = count(), self.now

        def clock() -> int:
            return start + next(ticks)

        return measure(self.memberships, self.splits, self.audiences.get(ACCOUNT, AUDIENCE), clock, start + buckets)

    def fan_out(self, records: Iterable[ProfileChange], watch: Callable[[], None]) -> None:
        """Args:
        watch: is called before each call of a store.
        """
        stores: list[Any] = [
            self.accounts, self.audiences, self.outputs, MemoryHistoryStore(), self.memberships, MemoryLedgerStore(),
            MemoryReevaluationQueue(), MemoryWakeUpQueue(), MemoryIdentityStore(), MemoryProfileStore(),
        ]  # fmt: skip
        watched: list[Any] = [Watched(store, watch) for store in stores]
        fan_out(FanOut(*[*watched, MemberSets(self.audiences), MemorySharedChangeQueue()]), list(records), NOW)


class Watched:
    def __init__(self, store: Any, watch: Callable[[], None]) -> None:
        self._store, self._watch = store, watch

    def __getattr__(self, name: str) -> Any:
        self._watch()
        return getattr(self._store, name)


def counted(mpids: Iterable[Mpid]) -> dict[AudienceId, int]:
    found = Counter(variant_of(TEST.variants, mpid).audience_id for mpid in mpids)
    return {each: found[each] for each in (A, B, CONTROL)}


MPIDS = [Mpid(number) for number in range(-200, 200)]


def test_each_variant_has_the_members_that_fall_into_it() -> None:
    world = World()
    world.join(*MPIDS)

    sizes = world.sizes()

    assert sizes is not None
    assert sizes.members == counted(MPIDS)
    assert all(sizes.members.values())
    assert NOW <= sizes.at < NOW + BUCKETS


def test_an_audience_without_members_has_variants_without_members() -> None:
    sizes = World().sizes()

    assert sizes is not None
    assert sizes.members == {A: 0, B: 0, CONTROL: 0}


def test_who_is_not_populated_or_not_split_has_no_sizes() -> None:
    world = World()
    saved = world.audiences.save(world.audiences.get(ACCOUNT, AUDIENCE).model_copy(update={"ab_test": None}))
    assert world.sizes() is None

    world.audiences.save(saved.model_copy(update={"ab_test": TEST, "status": AudienceStatus.DRAFT}))

    assert world.sizes() is None


def test_a_list_that_is_too_long_for_one_answer_is_counted_by_several() -> None:
    world = World()
    world.join(*MPIDS)

    answers = []
    for _ in range(4):
        answers.append(world.sizes(buckets=20))
        world.now += 20

    # 20, 40 and 60 of the 64 buckets are no size.
    assert answers[:3] == [None, None, None]
    assert answers[3] is not None
    assert answers[3].members == counted(MPIDS)


def test_what_was_counted_longest_ago_is_counted_first() -> None:
    world = World()
    world.join(*MPIDS)
    world.sizes()
    world.leave(*MPIDS)

    sizes = []
    for _ in range(4):
        world.now += 10_000
        sizes.append(world.sizes(buckets=16))

    totals = [sum(each.members.values()) for each in sizes if each]
    assert totals == sorted(totals, reverse=True)
    assert (len(set(totals)), totals[-1]) == (4, 0)


def test_what_was_counted_just_now_is_not_counted_again() -> None:
    world = World()
    world.join(*MPIDS)
    first = world.sizes()
    world.leave(*MPIDS)

    world.now += 4_000
    assert world.sizes() == first

    world.now += 1_100
    again = world.sizes()
    assert again is not None
    assert sum(again.members.values()) == 0


written = st.tuples(st.sampled_from([Mpid(each) for each in (1, 2, 3, 65, 66, 67, 129)]), st.booleans())
# Which shard is delivered, how many records, how many calls succeed, how far it goes back, before which call to count.
deliveries = st.lists(
    st.tuples(st.integers(0, 1), st.integers(1, 6), st.integers(0, 25), st.integers(0, 4), st.integers(0, 25)),
    max_size=12,
)


@given(st.lists(written, max_size=24), deliveries)
@settings(max_examples=examples(200), deadline=None)
def test_sizes_counted_in_the_middle_of_anything_are_right_once_it_is_quiet(
    writes: list[tuple[Mpid, bool]], plan: list[tuple[int, int, int, int, int]]
) -> None:
    """Records are cut, fail half-way and come again, while somebody counts between any two calls."""
    stream = list(_stream(writes))
    shards = [[each for each in stream if each.profile.mpid % 2 == parity] for parity in (0, 1)]
    world, positions = World(), [0, 0]

    for shard, size, calls, back, counting in plan:
        batch = shards[shard][positions[shard] : positions[shard] + size]
        try:
            world.fan_out(batch, _watch(world, calls, counting))
            positions[shard] += len(batch)
        except ConnectionError:
            pass
        positions[shard] = max(0, positions[shard] - back)
    for records, position in zip(shards, positions, strict=True):
        world.fan_out(records[position:], lambda: None)
    world.now += 10_000

    final = {each.profile.mpid: each.new for each in stream}
    sizes = world.sizes()
    assert sizes is not None
    assert sizes.members == counted(mpid for mpid, profile in final.items() if profile and profile.memberships)


def _watch(world: World, calls: int, counting: int) -> Callable[[], None]:
    made = count()

    def watch() -> None:
        number = next(made)
        if number == counting:
            world.now += 10_000
            world.sizes()
        if number >= calls:
            raise ConnectionError("the function ran out of time")

    return watch


def _stream(writes: Iterable[tuple[Mpid, bool]]) -> Iterator[ProfileChange]:
    current: dict[Mpid, Profile] = {}
    versions: Counter[Mpid] = Counter()
    for number, (mpid, is_member) in enumerate(writes, 1):
        versions[mpid] += 1
        old, new = current.get(mpid), Profile(ACCOUNT, Environment.PRODUCTION, mpid, versions[mpid])
        new.memberships = {AUDIENCE} if is_member else set()
        current[mpid] = new
        yield ProfileChange(old, new, str(number), NOW)


def test_an_edited_definition_keeps_the_split_and_its_own_members_are_counted_once_it_takes_over() -> None:
    town, splits = Town(), MemorySplitStore()
    people = [f"c-{number}" for number in range(60)]
    for number, customer in enumerate(people):
        name = "view" if number % 3 else "buy"
        town.take([a_batch(number, customer, town.now, events=[custom_event(name, town.now, f"m-{number}")])])
    audience = town.audiences.publish(population.an_audience(town.audiences.next_id(population.ACCOUNT), VIEWED))
    town.finish()
    new = NewAbTest.model_validate({"variations": [{"percentage": 30}, {"percentage": 20}]})
    split = ab_tests.create(town.audiences, population.ACCOUNT, audience.audience_id, new, town.clock())

    def sizes() -> list[int]:
        town.now += 10_000
        stored = town.audiences.get(population.ACCOUNT, audience.audience_id)
        found = measure(town.memberships, splits, stored, lambda: town.now, NEVER)
        return list(found.members.values()) if found else []

    def real() -> list[int]:
        found = Counter(variant_of(test.variants, mpid).audience_id for mpid in town.listed(audience))
        return [found[each.audience_id] for each in test.variants]

    test = ab_tests.ab_test_of(split)
    assert sizes() == real()
    assert sum(real()) == 40
    meaning = edits.meaning_of(split).model_copy(update={"definition": Definition(root=BOUGHT)})
    edits.stage(town.audiences, split, meaning, town.clock())
    assert sum(sizes()) == 40

    town.finish()

    assert town.audiences.get(population.ACCOUNT, audience.audience_id).ab_test == test
    assert sizes() == real()
    assert sum(real()) == 20
