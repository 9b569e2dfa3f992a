"""Runs of compaction: nothing shows before the manifest, whoever dies, sleeps or comes twice; and how many shards."""

import pytest

from audience_core.domain.archive import ArchiveEntry, OwnedBatch, RawFile, shard_of
from audience_core.domain.event import Source
from audience_core.domain.ids import Mpid
from audience_core.domain.job import JobState, JobStep
from audience_core.domain.messages import AcceptedBatch
from audience_core.errors import DamagedShardError, NotOursError, StaleVersionError
from audience_core.pipeline import compaction
from audience_core.pipeline.compaction_parts import PartOrder, note_error, work
from tests.support.archives import Library, entry, known, library, views
from tests.support.population import (
    ACCOUNT,
    DAY,
    HOUR,
    NOW,
    SOURCE,
)

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


def test_entries_that_were_put_late_under_an_earlier_minute_come_with_the_next_run() -> None:
    held = library()
    held.raw.put([entry(1)], held.now)
    held.compact()

    held.raw.put([entry(2)], held.now - HOUR)
    held.now += 24 * HOUR
    held.compact()

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
