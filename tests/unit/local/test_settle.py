"""Waiting until all is at rest, with a clock of its own."""

from collections.abc import Iterator

from local.shop.settle import PATIENCE_SECONDS, settle


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def settled(states: Iterator[tuple[int, object]], quiet_seconds: float = 3.0) -> tuple[bool, float]:
    clock = Clock()
    result = settle(lambda: next(states), quiet_seconds=quiet_seconds, clock=clock, sleep=clock.sleep)
    return result, clock.now


def test_it_is_at_rest_when_nothing_changed_for_a_while() -> None:
    def states() -> Iterator[tuple[int, object]]:
        yield from [(9, "a"), (3, "b"), (0, "c")]
        while True:
            yield 0, "d"

    assert settled(states()) == (True, 6.0)


def test_a_late_change_begins_the_wait_again() -> None:
    def states() -> Iterator[tuple[int, object]]:
        yield from [(0, "a")] * 3
        while True:
            yield 0, "b"

    assert settled(states()) == (True, 6.0)


def test_queued_messages_are_no_rest_however_long_their_number_stays() -> None:
    def states() -> Iterator[tuple[int, object]]:
        while True:
            yield 5, "a"

    assert settled(states()) == (False, PATIENCE_SECONDS)
