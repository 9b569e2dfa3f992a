"""Calculations of lifetime audiences: begun for several drafts at once, paid with credits, and given up."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.account import Account, Record
from audience_core.domain.archive import Manifest, ShardStore
from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.domain.control_stores import AccountStore, AudienceStore, JobStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.lifetime import CreditBook, CreditUse, DateRange, credits_of, day_of
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError, StaleVersionError
from audience_core.management import lifetime
from audience_core.management.audiences import require_active_parts
from audience_core.management.problems import Problem

# All of them become ready in one transaction.
MAX_AUDIENCES = 50
_QUEUED_FOR = timedelta(minutes=3)
_ATTEMPTS = 5


class NewCalculation(Record):
    """Args:
    audience_ids: lifetime audiences that are drafts, or ready and to be calculated anew.
    """

    model_config = ConfigDict(extra="forbid")

    audience_ids: Annotated[tuple[AudienceId, ...], Field(min_length=1, max_length=MAX_AUDIENCES)]


@dataclass(frozen=True, slots=True)
class CalculationStores:
    """What beginning a calculation needs of the outside world."""

    accounts: AccountStore
    audiences: AudienceStore
    shards: ShardStore
    jobs: JobStore
    workflows: Workflows


@dataclass(frozen=True, slots=True)
class Quota:
    """Credits of the period of so many days that ends now."""

    limit: int
    used: int
    period_days: int

    @property
    def left(self) -> int:
        return max(0, self.limit - self.used)


def quota(accounts: AccountStore, jobs: JobStore, account_id: AccountId, now: datetime) -> Quota:
    """Raise `ForbiddenError` when the account may have no lifetime audiences."""
    account = accounts.get(account_id)
    lifetime.require_allowed(account)
    return _quota(account, jobs.credit_book(account_id), now)


def start(stores: CalculationStores, account_id: AccountId, new: NewCalculation, created_by: str, now: datetime) -> Job:
    """Begin to find the members of some audiences, in one scan for all of them.

    Raises:
        ForbiddenError: the account may have no lifetime audiences.
        InvalidInputError: an audience is none, or its days are outside of the data.
        ConflictError: an audience is being calculated or archived, a part of it has no members, the archive is empty,
            or too few credits are left.
    """
    account = stores.accounts.get(account_id)
    lifetime.require_allowed(account)
    manifest, chosen = stores.shards.manifest(account_id), list(dict.fromkeys(new.audience_ids))
    audiences = [_calculable(stores.audiences, account_id, each, place, now) for place, each in enumerate(chosen)]
    job = _begin(stores.jobs, account, audiences, manifest, created_by, now)
    try:
        stores.audiences.save_all([_calculating(each, job.job_id) for each in audiences])
    except StaleVersionError as error:
        _refund(stores.jobs, account_id, job.job_id)
        stores.jobs.save(job.model_copy(update={"state": JobState.CANCELLED, "ended_at": now, "error": str(error)}))
        raise ConflictError("one of the audiences was changed, or is being calculated: try again") from error
    stores.workflows.start_lifetime_calculation(account_id, job.job_id)
    return job


def require_calculable(
    stores: CalculationStores, account_id: AccountId, audience_ids: Sequence[AudienceId], now: datetime
) -> None:
    """Raise as `start` does, but for credits, when these audiences cannot be calculated."""
    found = [_calculable(stores.audiences, account_id, each, place, now) for place, each in enumerate(audience_ids)]
    _days(found, stores.shards.manifest(account_id), now)


def release(audiences: AudienceStore, jobs: JobStore, job: Job, now: datetime) -> None:
    """After it was given up: the credits are there again, and its audiences are what they were before.

    Audiences go last: as long as one waits, it is seen that this did not come to its end.
    """
    _refund(jobs, job.account_id, job.job_id)
    for audience_id in job.request.get("audience_ids", ()):
        _release_audience(audiences, job, AudienceId(audience_id), now)


def _calculable(
    store: AudienceStore, account_id: AccountId, audience_id: AudienceId, place: int, now: datetime
) -> Audience:
    pointer = f"/audience_ids/{place}"
    try:
        audience = store.get(account_id, audience_id)
    except NotFoundError as error:
        raise InvalidInputError("an audience cannot be calculated", ((pointer, str(error)),)) from error
    if audience.kind is not AudienceKind.LIFETIME:
        raise InvalidInputError("an audience cannot be calculated", ((pointer, "is a real-time audience"),))
    status = audience.status_at(now)
    if status is AudienceStatus.CALCULATING:
        raise ConflictError(f"audience {audience_id} is being calculated: see job {audience.calculation_id}")
    if status is AudienceStatus.ARCHIVED:
        raise ConflictError(f"audience {audience_id} is archived: clone it, and calculate the clone")
    require_active_parts(store, account_id, audience.definition)
    return audience


def _begin(
    jobs: JobStore, account: Account, audiences: Sequence[Audience], manifest: Manifest, created_by: str, now: datetime
) -> Job:
    """Take the credits and a number, and store the job."""
    cost = credits_of(_days(audiences, manifest, now))
    request = {
        "audience_ids": [each.audience_id for each in audiences],
        "at": int(now.timestamp() * 1000),
        "credits": cost,
        "created_by": created_by,
    }
    for _ in range(_ATTEMPTS):
        book = jobs.credit_book(account.account_id)
        _require_credits(_quota(account, book, now), cost)
        job = Job(
            account_id=account.account_id,
            job_id=f"lifetime-{book.number + 1}",
            kind=JobKind.LIFETIME_CALCULATION,
            state=JobState.QUEUED,
            target=manifest.version,
            request=request,
            lease_until=int((now + _QUEUED_FOR).timestamp() * 1000),
            created_at=now,
        )
        with suppress(StaleVersionError):
            return jobs.save_paid(job, _paid(book, account, CreditUse(calculation_id=job.job_id, at=now, credits=cost)))
    raise ConflictError("too many calculations are being begun at once: try again")


def _paid(book: CreditBook, account: Account, use: CreditUse) -> CreditBook:
    since = use.at - timedelta(days=account.lifetime_period_days)
    uses = (*(each for each in book.uses if each.at > since), use)
    return book.model_copy(update={"number": book.number + 1, "uses": uses})


def _days(audiences: Sequence[Audience], manifest: Manifest, now: datetime) -> list[tuple[date, date]]:
    """Which days of the data each audience reads."""
    if manifest.first_at is None or manifest.last_at is None:
        raise ConflictError("the archive has no events yet: compact it first (POST /v1/archive/compactions)")
    # Clients' clocks may be ahead: no event of the future is seen.
    first, last = (min(day_of(at), now.date()) for at in (manifest.first_at, manifest.last_at))
    found: list[tuple[date, date]] = []
    problems: list[Problem] = []
    for place, audience in enumerate(audiences):
        stretch = (audience.date_range or DateRange()).within(first, last)
        if stretch is None:
            problems.append((f"/audience_ids/{place}", f"its days are outside of the data, {first} to {last}"))
        else:
            found.append(stretch)
    if problems:
        raise InvalidInputError("there is nothing to calculate", tuple(problems))
    return found


def _require_credits(credit: Quota, cost: int) -> None:
    if cost > credit.left:
        raise ConflictError(
            f"this takes {cost} credits, and {credit.left} of {credit.limit} are left for {credit.period_days} days"
        )


def _quota(account: Account, book: CreditBook, now: datetime) -> Quota:
    days = account.lifetime_period_days
    return Quota(account.lifetime_credits, book.used(now - timedelta(days=days)), days)


def _calculating(audience: Audience, job_id: str) -> Audience:
    return audience.model_copy(update={"status": AudienceStatus.CALCULATING, "calculation_id": job_id})


def _release_audience(store: AudienceStore, job: Job, audience_id: AudienceId, now: datetime) -> None:
    for _ in range(_ATTEMPTS):
        try:
            audience = store.get(job.account_id, audience_id)
        except NotFoundError:
            return
        if (audience.status, audience.calculation_id) != (AudienceStatus.CALCULATING, job.job_id):
            return
        status = AudienceStatus.READY if audience.result else AudienceStatus.DRAFT
        with suppress(StaleVersionError):
            store.save(audience.model_copy(update={"status": status, "updated_at": now}))
            return
    raise ConflictError(f"audience {audience_id} is being changed: try again")


def _refund(jobs: JobStore, account_id: AccountId, calculation_id: str) -> None:
    for _ in range(_ATTEMPTS):
        book = jobs.credit_book(account_id)
        uses = tuple(use for use in book.uses if use.calculation_id != calculation_id)
        if uses == book.uses:
            return
        with suppress(StaleVersionError):
            jobs.save_credit_book(book.model_copy(update={"uses": uses}))
            return
    raise ConflictError("the account's credits are being changed: try again")
