"""Exports that are killed, cancelled, overtaken or refused: nothing of them is left, or all of it comes about."""

from collections import Counter
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.export import job_id_of
from audience_core.domain.ids import DAY_MS, NEVER
from audience_core.domain.job import JobState
from audience_core.errors import ConflictError, NotOursError, StaleVersionError, UnavailableError
from audience_core.management import exports
from audience_core.management.jobs import JobStores, restart
from audience_core.pipeline import export
from audience_core.pipeline.export_archive import write_archive
from audience_core.pipeline.export_parts import Order, work
from tests.support.control import ACCOUNT, AUDIENCE
from tests.support.export_town import MPIDS, a_town, members
from tests.support.exports import Fuse, Killed
from tests.support.long_run import examples


def calls_of_a_run(*mpids: int) -> int:
    town, fuse = a_town(*mpids), Fuse(-1, Killed())
    town.run(town.ask(email="ann@example.com"), fuse.guard(town.exporter()))
    return fuse.calls


CALLS = calls_of_a_run(*MPIDS)


@given(st.integers(1, CALLS), st.booleans())
@settings(deadline=None, max_examples=examples(150))
def test_a_worker_killed_at_any_step_makes_no_difference(at: int, is_after: bool) -> None:
    undisturbed, town = a_town(*MPIDS), a_town(*MPIDS)
    expected = undisturbed.ask()
    undisturbed.run(expected)
    export_id = town.ask(email="ann@example.com")

    town.run(export_id, Fuse(at, Killed(), is_after=is_after).guard(town.exporter()))

    assert town.archive(export_id).rows() == undisturbed.archive(expected).rows()
    opened = town.archive(export_id)
    counted = Counter(row["identity_type"] for row in opened.rows())
    assert opened.manifest["rows_by_identity"] == counted
    assert opened.manifest["files"][0]["total_users"] == len(MPIDS)
    assert (town.job(export_id).state, town.is_clean(export_id)) == (JobState.SUCCEEDED, True)
    assert town.mail.sent


def test_a_worker_killed_at_the_very_end_makes_no_difference() -> None:
    """Every call of the last steps, of which random ones may miss some."""
    calls = calls_of_a_run(64)
    for at in range(calls - 30, calls + 1):
        for is_after in (False, True):
            town = a_town(64)
            export_id = town.ask(email="ann@example.com")

            town.run(export_id, Fuse(at, Killed(), is_after=is_after).guard(town.exporter()))

            assert (town.job(export_id).state, town.is_clean(export_id)) == (JobState.SUCCEEDED, True), at
            assert town.mail.sent, at


@given(st.integers(1, CALLS), st.booleans())
@settings(deadline=None, max_examples=examples(150))
def test_a_failure_that_lasts_is_explained_and_leaves_nothing(at: int, is_after: bool) -> None:
    town = a_town(*MPIDS)
    export_id = town.ask(email="ann@example.com")

    town.run(
        export_id, Fuse(at, UnavailableError("no luck"), is_after=is_after, is_lasting=True).guard(town.exporter())
    )

    job = town.job(export_id)
    assert town.is_clean(export_id)
    if job.state is not JobState.SUCCEEDED:
        assert (job.state, job.error, job.ended_at) == (JobState.FAILED, "no luck", town.clock())


@given(st.integers(1, CALLS))
@settings(deadline=None, max_examples=examples(100))
def test_a_cancelled_export_leaves_nothing(at: int) -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()

    class Cancels(Fuse):
        def __call__(self, method: object, *arguments: object, **named: object) -> object:
            self.calls += 1
            if self.calls == at and town.job(export_id).state is not JobState.SUCCEEDED:
                exports.cancel(town.stores(), ACCOUNT, export_id, town.clock())
            return method(*arguments, **named)  # type: ignore[operator]  # a method of a store

    town.run(export_id, Cancels(at, Killed()).guard(town.exporter()))

    assert town.is_clean(export_id)
    assert town.job(export_id).state in (JobState.CANCELLED, JobState.SUCCEEDED)


def test_a_worker_that_slept_through_the_end_of_its_job_removes_what_it_wrote() -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()
    plan = export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    stores = town.exporter()
    real = town.files.put

    def late(key: str, content: bytes) -> None:
        exports.cancel(town.stores(), ACCOUNT, export_id, town.clock())
        export.fail(town.exporter(), ACCOUNT, export_id, 1, "run-1", "cancelled", town.clock())
        real(key, content)

    town.files.put = late  # type: ignore[method-assign]  # it comes back later
    with pytest.raises(NotOursError):
        work(stores, Order(ACCOUNT, export_id, plan["token"], 0, 0, 15), lambda: town.now, NEVER)

    assert town.files.files == {}


def test_of_two_workers_at_one_part_the_later_one_counts() -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()
    export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    order, real = Order(ACCOUNT, export_id, 1, 0, 0, 15), town.files.put

    def overtaken(key: str, content: bytes) -> None:
        town.files.put = real  # type: ignore[method-assign]  # the second worker is not held up
        work(town.exporter(), order, lambda: town.now, NEVER)
        real(key, content)

    town.files.put = overtaken  # type: ignore[method-assign]  # the first worker is held up here
    with pytest.raises(StaleVersionError):
        work(town.exporter(), order, lambda: town.now, NEVER)

    (key,) = town.files.files
    assert town.jobs.parts(ACCOUNT, town.job(export_id).parts_id)[0].pieces.keys == (key,)  # type: ignore[union-attr]


def test_a_dead_export_begins_anew_of_the_same_instant() -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()
    at = town.export(export_id).at
    plan = export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    work(town.exporter(), Order(ACCOUNT, export_id, plan["token"], 0, 0, 15), lambda: town.now, NEVER)
    town.files.open[7] = f"{ACCOUNT}/{export_id}/0001/Audiences.zip"
    town.now += 3_600_000
    town.leave(64)
    assert town.job(export_id).state_at(town.now) is JobState.DEAD

    restart(JobStores(town.jobs, town.audiences, town.workflows), ACCOUNT, job_id_of(export_id), town.clock())
    assert town.workflows.started[-1] == f"export-{ACCOUNT}-{export_id}-again-2"
    town.run(export_id, run="run-2", token=2)

    assert (town.export(export_id).at, members(town.archive(export_id))) == (at, set(MPIDS))
    assert town.is_clean(export_id)
    assert exports.get(town.stores(), ACCOUNT, export_id, town.clock()).progress == 1.0


def test_the_end_of_an_old_run_touches_nothing_of_a_later_one() -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()
    export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    exports.cancel(town.stores(), ACCOUNT, export_id, town.clock())
    restart(JobStores(town.jobs, town.audiences, town.workflows), ACCOUNT, job_id_of(export_id), town.clock())

    export.fail(town.exporter(), ACCOUNT, export_id, 1, "run-1", "cancelled", town.clock())
    assert town.job(export_id).state is JobState.QUEUED
    export.plan(town.exporter(), ACCOUNT, export_id, 2, "run-2", timedelta(0), town.clock())
    work(town.exporter(), Order(ACCOUNT, export_id, 2, 0, 0, 15), lambda: town.now, NEVER)
    export.fail(town.exporter(), ACCOUNT, export_id, 1, "run-1", "stopped", town.clock())

    assert town.job(export_id).state is JobState.RUNNING
    assert len(town.files.files) == 1


def test_an_instant_beyond_the_history_is_not_tried_again() -> None:
    town = a_town(64)
    export_id = town.ask()
    town.now += 91 * DAY_MS

    town.run(export_id)

    assert (town.job(export_id).state, "export the audience again" in town.job(export_id).error) == (
        JobState.FAILED,
        True,
    )


def test_a_deleted_audience_fails_the_export_with_its_reason() -> None:
    town = a_town(64)
    export_id = town.ask()
    export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    town.audiences.delete(town.audiences.get(ACCOUNT, AUDIENCE))

    town.run(export_id)

    job = town.job(export_id)
    assert (job.state, job.error) == (JobState.FAILED, "there is no audience 1")


def test_a_deactivated_audience_is_exported_as_it_was() -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()
    audience = town.audiences.get(ACCOUNT, AUDIENCE)
    town.audiences.save(audience.model_copy(update={"status": AudienceStatus.DRAFT, "program_version": 7}))
    town.now += 1000
    for mpid in MPIDS:
        town.leave(mpid)

    town.run(export_id)

    assert members(town.archive(export_id)) == set(MPIDS)


def test_an_archive_is_not_made_while_something_is_missing() -> None:
    town = a_town(*MPIDS)
    export_id = town.ask()
    export.plan(town.exporter(), ACCOUNT, export_id, 1, "run-1", timedelta(0), town.clock())
    for first in (0, 32, 48):
        work(town.exporter(), Order(ACCOUNT, export_id, 1, 0, first, first + 15), lambda: town.now, NEVER)

    with pytest.raises(ConflictError, match="part 16 of"):
        write_archive(town.exporter(), ACCOUNT, export_id, 1, lambda: town.now)
