"""Compaction keeps what was put, once, whatever comes late, twice or in another order, and whoever dies on the way."""

import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.archive import ArchiveEntry, Erasure, OwnedBatch, RawFile, shard_of
from audience_core.domain.event import Environment, Identity, Source
from audience_core.domain.ids import Mpid
from audience_core.domain.job import JobState, JobStep
from audience_core.domain.messages import AcceptedBatch, Release
from audience_core.domain.profile import Profile
from audience_core.errors import DamagedShardError, NotOursError, StaleVersionError
from audience_core.persistence.memory.ingest import MemoryArchive
from audience_core.pipeline import compaction
from audience_core.pipeline.compaction_parts import PartOrder, note_error, work
from tests.support.archives import Library
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


def library(**given: Any) -> Library:
    return Library(Population().accounts, MemoryArchive(), **given)


def entry(number: int, mpid: int = 5, at: int = NOW, **body: Any) -> OwnedBatch:
    """A batch of one view, a minute before it was received."""
    body.setdefault("events", [custom_event("view", at - 60_000, f"m-{number}", number=number)])
    batch = a_batch(number, f"c-{mpid}", at, **body)
    return OwnedBatch(batch, Mpid(mpid), (Identity("customer_id", f"c-{mpid}"),))


def known(users: dict[Mpid, Profile]) -> dict[Mpid, Any]:
    """All that the archive is to know of users."""
    return {mpid: (each.identities, each.registers, each.seen, each.timeline) for mpid, each in users.items()}


def views(held: Library, mpid: int = 5) -> list[int]:
    users = held.users()
    if Mpid(mpid) not in users:
        return []
    tracks = users[Mpid(mpid)].timeline.values()
    return sorted(int(str(event.attributes["number"])) for track in tracks for event in track)


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


@settings(max_examples=60, deadline=None)
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

    assert known(held.users()) == known(held.expected())
    manifest = held.shards.manifest(ACCOUNT)
    for number, kept in held.kept().items():
        assert [shard_of(each, manifest.count) for each in kept.mpids.tolist()] == [number] * len(kept.mpids)


def replace_time(entry: OwnedBatch, salt: int) -> OwnedBatch:
    """The same batch; the memory archive would take an equal entry only once."""
    return replace(entry, batch=replace(entry.batch, body={**entry.batch.body, "salt": salt}))


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


def test_an_erasure_is_carried_out_once() -> None:
    held = library()
    held.raw.put([entry(1), Erasure(ACCOUNT, Environment.PRODUCTION, Mpid(5), held.now)], held.now)
    held.compact()
    held.raw.put([entry(2, at=NOW + 1)], held.now)
    held.compact()  # reads the erasure again, too

    held.raw.put([entry(3, 6)], held.now)
    held.compact()

    assert views(held) == [2]


# Steps, crashes, and two at once -------------------------------------------------------------------------------------


def a_full_library() -> Library:
    held = library(max_shard_events=4)
    held.raw.put([entry(number, number % 3 + 5) for number in range(9)], held.now)
    held.compact()
    held.now += 2 * HOUR
    held.raw.put([entry(number, number % 4 + 5) for number in range(9, 20)], held.now)
    return held


def steps() -> int:
    return len(list(a_full_library().run("run")))


@pytest.mark.parametrize("at", range(steps()))
def test_nothing_shows_before_the_manifest_and_another_run_goes_on_after_a_crash(at: int) -> None:
    held = a_full_library()
    before = known(held.users())
    for number, _ in enumerate(held.run("run")):
        assert known(held.users()) == before
        if number == at:
            break  # killed before this invocation

    held.now += compaction.LEASE_MS + 1
    done = sum(part.is_done for part in held.jobs.parts(ACCOUNT, "compaction-2"))
    again = [name for name in held.run("another run") if name.partition(" ")[0] in (JobStep.SPREAD, JobStep.MERGE)]

    assert known(held.users()) == known(held.expected())
    assert held.shards.manifest(ACCOUNT).version == 2
    assert done == min(at, done)
    assert len(again) >= done


@pytest.mark.parametrize("at", range(steps()))
def test_a_worker_that_slept_while_another_run_took_over_does_no_harm(at: int) -> None:
    held = a_full_library()
    sleeper = held.run("run")
    for _ in range(at + 1):
        next(sleeper)
    held.now += compaction.LEASE_MS + 1
    held.compact("another run")

    with pytest.raises((NotOursError, StaleVersionError)):
        for _ in sleeper:
            pass

    assert known(held.users()) == known(held.expected())
    assert (held.shards.manifest(ACCOUNT).version, held.state()) == (2, JobState.SUCCEEDED)


def test_a_crash_after_the_manifest_is_noticed_by_the_repeat() -> None:
    held = a_full_library()
    stores, job_id = held.stores(), "compaction-2"
    run = held.run("run")
    while next(run) != "commit":
        pass
    token = held.jobs.get(ACCOUNT, job_id).token
    job = held.jobs.get(ACCOUNT, job_id)
    compaction.commit(stores, ACCOUNT, job_id, token, held.clock())
    held.jobs._jobs[ACCOUNT, job_id] = job  # the end of the job was not stored

    assert compaction.commit(stores, ACCOUNT, job_id, token, held.clock()) is JobState.SUCCEEDED
    assert held.shards.manifest(ACCOUNT).version == 2


def test_two_runs_at_once_are_one() -> None:
    held = a_full_library()
    first = held.run("run")
    next(first)

    assert list(held.run("another run")) == []
    assert list(first)
    assert held.shards.manifest(ACCOUNT).version == 2


def test_without_anything_new_nothing_is_begun() -> None:
    held = library()

    assert list(held.run("run")) == []
    assert held.jobs.list(ACCOUNT) == ()


def test_a_run_that_failed_is_gone_on_with_by_the_next() -> None:
    held = a_full_library()
    run = held.run("run")
    next(run)
    next(run)
    job = held.jobs.get(ACCOUNT, "compaction-2")
    held.jobs.save(job.model_copy(update={"state": JobState.FAILED, "error": "bad luck"}))

    held.compact("tomorrow's run")

    job = held.jobs.get(ACCOUNT, "compaction-2")
    assert (job.state, job.token, job.error) == (JobState.SUCCEEDED, 2, "")


def test_a_part_that_is_done_is_not_done_again() -> None:
    held = a_full_library()
    run = held.run("run")
    assert (next(run), next(run)) == ("spread 0", "gather")
    before = held.jobs.parts(ACCOUNT, "compaction-2")

    order = PartOrder(ACCOUNT, "compaction-2", 1, JobStep.SPREAD, 0)
    part = work(held.stores(), order, lambda: held.now)

    assert (part.is_done, part.looked_at) == (True, before[0].looked_at)


def test_a_damaged_shard_stops_the_run_and_leaves_the_archive_as_it_is() -> None:
    held = a_full_library()
    folder = held.shards.manifest(ACCOUNT).shards[0].folder
    held.shards.files[ACCOUNT, folder]["ids.parquet"] = b"rust"

    with pytest.raises(DamagedShardError, match=f"{folder}/ids.parquet is not as it was written"):
        held.compact()
    note_error(held.stores(), PartOrder(ACCOUNT, "compaction-2", 1, JobStep.MERGE, 0), "shard 0 is damaged")

    assert held.shards.manifest(ACCOUNT).version == 1
    assert [part.error for part in held.jobs.parts(ACCOUNT, "compaction-2") if part.error] == ["shard 0 is damaged"]


# Shards -----------------------------------------------------------------------------------------------------------


def test_there_are_more_shards_when_there_are_more_events() -> None:
    held = library(max_shard_events=4)
    counts = []
    for number in range(4):
        held.raw.put([entry(100 * number + each, each, held.now) for each in range(8)], held.now)
        held.compact()
        counts.append(held.shards.manifest(ACCOUNT).count)
        held.now += 2 * HOUR

    assert counts == [1, 4, 8, 8]
    assert sorted(held.kept()) == list(range(8))
    assert known(held.users()) == known(held.expected())


def test_a_shard_without_news_is_not_written_anew() -> None:
    held = a_full_library()
    held.now, held.max_shard_events = held.now + 2 * HOUR, 1000
    held.compact()
    before = {shard.number: shard for shard in held.shards.manifest(ACCOUNT).shards}

    held.raw.put([entry(50, 5)], held.now)
    held.compact()

    after = {shard.number: shard for shard in held.shards.manifest(ACCOUNT).shards}
    assert {number for number in after if after[number] != before[number]} == {shard_of(5, len(after))}


def test_files_that_no_manifest_names_any_more_go_after_a_week() -> None:
    held = a_full_library()
    first = {shard.folder for shard in held.shards.manifest(ACCOUNT).shards}
    held.compact()
    assert first <= held.shards.folders(ACCOUNT)

    held.now += compaction.KEPT_MS + 1
    held.raw.put([entry(50, 5, held.now)], held.now)
    held.compact()

    assert not first & held.shards.folders(ACCOUNT)
    assert known(held.users()) == known(held.expected())


def test_a_shard_tells_how_much_it_holds_and_from_when_to_when() -> None:
    held = library()
    held.raw.put([entry(1, at=NOW), entry(2, at=NOW - DAY), entry(3, 6, NOW - HOUR)], held.now)

    held.compact()

    manifest = held.shards.manifest(ACCOUNT)
    (shard,) = manifest.shards
    assert (shard.users, manifest.events) == (2, 3)
    assert (manifest.first_at, manifest.last_at) == (NOW - DAY - 60_000, NOW - 60_000)
    assert manifest.read_until == held.now


def test_entries_that_are_put_while_a_run_is_under_way_come_with_the_next() -> None:
    held = library()
    held.raw.put([entry(1)], held.now)
    run = held.run("run")
    next(run)
    held.raw.put([entry(2)], held.now + 60_000)
    for _ in run:
        pass
    assert views(held) == [1]

    held.now += HOUR - 1
    held.compact("another run")

    assert views(held) == [1, 2]


def test_many_files_and_bytes_are_many_parts() -> None:
    raw = [RawFile(f"{number:04d}", 100_000) for number in range(500)]

    chunks = compaction._chunks(raw)

    assert [len(chunk) for chunk in chunks] == [79, 80, 80, 80, 80, 1, 79, 21]
    assert [name for chunk in chunks for name in chunk] == [file.name for file in raw]


def test_other_accounts_see_nothing_of_it() -> None:
    held = library()
    other = Source(type(ACCOUNT)(99), SOURCE.workspace_id, SOURCE.input_id)
    elsewhere = AcceptedBatch(other, "request-9", NOW, entry(9).batch.body)
    put: list[ArchiveEntry] = [OwnedBatch(elsewhere, Mpid(5), ()), entry(1)]
    held.raw.put(put, held.now)

    held.compact()

    assert views(held) == [1]
