"""Jobs in DynamoDB: an item each, one for each part of a job, and how far the backfills of an account have come."""

from datetime import datetime

from pynamodb.attributes import (
    BooleanAttribute,
    JSONAttribute,
    NumberAttribute,
    UnicodeAttribute,
)
from pynamodb.exceptions import DoesNotExist, UpdateError
from pynamodb.models import Model
from pynamodb.transactions import TransactWrite

from audience_core.domain.ab_test import Outcome
from audience_core.domain.export import Export, Pieces
from audience_core.domain.ids import DAY_MS, AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.job import Job, JobKind, JobState, JobStep, Part
from audience_core.domain.lifetime import CreditBook
from audience_core.errors import NotFoundError, StaleVersionError
from audience_core.persistence.tables import bind, connection
from audience_core.persistence.versions import VersionedItem, conflicts_raised, is_condition_failure, unchanged

_BACKFILLED = "BACKFILLED"
_BOOK = "CREDITS"
_KEEP_DAYS = 400


class JobItem(VersionedItem):
    kind = UnicodeAttribute()
    state = UnicodeAttribute()
    target = NumberAttribute()
    after = NumberAttribute()
    connection_id = UnicodeAttribute(null=True)
    request = JSONAttribute(default=dict)
    token = NumberAttribute()
    run = UnicodeAttribute()
    lease_until = NumberAttribute()
    created_at = UnicodeAttribute()
    started_at = UnicodeAttribute(null=True)
    ended_at = UnicodeAttribute(null=True)
    error = UnicodeAttribute()
    export = UnicodeAttribute(null=True)
    ttl = NumberAttribute()


class PartItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    token = NumberAttribute(default=0)
    bucket = NumberAttribute(default=0)
    share = NumberAttribute(default=1)
    cursor = UnicodeAttribute(null=True)
    looked_at = NumberAttribute(default=0)
    written = NumberAttribute(default=0)
    last = UnicodeAttribute(null=True)
    pending = JSONAttribute(default=list)
    outcomes = JSONAttribute(default=list)
    progress = NumberAttribute(default=0)
    is_done = BooleanAttribute(default=False)
    error = UnicodeAttribute(default="")
    result = JSONAttribute(default=dict)
    pieces = UnicodeAttribute(null=True)
    ttl = NumberAttribute(null=True)


class CreditBookItem(VersionedItem):
    """Args:
    book: JSON of a `CreditBook`.
    """

    book = UnicodeAttribute()


class BackfilledItem(Model):
    class Meta:
        table_name = ""

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    program_version = NumberAttribute()


class DynamoJobStore:
    def __init__(self, table_name: str, region: str | None = None) -> None:
        self._region = region
        self._jobs = bind(JobItem, table_name, region)
        self._parts = bind(PartItem, table_name, region)
        self._books = bind(CreditBookItem, table_name, region)
        self._backfilled = bind(BackfilledItem, table_name, region)

    def get(self, account_id: AccountId, job_id: str) -> Job:
        try:
            item = self._jobs.get(_partition(account_id), _sort_key(job_id), consistent_read=True)
        except DoesNotExist as error:
            raise NotFoundError(f"there is no job {job_id}") from error
        return _job(account_id, item)

    def list(self, account_id: AccountId) -> tuple[Job, ...]:
        items = self._jobs.query(_partition(account_id), JobItem.sk.startswith("J#"), consistent_read=True)
        jobs = [_job(account_id, item) for item in items]
        return tuple(sorted(jobs, key=lambda job: (job.created_at, job.job_id), reverse=True))

    def save(self, job: Job) -> Job:
        saved = job.model_copy(update={"version": job.version + 1})
        with conflicts_raised():
            self._item(saved).save(condition=unchanged(job.version))
        return saved

    def prolong(self, job: Job, lease_until: int) -> bool:
        item = self._jobs(_partition(job.account_id), _sort_key(job.job_id))
        is_mine = (JobItem.state == JobState.RUNNING.value) & (JobItem.token == job.token)
        try:
            item.update([JobItem.lease_until.set(lease_until)], condition=is_mine)
        except UpdateError as error:
            if is_condition_failure(error):
                return False
            raise
        return True

    def claim(self, part: Part) -> Part:
        item = self._parts(_parts_partition(part.account_id, part.job_id), f"{part.step}#{part.name}")
        item.update(
            [
                PartItem.token.add(1),
                PartItem.bucket.set(PartItem.bucket | part.bucket),
                PartItem.share.set(PartItem.share | part.share),
            ]
        )
        return _part(part.account_id, part.job_id, item)

    def save_part(self, part: Part) -> None:
        item = self._parts(
            _parts_partition(part.account_id, part.job_id),
            f"{part.step}#{part.name}",
            token=part.token,
            bucket=part.bucket,
            share=part.share,
            cursor=part.cursor,
            looked_at=part.looked_at,
            written=part.written,
            last=None if part.last is None else str(part.last),
            pending=[[member_set, str(mpid)] for member_set, mpid in part.pending],
            outcomes=[[each.variant, each.users, each.converted] for each in part.outcomes],
            progress=part.progress,
            is_done=part.is_done,
            error=part.error,
            result=part.result,
            pieces=None if part.pieces is None else part.pieces.model_dump_json(),
        )
        with conflicts_raised():
            item.save(condition=PartItem.token == part.token)

    def parts(self, account_id: AccountId, job_id: str) -> tuple[Part, ...]:
        items = self._parts.query(_parts_partition(account_id, job_id), consistent_read=True)
        return tuple(_part(account_id, job_id, item) for item in items)

    def credit_book(self, account_id: AccountId) -> CreditBook:
        try:
            item = self._books.get(_partition(account_id), _BOOK, consistent_read=True)
        except DoesNotExist:
            return CreditBook(account_id=account_id)
        return CreditBook.model_validate_json(item.book).model_copy(update={"version": int(item.version)})

    def save_credit_book(self, book: CreditBook) -> CreditBook:
        saved = book.model_copy(update={"version": book.version + 1})
        with conflicts_raised():
            self._book_item(saved).save(condition=unchanged(book.version))
        return saved

    def save_paid(self, job: Job, book: CreditBook) -> Job:
        saved = job.model_copy(update={"version": job.version + 1})
        paid = book.model_copy(update={"version": book.version + 1})
        with conflicts_raised(), TransactWrite(connection=connection(self._region)) as transaction:
            transaction.save(self._item(saved), condition=unchanged(job.version))
            transaction.save(self._book_item(paid), condition=unchanged(book.version))
        return saved

    def backfilled(self, account_id: AccountId) -> int:
        try:
            item = self._backfilled.get(_partition(account_id), _BACKFILLED, consistent_read=True)
        except DoesNotExist:
            return 0
        return int(item.program_version)

    def set_backfilled(self, account_id: AccountId, program_version: int) -> None:
        is_newer = BackfilledItem.program_version.does_not_exist() | (BackfilledItem.program_version < program_version)
        try:
            with conflicts_raised():
                self._backfilled(_partition(account_id), _BACKFILLED, program_version=program_version).save(is_newer)
        except StaleVersionError:
            pass  # a later one is known

    def _book_item(self, book: CreditBook) -> CreditBookItem:
        return self._books(_partition(book.account_id), _BOOK, version=book.version, book=book.model_dump_json())

    def _item(self, job: Job) -> JobItem:
        return self._jobs(
            _partition(job.account_id),
            _sort_key(job.job_id),
            version=job.version,
            kind=job.kind.value,
            state=job.state.value,
            target=job.target,
            after=job.after,
            connection_id=job.connection_id,
            request=job.request,
            token=job.token,
            run=job.run,
            lease_until=job.lease_until,
            created_at=job.created_at.isoformat(),
            started_at=None if job.started_at is None else job.started_at.isoformat(),
            ended_at=None if job.ended_at is None else job.ended_at.isoformat(),
            error=job.error,
            export=None if job.export is None else job.export.model_dump_json(),
            ttl=(job.lease_until + _KEEP_DAYS * DAY_MS) // 1000,
        )


def _partition(account_id: AccountId) -> str:
    return f"{account_id}#jobs"


def _parts_partition(account_id: AccountId, job_id: str) -> str:
    return f"{account_id}#job#{job_id}"


def _sort_key(job_id: str) -> str:
    return f"J#{job_id}"


def _job(account_id: AccountId, item: JobItem) -> Job:
    return Job(
        account_id=account_id,
        job_id=item.sk.removeprefix("J#"),
        kind=JobKind(item.kind),
        state=JobState(item.state),
        target=int(item.target),
        after=int(item.after),
        connection_id=None if item.connection_id is None else ConnectionId(item.connection_id),
        request=item.request,
        token=int(item.token),
        run=item.run,
        lease_until=int(item.lease_until),
        created_at=datetime.fromisoformat(item.created_at),
        started_at=None if item.started_at is None else datetime.fromisoformat(item.started_at),
        ended_at=None if item.ended_at is None else datetime.fromisoformat(item.ended_at),
        error=item.error,
        export=None if item.export is None else Export.model_validate_json(item.export),
        version=int(item.version),
    )


def _part(account_id: AccountId, job_id: str, item: PartItem) -> Part:
    step, _, name = item.sk.partition("#")
    return Part(
        account_id=account_id,
        job_id=job_id,
        step=JobStep(step),
        name=name,
        token=int(item.token),
        bucket=int(item.bucket),
        share=float(item.share),
        cursor=item.cursor,
        looked_at=int(item.looked_at),
        written=int(item.written),
        last=None if item.last is None else Mpid(int(item.last)),
        pending=tuple((AudienceId(member_set), Mpid(int(mpid))) for member_set, mpid in item.pending),
        outcomes=tuple(_outcome(*each) for each in item.outcomes),
        progress=float(item.progress),
        is_done=bool(item.is_done),
        error=item.error,
        result=item.result,
        pieces=None if item.pieces is None else Pieces.model_validate_json(item.pieces),
    )


def _outcome(variant: int, users: int, converted: int) -> Outcome:
    return Outcome(variant=AudienceId(variant), users=users, converted=converted)
