"""Creates that may be repeated."""

from datetime import timedelta

import pytest
from pydantic import BaseModel

from audience_core.api.idempotency import Create, once
from audience_core.errors import ConflictError, InvalidInputError
from audience_core.persistence.memory.control import MemoryAudienceStore
from tests.support.control import ACCOUNT, NOW

REQUEST = Create(ACCOUNT, "key", "POST /v1/things {}")


class Thing(BaseModel):
    id: int
    secret: str | None = None


class Maker:
    """Makes things with ids that count up."""

    def __init__(self) -> None:
        self.made = 0

    def __call__(self) -> Thing:
        self.made += 1
        return Thing(id=self.made, secret="s")


def test_without_a_key_every_request_makes_another_thing() -> None:
    store, make = MemoryAudienceStore(), Maker()
    request = Create(ACCOUNT, None, "POST")

    things = [once(store, request, NOW, Thing, make) for _ in range(2)]

    assert [thing.id for thing in things] == [1, 2]


def test_a_repeat_gives_the_first_answer_for_a_day() -> None:
    store, make = MemoryAudienceStore(), Maker()

    first = once(store, REQUEST, NOW, Thing, make)
    again = once(store, REQUEST, NOW + timedelta(hours=23), Thing, make)
    later = once(store, REQUEST, NOW + timedelta(hours=25), Thing, make)

    assert (first, again, later.id) == (Thing(id=1, secret="s"), first, 2)


def test_what_is_confidential_is_not_kept() -> None:
    store, make = MemoryAudienceStore(), Maker()
    once(store, REQUEST, NOW, Thing, make, frozenset({"secret"}))

    again = once(store, REQUEST, NOW, Thing, make, frozenset({"secret"}))

    assert again == Thing(id=1)


def test_a_key_belongs_to_one_request() -> None:
    store, make = MemoryAudienceStore(), Maker()
    once(store, REQUEST, NOW, Thing, make)

    with pytest.raises(InvalidInputError):
        once(store, Create(ACCOUNT, "key", "POST /v1/things {1}"), NOW, Thing, make)


def test_a_request_under_way_is_not_repeated() -> None:
    store = MemoryAudienceStore()

    def repeat() -> Thing:
        return once(store, REQUEST, NOW, Thing, Maker())

    with pytest.raises(ConflictError):
        once(store, REQUEST, NOW, Thing, repeat)


def test_a_failed_request_may_be_repeated() -> None:
    store, make = MemoryAudienceStore(), Maker()

    def fail() -> Thing:
        raise InvalidInputError("no")

    with pytest.raises(InvalidInputError):
        once(store, REQUEST, NOW, Thing, fail)

    assert once(store, REQUEST, NOW, Thing, make).id == 1
