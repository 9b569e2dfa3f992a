"""Long work as its owner sees it: how far it has got, why it stopped, and how to stop or start it."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

from audience_core.domain.audience import AudienceOutline, AudienceStatus
from audience_core.domain.control_stores import AudienceStore, JobStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import STEPS, UNDER_WAY, Job, JobKind, JobState, JobStep, Part
from audience_core.errors import ConflictError, NotFoundError
from audience_core.management.calculations import release

_QUEUED_FOR = timedelta(minutes=3)


@dataclass(frozen=True, slots=True)
class StepReport:
    """Args:
    errors: what the latest attempts at its unfinished parts failed of, each text once.
    """

    step: JobStep
    progress: float
    looked_at: int
    written: int
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A job as of an instant.

    Args:
        progress: from 0 to 1.
        results: of its items, in their order, where it has such.
        can_restart: whether it has stopped, and somebody still needs it.
    """

    job: Job
    state: JobState
    progress: float
    steps: tuple[StepReport, ...]
    results: tuple[dict[str, Any], ...] = ()
    can_restart: bool = False


@dataclass(frozen=True, slots=True)
class JobStores:
    """What watching jobs needs of the outside world."""

    jobs: JobStore
    audiences: AudienceStore
    workflows: Workflows


def get(stores: JobStores, account_id: AccountId, job_id: str, now: datetime) -> Report:
    return _report(stores, _find(stores, account_id, job_id, now), now)


def list_all(stores: JobStores, account_id: AccountId, now: datetime) -> tuple[Report, ...]:
    """The latest first; the backfill that was asked for last is among them even if it was never started."""
    found, needs = list(stores.jobs.list(account_id)), _Needs(stores, account_id)
    published = needs.published
    if published and backfill_id(published) not in {job.job_id for job in found}:
        found.insert(0, _find(stores, account_id, backfill_id(published), now))
    return tuple(_report(stores, job, now, needs) for job in found)


def calculations(stores: JobStores, account_id: AccountId, now: datetime) -> tuple[Report, ...]:
    """Those of lifetime audiences, the latest first."""
    found = [job for job in stores.jobs.list(account_id) if job.kind is JobKind.LIFETIME_CALCULATION]
    needs = _Needs(stores, account_id)
    return tuple(_report(stores, job, now, needs) for job in found)


def calculation(stores: JobStores, account_id: AccountId, job_id: str, now: datetime) -> Report:
    job = stores.jobs.get(account_id, job_id)
    if job.kind is not JobKind.LIFETIME_CALCULATION:
        raise NotFoundError(f"there is no calculation {job_id}")
    return _report(stores, job, now)


def queued(job: Job) -> Report:
    """As of its start."""
    return Report(job, job.state, 0.0, tuple(_step(step, []) for step in STEPS[job.kind]))


def cancel(stores: JobStores, account_id: AccountId, job_id: str, now: datetime) -> Report:
    """Raise `ConflictError` when it has ended already; a calculation that failed or is dead can be given up, too."""
    job = _find(stores, account_id, job_id, now)
    if job.kind is JobKind.ERASURE:
        raise ConflictError("the erasure of a user is not cancelled: what is gone is gone, and the rest must follow")
    if job.kind is JobKind.LIFETIME_CALCULATION and job.state is not JobState.SUCCEEDED:
        return _give_up(stores, job, now)
    if job.state_at(_ms(now)) not in UNDER_WAY:
        raise ConflictError(f"the job is {job.state_at(_ms(now))}: there is nothing to cancel")
    changes = {"state": JobState.CANCELLED, "ended_at": now, "error": "cancelled on request"}
    return _report(stores, stores.jobs.save(job.model_copy(update=changes)), now)


def restart(stores: JobStores, account_id: AccountId, job_id: str, now: datetime) -> Report:
    """Go on where it stopped; an export begins anew, of the same instant.

    Raises:
        ConflictError: it is under way, has succeeded, or a later job does its work.
    """
    job = _find(stores, account_id, job_id, now)
    if refusal := _refusal(job, job.state_at(_ms(now)), _Needs(stores, account_id)):
        raise ConflictError(refusal)
    changes = {
        "state": JobState.QUEUED,
        "token": job.token + 1,
        "run": "",
        "lease_until": _ms(now + _QUEUED_FOR),
        "ended_at": None,
        "error": "",
    }
    queued = stores.jobs.save(job.model_copy(update=changes))
    _start(stores.workflows, queued)
    return report(stores.jobs, queued, now)


class _Needs:
    """Which work of an account is still needed; read when it is asked for, and once."""

    def __init__(self, stores: JobStores, account_id: AccountId) -> None:
        self._audiences, self._account_id = stores.audiences, account_id

    @cached_property
    def published(self) -> int:
        """The program version that the latest backfill is for."""
        return self._audiences.program(self._account_id).published

    def has_waiting(self, calculation: Job) -> bool:
        return any(self._waits(AudienceId(each), calculation) for each in calculation.request.get("audience_ids", ()))

    def _waits(self, audience_id: AudienceId, calculation: Job) -> bool:
        try:
            audience = self._audiences.get(self._account_id, audience_id)
        except NotFoundError:
            return False
        return (audience.status, audience.calculation_id) == (AudienceStatus.CALCULATING, calculation.job_id)


def _refusal(job: Job, state: JobState, needs: _Needs) -> str:
    """Why it is not started again; "" when it would be."""
    if state in UNDER_WAY or state is JobState.SUCCEEDED:
        return f"the job is {state}: there is nothing to restart"
    is_calculation = job.kind is JobKind.LIFETIME_CALCULATION
    if is_calculation and (state is JobState.CANCELLED or not needs.has_waiting(job)):
        return "no audience waits for this calculation any more: begin a new one"
    if job.kind is JobKind.BACKFILL and job.target != needs.published:
        return f"{backfill_id(needs.published)} does its work: restart that, should it have stopped"
    return ""


def _report(stores: JobStores, job: Job, now: datetime, needs: _Needs | None = None) -> Report:
    found = report(stores.jobs, job, now)
    needs = needs or _Needs(stores, job.account_id)
    return replace(found, can_restart=not _refusal(job, found.state, needs))


def calculating(
    stores: JobStores, account_id: AccountId, audiences: Iterable[AudienceOutline], now: datetime
) -> dict[AudienceId, Report]:
    """The job that brings members, for each audience that has not all yet, those of a staged definition included."""
    audiences = list(audiences)
    found = {
        each.audience_id: get(stores, account_id, each.calculation_id, now)
        for each in audiences
        if each.status is AudienceStatus.CALCULATING
    }
    backfilled = stores.jobs.backfilled(account_id)
    waiting = [each.audience_id for each in audiences if _awaits(each) > backfilled]
    if waiting:
        needs = _Needs(stores, account_id)
        job = _find(stores, account_id, backfill_id(needs.published), now)
        found |= dict.fromkeys(waiting, _report(stores, job, now, needs))
    return found


def _give_up(stores: JobStores, job: Job, now: datetime) -> Report:
    if job.state is not JobState.CANCELLED:
        changes = {"state": JobState.CANCELLED, "ended_at": now, "error": "cancelled on request"}
        job = stores.jobs.save(job.model_copy(update=changes))
    release(stores.audiences, stores.jobs, job, now)
    return report(stores.jobs, job, now)


def _awaits(audience: AudienceOutline) -> int:
    """The program version that must be backfilled for it to be complete."""
    if audience.status is not AudienceStatus.ACTIVE:
        return 0
    return audience.staged.program_version if audience.staged else audience.program_version


def backfill_id(program_version: int) -> str:
    return f"backfill-{program_version}"


def _start(workflows: Workflows, job: Job) -> None:  # noqa: C901  (one arm per kind)
    match job.kind:
        case JobKind.BACKFILL:
            workflows.start_backfill(job.account_id, job.target, job.token)
        case JobKind.CONNECTION_FILL if job.connection_id is not None:
            workflows.start_connection_fill(job.account_id, job.connection_id, job.target, job.token)
        case JobKind.CONNECT_AUDIENCES:
            workflows.start_connecting(job.account_id, job.job_id, job.token)
        case JobKind.AB_TEST_OUTCOMES:
            workflows.start_measurement(job.account_id, job.job_id, job.token)
        case JobKind.EXPORT if job.export is not None:
            workflows.start_export(job.account_id, job.export.export_id, job.token)
        case JobKind.LIFETIME_CALCULATION:
            workflows.start_lifetime_calculation(job.account_id, job.job_id, job.token)
        case JobKind.SEND_AUDIENCE:
            workflows.start_sending(job.account_id, job.job_id, job.token)
        case JobKind.ERASURE:
            workflows.start_erasure(job.account_id, job.job_id, job.token)
        case JobKind.ARCHIVE_COMPACTION:
            workflows.start_compaction(job.account_id, job.job_id, job.token)


def _find(stores: JobStores, account_id: AccountId, job_id: str, now: datetime) -> Job:
    """The stored job; or the one that was asked for and has not stored itself yet, or never will."""
    try:
        return stores.jobs.get(account_id, job_id)
    except NotFoundError:
        published = stores.audiences.program(account_id).published
        if not published or job_id != backfill_id(published):
            raise
    is_under_way = stores.workflows.is_backfill_under_way(account_id, published)
    return Job(
        account_id=account_id,
        job_id=job_id,
        kind=JobKind.BACKFILL,
        state=JobState.QUEUED,
        target=published,
        after=stores.jobs.backfilled(account_id),
        lease_until=_ms(now + _QUEUED_FOR) if is_under_way else 0,
        created_at=now if is_under_way else datetime.fromtimestamp(0, UTC),
    )


def report(jobs: JobStore, job: Job, now: datetime) -> Report:
    parts = jobs.parts(job.account_id, job.parts_id)
    weights = STEPS[job.kind]
    steps = tuple(_step(step, [part for part in parts if part.step is step]) for step in weights)
    state = job.state_at(_ms(now))
    done = sum(weights[each.step] * each.progress for each in steps)
    results = tuple(part.result for part in parts if part.result)
    progress = 1.0 if state is JobState.SUCCEEDED else min(done, 1.0)
    return Report(job, state, progress, steps, results)


def _step(step: JobStep, parts: list[Part]) -> StepReport:
    return StepReport(
        step,
        min(1.0, sum(part.share * part.progress for part in parts)),
        sum(part.looked_at for part in parts),
        sum(part.written for part in parts),
        tuple(sorted({part.error for part in parts if part.error})),
    )


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
