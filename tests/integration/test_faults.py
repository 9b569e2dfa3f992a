"""A sample of what `make faults` tries: functions die or are throttled at a call, and the end is the same."""

import time
from collections.abc import Iterator

import pytest

from tests.support import faults
from tests.support.control import AUDIENCE
from tests.support.fault_stories import STORIES

# About so many faults of each story, at calls spread over it.
SAMPLES = {"events": 4, "compaction": 1}


@pytest.fixture(scope="module", autouse=True)
def told_at(aws: str) -> Iterator[None]:
    faults.set_now(time.time_ns() // 1_000_000 - 1000)
    yield
    faults.forget()


@pytest.mark.parametrize("name", SAMPLES)
def test_whatever_dies_comes_again_and_the_end_is_the_same(name: str) -> None:
    expected, log = faults.play(STORIES[name])
    spread = [len(log) * place // (SAMPLES[name] + 1) for place in range(1, SAMPLES[name] + 1)]
    ways = (faults.How.AFTER, faults.How.BEFORE, faults.How.THROTTLE)
    sample = [faults.Fault(at, ways[place % 3]) for place, at in enumerate(spread)]
    repeats = [faults.Fault(0, faults.How.TWICE), faults.Fault(0, faults.How.REVERSED)] if name == "events" else []

    assert [each for each in faults.compare(name, STORIES[name], [*sample, *repeats], expected) if each] == []
    # The comparison is worth something: a story that tells less ends otherwise.
    (difference,) = faults.compare("less", told, [faults.Fault()], expected)
    assert difference is not None
    assert {"profiles", "archive"} <= difference.found.keys()


def told(here: faults.Scene) -> None:
    for number, who in enumerate(["ann", "bob", "cy", "ann"]):
        here.tell(number, who, user_attributes={"turn": number})
        here.settle()


def told_while_the_stream_stands_still(here: faults.Scene) -> None:
    here.stack.is_stream_down = True
    told(here)
    assert here.partner.members(AUDIENCE) == {}
    here.stack.is_stream_down = False
    here.settle()


def test_a_stream_that_stood_still_catches_up_as_if_it_never_had() -> None:
    expected, _ = faults.play(told)

    found, _ = faults.play(told_while_the_stream_stands_still)

    assert len(expected["partner"]) == 3
    assert found == expected
