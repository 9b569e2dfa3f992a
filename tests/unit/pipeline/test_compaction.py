"""Compaction keeps what was put, once, whatever comes late, twice or in another order, and whoever dies on the way."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.archive import Erasure, OwnedBatch, shard_of
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.messages import Release
from audience_core.evaluation.columnar.build import kept_tables_of
from audience_core.evaluation.columnar.columns import Codes, Column, values_at
from audience_core.evaluation.columnar.encoding import encoding_of
from audience_core.evaluation.columnar.parquet import Table
from audience_core.evaluation.columnar.shard import MPIDS
from audience_core.persistence.memory.ingest import MemoryArchive
from tests.support.archives import Library, entry, known, library, replace_time, views
from tests.support.long_run import examples
from tests.support.population import (
    ACCOUNT,
    DAY,
    HOUR,
    NOW,
    OTHER_SOURCE,
    SOURCE,
    Population,
    a_batch,
    custom_event,
)

# What comes together -----------------------------------------------------------------------------------------------

mpids = st.sampled_from([5, 6, 7, -8, 2**63 - 1])
scalars: st.SearchStrategy[Any] = st.sampled_from(
    ["red", "Straße", "", "\udfff", True, None, 1e16, 0.1, 5.0, 5, -3, 1e-7]
)
values = st.one_of(scalars, st.lists(st.sampled_from(["a", "b"]), max_size=2))
attributes = st.fixed_dictionaries({}, optional=dict.fromkeys(["color", "size", "number:x", "rest"], scalars))


@st.composite
def entries(draw: st.DrawFn) -> OwnedBatch:
    """A batch that shares events, users and instants with others."""
    mpid, at = draw(mpids), NOW - draw(st.sampled_from([0, 1, HOUR, 40 * DAY]))
    events = [
        custom_event(
            draw(st.sampled_from(["view", "buy"])),
            NOW - draw(st.sampled_from([0, 1, DAY, 500 * DAY])),
            f"m-{draw(st.integers(0, 9))}",
            **draw(attributes),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]
    if draw(st.booleans()):
        events.append(_purchase(draw(st.integers(0, 9)), draw(st.lists(attributes, max_size=2))))
    body: dict[str, Any] = {
        "events": events,
        "user_attributes": draw(st.fixed_dictionaries({}, optional={"tier": values})),
    }
    if draw(st.booleans()):
        body["deleted_user_attributes"] = ["tier"]
    if draw(st.booleans()):
        body["device_info"] = {"platform": draw(st.sampled_from(["iOS", "Android"]))}
    source = draw(st.sampled_from([SOURCE, OTHER_SOURCE]))
    batch = a_batch(draw(st.integers(0, 10**6)), None, at, source=source, **body)
    granted = (Identity("email", draw(st.sampled_from(["a@b.co", "c@d.co"]))),) if draw(st.booleans()) else ()
    is_historical = draw(st.booleans()) and bool(events)
    return OwnedBatch(replace(batch, is_historical=is_historical), Mpid(mpid), granted)


def _purchase(number: int, products: Sequence[dict[str, Any]]) -> dict[str, Any]:
    lines = [{"id": f"p-{place}", "custom_attributes": each} for place, each in enumerate(products)]
    action = {"action": "purchase", "total_amount": 9.5, "products": lines}
    data = {"timestamp_unixtime_ms": NOW - number, "source_message_id": f"m-{number}", "product_action": action}
    return {"event_type": "commerce_event", "data": data}


@settings(max_examples=examples(60), deadline=None)
@given(given_entries=st.lists(entries(), min_size=1, max_size=12), data=st.data())
def test_shards_hold_all_entries_once_however_they_come(given_entries: list[OwnedBatch], data: st.DataObject) -> None:
    held = library(max_shard_events=data.draw(st.sampled_from([3, 2_000_000])))
    repeats = data.draw(st.lists(st.sampled_from(given_entries), max_size=4))
    deliveries = data.draw(st.permutations([*given_entries, *repeats]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(deliveries)), max_size=3)))

    for first, last in zip([0, *cuts], [*cuts, len(deliveries)], strict=True):
        # What comes twice is put under another time, as a repeated queue message is.
        held.raw.put([replace_time(each, last) for each in deliveries[first:last]], held.now)
        held.compact()
        held.now += 26 * HOUR

    expected, count = held.expected(), held.shards.manifest(ACCOUNT).count
    assert known(held.users()) == known(expected)
    for number, kept in held.kept().items():
        assert [shard_of(each, count) for each in kept.mpids.tolist()] == [number] * len(kept.mpids)
        # What is scanned is what would be written of these users if nothing had been there before.
        at_once = kept_tables_of([expected[Mpid(each)] for each in kept.mpids.tolist()])
        tables = (kept.events, kept.products, {MPIDS: at_once[2][MPIDS], **kept.users})
        assert list(map(contents, tables)) == list(map(contents, at_once))


def contents(table: Table) -> dict[Any, Any]:
    """All rows of all groups, in their order."""
    return {
        key: (
            {name: column.tolist() for name, column in group.integers.items()},
            {name: of_column(column, group.rows) for name, column in group.labels.items()},
            {name: of_column(column, group.rows) for name, column in group.values.items()},
        )
        for key, group in table.items()
        if group.rows
    }


def of_column(column: Column, rows: int) -> tuple[Any, ...]:
    """Its values, how it is written, which values it has a place for, and whether for each only one."""
    values = list(column.values) if isinstance(column, Codes) else []
    there = [as_read(each) for each in values_at(column, np.arange(rows))]
    return there, encoding_of(column), set(map(as_read, values)), len(values) == len(set(map(repr, values)))


def as_read(value: Any) -> str:
    """5.0 is 5 to every operator."""
    return repr(int(value) if isinstance(value, float) and value.is_integer() else value)


@pytest.mark.parametrize("seed", range(4))
def test_shards_know_of_users_what_real_time_knows_of_them(seed: int) -> None:
    population, chance = Population(), random.Random(seed)
    batches = [
        a_batch(
            n,
            chance.choice(["c-1", "c-2", None]),
            NOW - chance.randrange(DAY),
            events=[custom_event("view", NOW - chance.randrange(20 * DAY), f"m-{chance.randrange(40)}", number=n)],
            user_attributes={"tier": chance.choice(["gold", "tin", None])},
            user_identities={"email": f"{chance.randrange(3)}@b.co"},
            device_info={"ios_advertising_id": f"device {chance.randrange(3)}", "platform": "iOS"},
        )
        for n in range(40)
    ]
    held = Library(population.accounts, population.archive)
    for batch in [*batches, *chance.sample(batches, 10)]:
        population.take([batch], held.now)
        if chance.random() < 0.1:
            held.compact()
            held.now += 2 * HOUR
    held.compact()

    assert known(held.users()) == known({each.mpid: each for each in population.everybody()})


def test_an_event_that_comes_again_years_later_counts_once() -> None:
    held = library()
    held.raw.put([entry(1)], held.now)
    held.compact()
    held.now += 800 * DAY

    held.raw.put([replace_time(entry(1), 2), entry(2, at=NOW - 900 * DAY)], held.now)
    held.compact()

    assert views(held) == [1, 2]


def test_an_attribute_that_was_deleted_is_not_revived_by_an_older_write() -> None:
    held = library()
    held.raw.put([entry(1, deleted_user_attributes=["tier"])], held.now)
    held.compact()
    held.now += 2 * HOUR

    held.raw.put([entry(2, at=NOW - 1, user_attributes={"tier": "gold"})], held.now)
    held.compact()

    (register,) = [each for key, each in held.users()[Mpid(5)].registers.items() if key.name == "tier"]
    assert register.is_deleted


def test_what_history_says_of_a_user_gives_way_to_what_was_told_live() -> None:
    old = entry(2, at=NOW, events=[custom_event("view", NOW - 400 * DAY, "old", number=2)])
    tin = a_batch(2, None, NOW, user_attributes={"tier": "tin"}, **{"events": old.batch.body["events"]})
    held = library()
    held.raw.put(
        [
            entry(1, at=NOW - DAY, user_attributes={"tier": "gold"}),
            OwnedBatch(replace(tin, is_historical=True), Mpid(5), ()),
        ],
        held.now,
    )

    held.compact()

    assert {each.value for key, each in held.users()[Mpid(5)].registers.items() if key.name == "tier"} == {"gold"}
    assert views(held) == [1, 2]


def test_an_identity_that_moved_to_another_user_is_given_up() -> None:
    held = library()
    email = Identity("email", "a@b.co")
    held.raw.put([replace(entry(1), granted=(email,))], held.now)
    held.compact()
    held.now += 2 * HOUR

    held.raw.put([Release(ACCOUNT, Environment.PRODUCTION, Mpid(5), email, NOW + 1)], held.now)
    held.compact()

    assert held.users()[Mpid(5)].identities == {}


# Deletion ---------------------------------------------------------------------------------------------------------


def test_an_erased_user_is_gone_with_everything_until_then_and_what_comes_again_of_it() -> None:
    held = library()
    held.raw.put([entry(1), entry(2, 6)], held.now)
    held.compact()
    held.now += HOUR
    held.raw.put([Erasure(ACCOUNT, Environment.PRODUCTION, Mpid(5), held.now)], held.now)
    held.compact()
    assert (views(held), views(held, 6)) == ([], [2])

    held.now += 50 * DAY
    held.raw.put([replace_time(entry(1), 9), entry(3, at=held.now)], held.now)
    held.compact()

    assert (views(held), views(held, 6)) == ([3], [2])


def test_an_erasure_that_comes_again_takes_nothing_that_was_received_after_it() -> None:
    held, erasure = library(), Erasure(ACCOUNT, Environment.PRODUCTION, Mpid(5), NOW)
    held.raw.put([entry(1), erasure], held.now)
    held.compact()
    held.raw.put([entry(2, at=NOW + 1)], held.now)
    held.compact()

    held.raw, held.now = MemoryArchive(), NOW + 3 * DAY
    held.raw.put([erasure, entry(3, 6)], held.now)
    held.compact()

    assert views(held) == [2]
