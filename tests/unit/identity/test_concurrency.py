"""Workers that come in between each other end where some order of the same batches would have ended."""

from collections import Counter
from collections.abc import Sequence
from itertools import permutations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from audience_core.domain.event import EventBatch
from audience_core.domain.ids import Mpid
from tests.support.long_run import examples
from tests.unit.identity.population import ACCOUNT, ENVIRONMENT, Population, Worker, a_batch, finish

type State = Counter[tuple[frozenset[str], frozenset[int]]]

words = st.sampled_from(["customer_id=a", "customer_id=b", "email=e", "email=f", "mp_deviceid=x", "mp_deviceid=y"])
contents = st.sets(words, min_size=1, max_size=4).filter(
    lambda chosen: max(Counter(word.split("=")[0] for word in chosen if "mp_" not in word).values(), default=0) <= 1
)
schedules = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 11)), max_size=40)


@example([{"customer_id=a"}], [{"customer_id=a", "email=e"}, {"customer_id=a"}], [(1, 2)], False)
@given(st.lists(contents, max_size=3), st.lists(contents, min_size=2, max_size=2), schedules, st.booleans())
@settings(max_examples=examples(200), deadline=None)
def test_two_batches_at_once_end_as_one_after_the_other(
    past: list[set[str]], present: list[set[str]], schedule: list[tuple[int, int]], crashes: bool
) -> None:
    history = [a_batch(" ".join(sorted(text)), 10 + n) for n, text in enumerate(past)]
    batches = [a_batch(" ".join(sorted(text)), 100 + n) for n, text in enumerate(present)]

    concurrent = _interleaved(history, batches, schedule, crashes)

    serial = [_serial([*history, *order]) for order in permutations(batches)]
    assert concurrent in serial


@given(st.lists(contents, min_size=2, max_size=5), schedules, st.booleans())
@settings(max_examples=examples(200), deadline=None)
def test_a_customer_never_has_two_profiles(
    present: list[set[str]], schedule: list[tuple[int, int]], crashes: bool
) -> None:
    batches = [a_batch(" ".join(sorted(text)), 100 + n) for n, text in enumerate(present)]

    state = _interleaved([], batches, schedule, crashes)

    customers = Counter(word for held, _ in state.elements() for word in held if word.startswith("customer_id"))
    assert all(count == 1 for count in customers.values())


def _serial(batches: Sequence[EventBatch]) -> State:
    users = Population()
    owners = {batch.received_at: finish(users.processing(batch)) for batch in batches}
    return _state(users, owners)


def _interleaved(
    history: Sequence[EventBatch], batches: Sequence[EventBatch], schedule: list[tuple[int, int]], crashes: bool
) -> State:
    """Each entry of the schedule lets a worker take some steps; with `crashes`, many steps end in a fresh start."""
    users = Population()
    owners = {batch.received_at: finish(users.processing(batch)) for batch in history}
    workers = {batch.received_at: users.processing(batch) for batch in batches}
    for which, steps in schedule:
        batch = batches[which % len(batches)]
        if crashes and steps > 8:
            workers[batch.received_at] = users.processing(batch)
        elif batch.received_at not in owners:
            _advance(workers[batch.received_at], steps % 5, batch.received_at, owners)
    for batch in batches:
        if batch.received_at not in owners:
            owners[batch.received_at] = finish(workers[batch.received_at])
    return _state(users, owners)


def _advance(worker: Worker[Mpid], steps: int, name: int, owners: dict[int, Mpid]) -> None:
    try:
        for _ in range(steps):
            next(worker)
    except StopIteration as end:
        owners[name] = end.value


def _state(users: Population, owners: dict[int, Mpid]) -> State:
    """For every profile what it holds and whose batches it has, whatever its mpid."""
    profiles = users.profiles.load(ACCOUNT, ENVIRONMENT, users.mpids)
    return Counter(
        (frozenset(users.held(mpid)), frozenset(name for name, owner in owners.items() if owner == mpid))
        for mpid in profiles
    )
