"""Sending a lifetime audience: the ledger of each connection is brought in line with what a calculation found.

What becomes dirty is delivered as for every other connection; the job waits until partners have acknowledged it.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from audience_core.domain.account import Record
from audience_core.domain.archive import Erasures, ShardStore
from audience_core.domain.control_stores import AudienceStore, JobStore, OutputStore, RunFiles, Workflows
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId
from audience_core.domain.job import Job, JobState, JobStep, Part
from audience_core.domain.output import DELIVERY_BUCKETS, Connection, ConnectionStatus, SubscriptionState
from audience_core.domain.results import ResultStore
from audience_core.domain.stores import LedgerStore, ProfileStore, WakeUpQueue
from audience_core.errors import ConflictError
from audience_core.pipeline import leases
from audience_core.pipeline.forwarding import find_connection
from audience_core.pipeline.leases import Go

LEASE_MS = 300_000
# A partner that has not taken everything by then goes on without anybody waiting for it.
PATIENCE = timedelta(hours=24)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Sender:
    """What sending needs of the outside world."""

    audiences: AudienceStore
    outputs: OutputStore
    results: ResultStore
    profiles: ProfileStore
    shards: ShardStore
    erasures: Erasures
    ledger: LedgerStore
    wake_ups: WakeUpQueue
    jobs: JobStore
    files: RunFiles
    workflows: Workflows


class SendRequest(Record):
    """What a job of this kind was asked."""

    audience_id: AudienceId
    calculation_id: str
    connection_ids: tuple[ConnectionId, ...]


class SendCode(StrEnum):
    """What came of one connection."""

    SENDING = "sending"
    SENT = "sent"
    FAULTED = "faulted"
    INACTIVE = "inactive"
    SUPERSEDED = "superseded"
    DELETED = "deleted"


def plan(stores: Sender, account_id: AccountId, job_id: str, token: int, run: str, now: datetime) -> dict[str, Any]:
    """Take the job's lease, and list the parts: the shards of what was found, and the lanes of the connections.

    Returns:
        `go`; and if that is on: the `token`, and where the two lists are.

    Raises:
        ConflictError: what was found is not kept any more.
    """
    job = leases.take(stores.jobs, stores.jobs.get(account_id, job_id), token, run, now, LEASE_MS)
    if job is None:
        return {"go": Go.NOWHERE}
    if job.token > 1:
        _announce_again(stores, job)
    request, folder = request_of(job), f"jobs/{account_id}/{job_id}"
    shards = stores.results.shards(account_id, request.audience_id, request.calculation_id)
    if not shards:
        raise ConflictError("the members that were found are not kept any more: calculate the audience again")
    lines = [{"part": f"{place:05d}", "place": place} for place in range(len(shards))]
    bucket = stores.files.put_lines(f"{folder}/publish.jsonl", lines)
    lanes = [
        {"part": f"{connection_id}-{lane}", "place": place * DELIVERY_BUCKETS + lane}
        for place, connection_id in enumerate(request.connection_ids)
        for lane in range(DELIVERY_BUCKETS)
    ]
    stores.files.put_lines(f"{folder}/withdraw.jsonl", lanes)
    keys = {step: f"{folder}/{step}.jsonl" for step in ("publish", "withdraw")}
    return {"go": Go.ON, "token": job.token, "bucket": bucket, **keys}


def watch(stores: Sender, account_id: AccountId, job_id: str, token: int, now: datetime) -> bool:
    """Note how far each partner is; whether nothing is left to wait for, and the job is at its end.

    Raises:
        NotOursError: the job was cancelled or is another run's now.
    """
    if leases.has_succeeded(stores.jobs, account_id, job_id, token):
        return True
    leases.require_ours(stores.jobs, account_id, job_id, token, leases.ms(now), LEASE_MS)
    job = stores.jobs.get(account_id, job_id)
    codes = [_noted(stores, job, each) for each in request_of(job).connection_ids]
    is_late = job.started_at is not None and now > job.started_at + PATIENCE
    if SendCode.SENDING in codes and not is_late:
        return False
    logger.info("lifetime audience sent", extra={"account_id": account_id, "job": job_id, "count": len(codes)})
    leases.end(stores.jobs, job, JobState.SUCCEEDED, "", now)
    return True


def request_of(job: Job) -> SendRequest:
    return SendRequest.model_validate(job.request)


def _announce_again(stores: Sender, job: Job) -> None:
    """Whoever began the first attempt may have died before partners were told of the audience."""
    for each in request_of(job).connection_ids:
        connection = find_connection(stores.outputs, job.account_id, each)
        is_waiting = _outcome(job, connection)[0] is SendCode.SENDING
        if connection and is_waiting and connection.subscription is not SubscriptionState.ACTIVE:
            stores.workflows.start_connection_fill(job.account_id, each, connection.version)


def _noted(stores: Sender, job: Job, connection_id: ConnectionId) -> SendCode:
    connection = find_connection(stores.outputs, job.account_id, connection_id)
    code, message = _outcome(job, connection)
    lanes = range(DELIVERY_BUCKETS) if code is SendCode.SENDING else ()
    left = len(list(_dirty(stores.ledger, connection, lanes))) if connection else 0
    if code is SendCode.SENDING and connection and connection.subscription is SubscriptionState.ACTIVE and not left:
        code = SendCode.SENT
    part = stores.jobs.claim(
        Part(
            account_id=job.account_id,
            job_id=job.job_id,
            step=JobStep.DELIVER,
            name=connection_id,
            bucket=0,
            share=1 / len(request_of(job).connection_ids),
        )
    )
    is_done = code is not SendCode.SENDING
    result = {"audience_id": request_of(job).audience_id, "connection_id": connection_id}
    changes = {
        "is_done": is_done,
        "progress": 1.0 if is_done else 1 - left / DELIVERY_BUCKETS,
        "result": {**result, "code": code.value, "message": message},
    }
    stores.jobs.save_part(part.model_copy(update=changes))
    return code


def _outcome(job: Job, connection: Connection | None) -> tuple[SendCode, str]:
    """What can be told of a connection without its ledger, and why."""
    if connection is None or connection.status is ConnectionStatus.DELETING:
        return SendCode.DELETED, "the connection was deleted"
    if connection.sent is None or connection.sent.job_id != job.job_id:
        return SendCode.SUPERSEDED, "it was sent again since"
    if connection.fault is not None:
        fault = f"{connection.fault.kind}: {connection.fault.message}"
        return SendCode.FAULTED, f"{fault}; resume it to send the rest"
    if connection.status is ConnectionStatus.INACTIVE:
        return SendCode.INACTIVE, "somebody made it inactive; make it active to send the rest"
    return SendCode.SENDING, ""


def _dirty(ledger: LedgerStore, connection: Connection, lanes: range | tuple[()]) -> Iterator[int]:
    """Those of its lanes in which the partner has not acknowledged everything."""
    for lane in lanes:
        if ledger.dirty(connection.account_id, connection.connection_id, lane, 1):
            yield lane
