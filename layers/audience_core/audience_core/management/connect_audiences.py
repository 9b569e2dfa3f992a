"""Connects the audiences that a job names, one after another; nothing that was done is undone."""

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

from audience_core.domain import job_lease
from audience_core.domain.control_stores import FoundAudiences, JobStore, OutputStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, OutputId
from audience_core.domain.job import Job, JobState, JobStep, Part
from audience_core.domain.output import Connection, ConnectionStatus, FaultKind, SubscriptionState
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError
from audience_core.management import connections
from audience_core.management.bulk_connect import BulkConnection
from audience_core.management.connections import NewConnection
from audience_core.management.lifetime import require_connectable
from audience_core.outputs.registry import connection_settings, kind_named

# A partner that has not answered by then is left to the connection's own attempts.
PATIENCE = timedelta(minutes=10)
# Faults that concern the account at the partner, and so every connection to it.
_OF_OUTPUT = frozenset({FaultKind.AUTHENTICATION, FaultKind.PERMISSIONS})

logger = logging.getLogger(__name__)


class ConnectCode(StrEnum):
    """What came of one audience."""

    CONNECTING = "connecting"  # the partner has not answered yet
    CONNECTED = "connected"
    ALREADY_CONNECTED = "already_connected"
    NOT_ACTIVE = "not_active"
    AB_TEST_ACTIVE = "ab_test_active"
    NOT_FOUND = "not_found"
    INVALID_SETTINGS = "invalid_settings"
    CONFIGURATION_FAULTED = "configuration_faulted"
    OUTPUT_REJECTED = "output_rejected"


class Progress(StrEnum):
    """What the run should do next."""

    GO_ON = "go_on"
    WAIT = "wait"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class ConnectStores:
    jobs: JobStore
    audiences: FoundAudiences
    outputs: OutputStore
    workflows: Workflows


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a job asks for."""

    output_id: OutputId
    bulk: BulkConnection

    @classmethod
    def of(cls, job: Job) -> "_Wanted":
        asked = dict(job.request)
        return cls(OutputId(asked.pop("output_id")), BulkConnection.model_validate(asked))


def work_on(
    stores: ConnectStores, account_id: AccountId, job_id: str, run: str, clock: Callable[[], int], until_ms: int
) -> Progress:
    """Do as much as there is time for; a job whose audiences all have a final result is ended.

    Args:
        clock: now, UTC ms; `until_ms`: nothing begins after this instant.

    Raises:
        NotOursError: the job was cancelled, or another run has taken over.
    """
    asked = stores.jobs.get(account_id, job_id)
    if (asked.state, asked.run) == (JobState.SUCCEEDED, run):
        # The run has told so before, and was not heard.
        return Progress.DONE
    job = job_lease.take(stores.jobs, asked, run, _moment(clock()))
    wanted, open_parts = _Wanted.of(job), _open_parts(stores.jobs, job)
    for done, part in enumerate(open_parts):
        if clock() >= until_ms:
            logger.info("audiences are left to connect", extra={"job": job_id, "left": len(open_parts) - done})
            return Progress.GO_ON
        _settle(stores, job, wanted, part, _moment(clock()))
    if _open_parts(stores.jobs, job):
        return Progress.WAIT
    job_lease.end(stores.jobs, job, run, JobState.SUCCEEDED, "", _moment(clock()))
    return Progress.DONE


def fail(stores: ConnectStores, account_id: AccountId, job_id: str, run: str, error: str, now: datetime) -> None:
    """Note that the run could not go on."""
    job_lease.end(stores.jobs, stores.jobs.get(account_id, job_id), run, JobState.FAILED, error, now)


def _open_parts(jobs: JobStore, job: Job) -> list[Part]:
    ids = _Wanted.of(job).bulk.audience_ids
    known = {part.name: part for part in jobs.parts(job.account_id, job.job_id)}
    parts = [
        Part(
            account_id=job.account_id,
            job_id=job.job_id,
            step=JobStep.CONNECT,
            name=f"{place:04d}",
            bucket=0,
            share=1 / len(ids),
            result={"audience_id": audience_id},
        )
        for place, audience_id in enumerate(ids)
    ]
    return [part for part in parts if part.name not in known or not known[part.name].is_done]


def _settle(stores: ConnectStores, job: Job, wanted: _Wanted, part: Part, now: datetime) -> None:
    claimed, audience_id = stores.jobs.claim(part), AudienceId(part.result["audience_id"])
    result = _result(stores, job, wanted, audience_id, now)
    is_done = result["code"] != ConnectCode.CONNECTING
    changes = {"result": {**part.result, **result}, "is_done": is_done, "progress": float(is_done)}
    stores.jobs.save_part(claimed.model_copy(update=changes))


def _result(stores: ConnectStores, job: Job, wanted: _Wanted, audience_id: AudienceId, now: datetime) -> dict[str, Any]:
    connection_id = _connection_id(job, audience_id)
    connection = _found(stores.outputs, job.account_id, connection_id)
    if connection is None:
        refusal = _refusal(stores, job.account_id, wanted, audience_id, now)
        if refusal is not None:
            return refusal
        asked = NewConnection(
            output_id=wanted.output_id,
            settings=wanted.bulk.settings,
            required_consent=wanted.bulk.required_consent,
            status=wanted.bulk.status,
        )
        of = stores.outputs, stores.audiences, stores.workflows
        try:
            connection = connections.create(*of, job.account_id, audience_id, asked, now, connection_id)
        except ConflictError as error:  # somebody else connected or deactivated it just now
            return _told(ConnectCode.ALREADY_CONNECTED, str(error))
        except InvalidInputError as error:  # what they ask for is not shared of this audience
            return _invalid(error)
    elif _is_unannounced(connection):
        # Whoever made it may have died before the partner was to be told; a workflow that was started is not again.
        stores.workflows.start_connection_fill(job.account_id, connection_id, connection.version)
    return _outcome(job, connection, now)


def _found(outputs: OutputStore, account_id: AccountId, connection_id: ConnectionId) -> Connection | None:
    try:
        return outputs.get_connection(account_id, connection_id)
    except NotFoundError:
        return None


def _connection_id(job: Job, audience_id: AudienceId) -> ConnectionId:
    """The same in every attempt, so that a connection is recognised as the job's own."""
    return ConnectionId(f"c-{hashlib.sha256(f'{job.job_id}/{audience_id}'.encode()).hexdigest()[:12]}")


def _refusal(
    stores: ConnectStores, account_id: AccountId, wanted: _Wanted, audience_id: AudienceId, now: datetime
) -> dict[str, Any] | None:
    try:
        audience = stores.audiences.get(account_id, audience_id)
        output = stores.outputs.get(account_id, wanted.output_id)
    except NotFoundError as error:
        return _told(ConnectCode.NOT_FOUND, str(error))
    try:
        require_connectable(audience, now)
    except ConflictError as error:
        return _told(ConnectCode.NOT_ACTIVE, str(error))
    if audience.ab_test is not None:
        return _told(ConnectCode.AB_TEST_ACTIVE, "the audience is split for an A/B test: connect it by itself")
    of_account = stores.outputs.list_connections(account_id)
    mine = [each for each in of_account if each.output_id == output.output_id]
    same = next((each for each in mine if each.audience_id == audience_id and each.variant is None), None)
    if same is not None:
        return _told(ConnectCode.ALREADY_CONNECTED, f"{same.connection_id} is {same.status}", same.connection_id)
    fault = next((each.fault for each in mine if each.fault and each.fault.kind in _OF_OUTPUT), None)
    if fault is not None:
        return _told(ConnectCode.CONFIGURATION_FAULTED, f"{fault.kind}: {fault.message}")
    try:
        connection_settings(kind_named(output.connector), wanted.bulk.settings)
    except InvalidInputError as error:
        return _invalid(error)
    return None


def _invalid(error: InvalidInputError) -> dict[str, Any]:
    problems = [{"field": field, "message": message} for field, message in error.problems]
    return _told(ConnectCode.INVALID_SETTINGS, str(error)) | {"problems": problems}


def _outcome(job: Job, connection: Connection, now: datetime) -> dict[str, Any]:
    """An active connection is not made until the partner has taken the subscription."""
    connection_id, fault = connection.connection_id, connection.fault
    if fault is not None:
        return _told(ConnectCode.OUTPUT_REJECTED, f"{fault.kind}: {fault.message}", connection_id)
    is_awaited = connection.status is ConnectionStatus.ACTIVE and not connection.subscription.is_settled
    if not is_awaited:
        return _told(ConnectCode.CONNECTED, "", connection_id)
    if job.started_at is not None and now > job.started_at + PATIENCE:
        return _told(ConnectCode.CONNECTED, "the partner has not answered yet", connection_id)
    return _told(ConnectCode.CONNECTING, "", connection_id)


def _is_unannounced(connection: Connection) -> bool:
    is_active = connection.status is ConnectionStatus.ACTIVE and connection.fault is None
    return is_active and connection.subscription is SubscriptionState.NONE


def _told(code: ConnectCode, message: str, connection_id: ConnectionId | None = None) -> dict[str, Any]:
    return {"code": code.value, "message": message, "connection_id": connection_id}


def _moment(ms: int) -> datetime:
    return datetime.fromtimestamp(ms / 1000, UTC)
