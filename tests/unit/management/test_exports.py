"""What can be asked of exports, and what cannot."""

import re
from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.export import archive_key, job_id_of
from audience_core.domain.ids import DAY_MS, AudienceId
from audience_core.domain.job import JobKind, JobState
from audience_core.errors import ConflictError, ForbiddenError, GoneError, InvalidInputError, NotFoundError
from audience_core.exports import links
from audience_core.management import exports
from audience_core.management.jobs import Report
from tests.support.ab_tests import an_ab_test
from tests.support.control import ACCOUNT, AUDIENCE, OTHER_ACCOUNT, an_audience
from tests.support.exports import Town, a_result

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def a_town() -> Town:
    town = Town()
    town.join(64, ("email", "a@example.com"))
    town.now += 1000
    return town


def done(town: Town) -> str:
    export_id = town.ask(email="ann@example.com")
    town.run(export_id)
    return export_id


def pointers(town: Town, **given: Any) -> list[str]:
    with pytest.raises(InvalidInputError) as caught:
        town.ask(**given)
    return [pointer for pointer, _ in caught.value.problems]


def test_an_export_is_a_job_that_is_started() -> None:
    town = a_town()

    export_id = town.ask(identity_types=["mpid", "email", "android_uuid_sha256", "email"])

    job, export = town.job(export_id), town.export(export_id)
    assert UUID.fullmatch(export_id)
    assert (job.kind, job.state, job.job_id) == (JobKind.EXPORT, JobState.QUEUED, job_id_of(export_id))
    assert town.workflows.started == [f"export-{ACCOUNT}-{export_id}"]
    assert export.identity_types == ("email", "android_uuid_sha256")
    assert (export.at, export.requested_by) == (town.now, "client-1")


@pytest.mark.parametrize("types", [[], ["mpid"]])
def test_at_least_one_identity_type_must_be_chosen(types: list[str]) -> None:
    assert pointers(a_town(), identity_types=types) == ["/identity_types"]


def test_every_unusable_field_is_named() -> None:
    given = {"identity_types": ["email", "e-mail"], "email": "nobody", "format": "parquet", "spreadsheet_safe": True}

    assert pointers(a_town(), **given) == ["/identity_types/1", "/email", "/spreadsheet_safe"]


@pytest.mark.parametrize(
    "email",
    ["a@b", "a b@example.com", "a@example.com\r\nBcc: x@example.com", "@example.com", "ä@example.com", "a@b@c.d", ""],
)
def test_what_is_no_address_is_refused(email: str) -> None:
    assert pointers(a_town(), email=email) == ["/email"]


def test_audiences_without_members_cannot_be_exported() -> None:
    town = a_town()
    town.audiences.save(an_audience(audience_id=AudienceId(2), status=AudienceStatus.DRAFT))

    wanted = [{"id": AUDIENCE}, {"id": 2}, {"id": 404}, {"id": AUDIENCE}]

    assert pointers(town, audiences=wanted) == ["/audiences/1/id", "/audiences/2/id", "/audiences/3/id"]


@pytest.mark.parametrize(
    "audiences", [[], [{"id": 1, "variants": []}], [{"id": 1, "tests": ["A"]}], [{"id": 1}] * 101, [1]]
)
def test_what_nobody_knows_is_refused(audiences: list[Any]) -> None:
    with pytest.raises(ValidationError):
        a_town().ask(audiences=audiences)


def test_variants_must_be_those_of_the_audiences_test_each_once() -> None:
    town = a_town()
    town.add_audience(AudienceId(2), ab_test=an_ab_test(30, 20))
    wanted = [
        {"id": AUDIENCE, "variants": ["Control"]},
        {"id": 2, "variants": ["control", "B", "Variation A", "CONTROL"]},
    ]

    assert pointers(town, audiences=wanted) == [
        "/audiences/0/variants",
        "/audiences/1/variants/1",
        "/audiences/1/variants/3",
    ]


def test_a_test_that_is_being_deleted_has_no_variants_to_export() -> None:
    town = a_town()
    town.add_audience(AudienceId(2), ab_test=an_ab_test(30).model_copy(update={"is_ending": True}))

    with pytest.raises(ConflictError, match="is being deleted"):
        town.ask(audiences=[{"id": 2, "variants": ["Control"]}])


def test_an_archive_has_no_more_than_a_hundred_files() -> None:
    town = a_town()
    for number in range(2, 20):
        town.add_audience(AudienceId(number), ab_test=an_ab_test(10, 10, 10, 10, 10))
    wanted = [{"id": each, "variants": ["Control", *(f"Variation {x}" for x in "ABCDE")]} for each in range(2, 20)]

    assert pointers(town, audiences=wanted) == ["/audiences"]
    town.ask(audiences=wanted[:16])


@pytest.mark.parametrize(
    ("status", "days", "objection"),
    [
        (AudienceStatus.DRAFT, None, "calculate it first"),
        (AudienceStatus.CALCULATING, 1, "is being calculated"),
        (AudienceStatus.ARCHIVED, 1, "clone it"),
        (AudienceStatus.READY, -1, "clone it"),
    ],
)
def test_lifetime_audiences_that_are_not_ready_are_refused_with_what_to_do(
    status: AudienceStatus, days: int | None, objection: str
) -> None:
    town = a_town()
    result = None if days is None else a_result(expires_at=town.clock() + timedelta(days=days))
    town.audiences.save(
        an_audience(audience_id=AudienceId(2), kind=AudienceKind.LIFETIME, status=status, result=result)
    )

    with pytest.raises(InvalidInputError) as caught:
        town.ask(audiences=[{"id": 2}])

    ((pointer, told),) = caught.value.problems
    assert pointer == "/audiences/0/id"
    assert objection in told


def test_an_audience_that_is_being_filled_is_waited_for() -> None:
    town = a_town()
    audience = town.audiences.get(ACCOUNT, AUDIENCE)
    town.audiences.publish(audience)

    with pytest.raises(ConflictError, match="of 1: wait for the job backfill-1"):
        town.ask()

    town.jobs.set_backfilled(ACCOUNT, 1)
    town.ask()


def test_exports_are_listed_the_latest_first_by_audience() -> None:
    town, other = a_town(), AudienceId(2)
    town.add_audience(other, name="Payers")
    asked = []
    for audiences in ([1], [2], [1, 2]):
        asked.append(town.ask(audiences=[{"id": each} for each in audiences]))
        town.now += 1000

    def listed(audience: int | None, start: int = 0, limit: int = 10) -> tuple[list[str], int | None]:
        chosen = None if audience is None else AudienceId(audience)
        found, more = exports.list_all(town.stores(), ACCOUNT, chosen, start, limit, town.clock())
        return [each.job.export.export_id for each in found if each.job.export], more

    assert listed(None) == (asked[::-1], None)
    assert listed(1) == ([asked[2], asked[0]], None)
    assert listed(None, 0, 2) == (asked[:0:-1], 2)
    assert listed(None, 2, 2) == (asked[:1], None)
    assert exports.list_all(town.stores(), OTHER_ACCOUNT, None, 0, 10, town.clock()) == ((), None)


def test_progress_is_told_step_by_step() -> None:
    town = a_town()
    export_id = town.ask()
    seen: list[float] = []

    def report() -> Report:
        return exports.get(town.stores(), ACCOUNT, export_id, town.clock())

    town.run(export_id, between=lambda: seen.append(report().progress))

    assert seen == sorted(seen)
    assert (seen[0], report().progress) == (0.0, 1.0)
    assert 0.5 < seen[-3] < 1.0  # before the archive
    assert [(step.step, step.written) for step in report().steps] == [("write", 1), ("archive", 0)]


def test_other_accounts_find_nothing() -> None:
    town = a_town()
    export_id = done(town)

    for use in (exports.get, exports.cancel, exports.download):
        with pytest.raises(NotFoundError):
            use(town.stores(), OTHER_ACCOUNT, export_id, town.clock())


def test_an_archive_can_be_downloaded_once_it_is_there() -> None:
    town = a_town()
    export_id = town.ask()
    with pytest.raises(ConflictError, match="queued"):
        exports.download(town.stores(), ACCOUNT, export_id, town.clock())

    town.run(export_id)

    address = exports.download(town.stores(), ACCOUNT, export_id, town.clock())
    name = town.export(export_id).archive.name  # type: ignore[union-attr]  # it is there
    assert address == f"memory://{archive_key(ACCOUNT, export_id, 1, name)}?name={name}&seconds=300"


def test_after_seven_days_there_is_nothing_to_download() -> None:
    town = a_town()
    export_id = done(town)
    town.now += 7 * DAY_MS - 1
    exports.download(town.stores(), ACCOUNT, export_id, town.clock())

    town.now += 1
    with pytest.raises(GoneError):
        exports.download(town.stores(), ACCOUNT, export_id, town.clock())


def test_an_archive_that_was_removed_is_gone() -> None:
    town = a_town()
    export_id = done(town)
    town.files.files.clear()

    with pytest.raises(GoneError):
        exports.download(town.stores(), ACCOUNT, export_id, town.clock())


def test_a_link_of_another_account_opens_nothing_and_says_nothing() -> None:
    town = a_town()
    export_id = done(town)
    in_a_week = int((town.clock() + timedelta(days=7)).timestamp() * 1000)
    strangers = links.sign(town.keys, OTHER_ACCOUNT, export_id, in_a_week)
    unknown = links.sign(town.keys, ACCOUNT, "3f2a77c0-1d0e-4b1c-9c52-6f0a7a0d1e11", in_a_week)

    told = set()
    for token in (strangers, unknown):
        with pytest.raises(GoneError) as caught:
            exports.open_link(town.stores(), token, town.clock())
        told.add(str(caught.value))
    with pytest.raises(ForbiddenError):
        exports.open_link(town.stores(), strangers[:-5], town.clock())

    assert told == {str(links.over())}


def test_what_has_ended_cannot_be_cancelled() -> None:
    town = a_town()
    export_id = done(town)

    with pytest.raises(ConflictError):
        exports.cancel(town.stores(), ACCOUNT, export_id, town.clock())
