"""What every store of jobs promises."""

from datetime import timedelta

import pytest

from audience_core.domain.ab_test import Measurement, Outcome
from audience_core.domain.control_stores import JobStore
from audience_core.domain.export import Archive, Export, ExportFile, Pieces
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.job import Job, JobKind, JobState, JobStep, Part
from audience_core.domain.lifetime import CreditBook, CreditUse
from audience_core.errors import NotFoundError, StaleVersionError
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.memory.jobs import MemoryJobStore
from tests.contract.conftest import CreateTable
from tests.support.ab_tests import a_measurement
from tests.support.control import ACCOUNT, CONNECTION, NOW, OTHER_ACCOUNT

LEASE = int(NOW.timestamp() * 1000)


@pytest.fixture(params=["dynamo", "memory"])
def store(request: pytest.FixtureRequest) -> JobStore:
    if request.param == "memory":
        return MemoryJobStore()
    create_table: CreateTable = request.getfixturevalue("create_table")
    return DynamoJobStore(create_table(f"jobs-{request.node.name}"), request.getfixturevalue("aws"))


def a_job(**given: object) -> Job:
    defaults = {
        "account_id": ACCOUNT,
        "job_id": "backfill-3",
        "kind": JobKind.BACKFILL,
        "state": JobState.RUNNING,
        "target": 3,
        "lease_until": LEASE,
        "created_at": NOW,
    }
    return Job.model_validate(defaults | given)


def a_part(**given: object) -> Part:
    defaults = {
        "account_id": ACCOUNT,
        "job_id": "backfill-3",
        "step": JobStep.EVALUATE,
        "name": "08-15",
        "bucket": 8,
        "share": 0.125,
    }
    return Part.model_validate(defaults | given)


def test_a_saved_job_is_found_in_its_account_alone(store: JobStore) -> None:
    given = a_job(
        after=2,
        connection_id=CONNECTION,
        request={"output_id": "o-1", "ids": [1]},
        run="run-1",
        started_at=NOW,
        ended_at=NOW,
        error="no luck",
    )

    saved = store.save(given)

    assert store.get(ACCOUNT, "backfill-3") == saved == given.model_copy(update={"version": 1})
    with pytest.raises(NotFoundError):
        store.get(OTHER_ACCOUNT, "backfill-3")


def test_a_job_keeps_what_it_is_to_measure(store: JobStore) -> None:
    saved = store.save(a_job(kind=JobKind.AB_TEST_OUTCOMES, request=a_measurement().model_dump(mode="json")))

    assert store.get(ACCOUNT, saved.job_id) == saved
    assert Measurement.model_validate(saved.request) == a_measurement()


def test_a_stale_save_conflicts(store: JobStore) -> None:
    job = store.save(a_job())
    store.save(job)

    with pytest.raises(StaleVersionError):
        store.save(job)


def test_jobs_are_listed_the_latest_first(store: JobStore) -> None:
    store.save(a_job(job_id="backfill-9"))
    store.save(a_job(job_id="backfill-10", created_at=NOW + timedelta(seconds=1)))
    store.save(a_job(account_id=OTHER_ACCOUNT))
    store.claim(a_part())
    store.set_backfilled(ACCOUNT, 3)

    assert [job.job_id for job in store.list(ACCOUNT)] == ["backfill-10", "backfill-9"]


@pytest.mark.parametrize(
    ("changes", "is_prolonged"),
    [({}, True), ({"state": JobState.CANCELLED}, False), ({"token": 2}, False)],
)
def test_only_the_running_attempt_prolongs_its_lease(
    store: JobStore, changes: dict[str, object], is_prolonged: bool
) -> None:
    job = store.save(a_job())
    store.save(job.model_copy(update=changes))

    assert store.prolong(job, LEASE + 5) is is_prolonged

    assert store.get(ACCOUNT, "backfill-3").lease_until == LEASE + 5 * is_prolonged


def test_a_lease_is_prolonged_beside_other_changes(store: JobStore) -> None:
    job = store.save(a_job())

    store.prolong(job, LEASE + 5)

    store.save(job.model_copy(update={"state": JobState.CANCELLED}))


def test_a_part_goes_on_where_it_was_saved(store: JobStore) -> None:
    part = store.claim(a_part())
    assert part == a_part(token=1)
    further = part.model_copy(
        update={
            "bucket": 9,
            "cursor": "here",
            "last": Mpid(-5),
            "looked_at": 7,
            "written": 3,
            "pending": ((AudienceId(2), Mpid(-(2**63))),),
            "outcomes": (Outcome(variant=AudienceId(101), users=9, converted=4), Outcome(variant=AudienceId(102))),
            "progress": 0.25,
            "error": "once",
        }
    )

    store.save_part(further)

    assert store.parts(ACCOUNT, "backfill-3") == (further,)
    assert store.claim(a_part()) == further.model_copy(update={"token": 2})


def test_whoever_claims_a_part_fences_off_the_one_before(store: JobStore) -> None:
    first = store.claim(a_part())
    second = store.claim(a_part())

    with pytest.raises(StaleVersionError):
        store.save_part(first)

    store.save_part(second.model_copy(update={"is_done": True}))


def test_an_export_keeps_what_it_is_of_and_what_it_has_written(store: JobStore) -> None:
    archive = Archive(name="A.zip", users=1, rows_by_identity={"email": 2}, bytes=3, expires_at=4)
    file = ExportFile(audience_id=AudienceId(1), audience_name="Ä", name="1_A.csv")
    export = Export(export_id="e-1", files=(file,), identity_types=("email",), at=LEASE, archive=archive)
    job = store.save(a_job(job_id="export-e-1", kind=JobKind.EXPORT, export=export, token=3))
    part = store.claim(a_part(job_id=job.parts_id, step=JobStep.WRITE, name="000-00"))
    pieces = Pieces(keys=("7/e-1/0003/pieces/0.csv",), users=1, rows_by_identity={"email": 2}, bytes=30)

    store.save_part(part.model_copy(update={"pieces": pieces}))

    assert store.get(ACCOUNT, "export-e-1").export == export
    assert store.parts(ACCOUNT, "export-e-1.3")[0].pieces == pieces
    assert store.claim(part).pieces == pieces


def test_parts_belong_to_a_step_of_a_job(store: JobStore) -> None:
    for given in ({}, {"step": JobStep.SETTLE}, {"name": "00-07"}, {"job_id": "backfill-4"}):
        store.claim(a_part(**given))

    found = [(part.step, part.name) for part in store.parts(ACCOUNT, "backfill-3")]

    assert found == [("evaluate", "00-07"), ("evaluate", "08-15"), ("settle", "08-15")]


def test_what_is_backfilled_never_goes_back(store: JobStore) -> None:
    assert store.backfilled(ACCOUNT) == 0
    for version in (3, 5, 4):
        store.set_backfilled(ACCOUNT, version)

    assert (store.backfilled(ACCOUNT), store.backfilled(OTHER_ACCOUNT)) == (5, 0)


def test_a_part_keeps_its_result(store: JobStore) -> None:
    claimed = store.claim(a_part())
    result = {"audience_id": 1, "code": "connected", "problems": []}

    store.save_part(claimed.model_copy(update={"result": result}))

    assert [part.result for part in store.parts(ACCOUNT, "backfill-3")] == [result]


def test_a_credit_book_is_empty_at_first_and_written_over_the_version_that_was_read(store: JobStore) -> None:
    book = store.credit_book(ACCOUNT)
    assert book == CreditBook(account_id=ACCOUNT)

    use = CreditUse(calculation_id="lifetime-1", at=NOW, credits=2)
    saved = store.save_credit_book(book.model_copy(update={"number": 1, "uses": (use,)}))

    assert store.credit_book(ACCOUNT) == saved == CreditBook(account_id=ACCOUNT, number=1, uses=(use,), version=1)
    assert store.credit_book(OTHER_ACCOUNT).version == 0
    with pytest.raises(StaleVersionError):
        store.save_credit_book(book)
    assert store.list(ACCOUNT) == ()


def test_a_job_and_what_it_takes_are_stored_together_or_not_at_all(store: JobStore) -> None:
    book = store.credit_book(ACCOUNT)
    paid = book.model_copy(update={"number": 1, "uses": (CreditUse(calculation_id="lifetime-1", at=NOW, credits=2),)})

    saved = store.save_paid(a_job(job_id="lifetime-1"), paid)

    assert store.get(ACCOUNT, "lifetime-1") == saved
    assert store.credit_book(ACCOUNT) == paid.model_copy(update={"version": 1})
    with pytest.raises(StaleVersionError):
        store.save_paid(a_job(job_id="lifetime-2"), paid)
    with pytest.raises(StaleVersionError):
        store.save_paid(a_job(job_id="lifetime-1"), paid.model_copy(update={"version": 1, "number": 2}))
    assert [job.job_id for job in store.list(ACCOUNT)] == ["lifetime-1"]
    assert store.credit_book(ACCOUNT).number == 1
