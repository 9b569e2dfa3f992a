"""A sample of what `make faults` tries: functions die or are throttled at a call, and the end is the same."""

import time
from collections.abc import Iterator
from functools import partial

import pytest

from tests.support import fault_trials, faults
from tests.support.control import AUDIENCE
from tests.support.fault_scenes import somebody
from tests.support.fault_stories import STORIES
from tests.support.faults import Fault, Story
from tests.support.whole_stack import forget_wiring

# About so many faults of each story, at calls spread over it.
SAMPLES = {"events": 4, "compaction": 1, "sending": 2, "offers": 2}


@pytest.fixture(scope="module", autouse=True)
def told_at(aws: str) -> Iterator[None]:
    faults.set_now(time.time_ns() // 1_000_000 - 1000)
    yield
    forget_wiring()


@pytest.mark.long
@pytest.mark.parametrize("name", SAMPLES)
def test_whatever_dies_comes_again_and_the_end_is_the_same(name: str) -> None:
    undisturbed = faults.play(STORIES[name])
    twice, reversed_, *single = fault_trials.faults_of(undisturbed)
    spread = [single[len(single) * place // (SAMPLES[name] + 1)] for place in range(1, SAMPLES[name] + 1)]
    tried = [twice, reversed_, *spread] if name == "events" else spread

    found = [fault_trials.difference(each, partial(faults.play, STORIES[name]), undisturbed) for each in tried]

    assert [each for each in found if each] == []


def test_a_story_that_tells_less_ends_otherwise() -> None:
    expected = faults.play(STORIES["events"])

    found = fault_trials.difference(Fault(), lambda fault: faults.play(Story(told, somebody), fault), expected)

    assert found is not None
    assert {"profiles", "archive"} <= found.found.keys()


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
    expected = faults.play(Story(told, nothing))

    found = faults.play(Story(told_while_the_stream_stands_still, nothing))

    assert len(expected.state["partner"][AUDIENCE][1]) == 3
    assert found.state == expected.state


def nothing(here: faults.Scene) -> None:
    """Nobody is known."""
