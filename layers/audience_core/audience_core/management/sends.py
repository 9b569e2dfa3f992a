"""Sending a lifetime audience: its members, as they were calculated last, to the outputs that somebody chooses."""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.account import Record
from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.domain.control_stores import AudienceStore, JobStore, OutputStore, Workflows
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId
from audience_core.domain.job import UNDER_WAY, Job, JobKind, JobState
from audience_core.domain.lifetime import LifetimeResult
from audience_core.domain.output import Connection, ConnectionStatus, Sending
from audience_core.errors import ConflictError, InvalidInputError, NotFoundError, StaleVersionError

MAX_CONNECTIONS = 50
_QUEUED_FOR = timedelta(minutes=3)
_NOT_READY = {
    AudienceStatus.DRAFT: "is a draft: calculate it first (POST /v1/lifetime-calculations)",
    AudienceStatus.CALCULATING: "is being calculated: send it when it is ready",
    AudienceStatus.ARCHIVED: "is archived: clone it, and calculate and send the clone",
}


class NewSend(Record):
    """Args:
    connection_ids: of the audience, whose outputs are to get its members; missing or null: all that it has.
    """

    model_config = ConfigDict(extra="forbid")

    connection_ids: Annotated[tuple[ConnectionId, ...], Field(min_length=1, max_length=MAX_CONNECTIONS)] | None = None


@dataclass(frozen=True, slots=True)
class SendStores:
    """What beginning to send needs of the outside world."""

    audiences: AudienceStore
    outputs: OutputStore
    jobs: JobStore
    workflows: Workflows


def start(stores: SendStores, account_id: AccountId, audience_id: AudienceId, new: NewSend, now: datetime) -> Job:
    """Begin to bring partners in line with what was calculated last: new members are added, those who left removed.

    Raises:
        InvalidInputError: a connection is none of the audience's.
        ConflictError: the audience is not ready, or not connected; or somebody sends to one of the connections, changes
            or deletes it just now.
    """
    audience = stores.audiences.get(account_id, audience_id)
    result = _sendable(audience, now)
    chosen = _chosen(stores.outputs.list_connections(account_id, audience_id), new)
    for connection in chosen:
        _require_free(stores.jobs, connection, now)
    job = _job(audience, result, chosen, now)
    stores.jobs.save(job)
    try:
        marked = [_marked(stores.outputs, each, result, job, now) for each in chosen]
    except (StaleVersionError, NotFoundError) as error:
        ended = {"state": JobState.CANCELLED, "ended_at": now, "error": str(error)}
        with suppress(StaleVersionError):
            stores.jobs.save(stores.jobs.get(account_id, job.job_id).model_copy(update=ended))
        raise ConflictError("one of the connections is being changed, or sent to: try again") from error
    for connection in marked:
        # The partner hears of the audience as of every other; what it is sent waits until it has.
        stores.workflows.start_connection_fill(account_id, connection.connection_id, connection.version)
    stores.workflows.start_sending(account_id, job.job_id)
    return job


def start_one(stores: SendStores, account_id: AccountId, connection_id: ConnectionId, now: datetime) -> Job:
    """As `start`, for a single connection."""
    connection = stores.outputs.get_connection(account_id, connection_id)
    return start(stores, account_id, connection.audience_id, NewSend(connection_ids=(connection_id,)), now)


def _sendable(audience: Audience, now: datetime) -> LifetimeResult:
    if audience.kind is not AudienceKind.LIFETIME:
        raise ConflictError("the audience is a real-time one: its members are forwarded as they come")
    status = audience.status_at(now)
    if audience.result is None or status in _NOT_READY:
        raise ConflictError(f"the audience {_NOT_READY[status]}")
    return audience.result


def _chosen(connections: Sequence[Connection], new: NewSend) -> list[Connection]:
    known = {each.connection_id: each for each in connections}
    wanted = list(dict.fromkeys(known if new.connection_ids is None else new.connection_ids))
    problems = [
        (f"/connection_ids/{place}", "is no connection of the audience")
        for place, each in enumerate(wanted)
        if each not in known
    ]
    if problems:
        raise InvalidInputError("the audience cannot be sent there", tuple(problems))
    if not wanted:
        raise ConflictError("the audience is not connected to an output yet: connect one first")
    if len(wanted) > MAX_CONNECTIONS:
        raise ConflictError(f"the audience has {len(wanted)} connections: choose {MAX_CONNECTIONS} at a time")
    return [known[each] for each in wanted]


def _require_free(jobs: JobStore, connection: Connection, now: datetime) -> None:
    if connection.status is ConnectionStatus.DELETING:
        raise ConflictError(f"{connection.connection_id} is being deleted")
    if connection.sent is None:
        return
    try:
        job = jobs.get(connection.account_id, connection.sent.job_id)
    except NotFoundError:
        return
    if job.state_at(_ms(now)) in UNDER_WAY:
        raise ConflictError(f"the job {job.job_id} sends to {connection.connection_id}: wait for it, or cancel it")


def _job(audience: Audience, result: LifetimeResult, connections: Sequence[Connection], now: datetime) -> Job:
    return Job(
        account_id=audience.account_id,
        job_id=f"send-{secrets.token_hex(6)}",
        kind=JobKind.SEND_AUDIENCE,
        state=JobState.QUEUED,
        target=audience.audience_id,
        request={
            "audience_id": audience.audience_id,
            "calculation_id": result.calculation_id,
            "connection_ids": [each.connection_id for each in connections],
        },
        lease_until=_ms(now + _QUEUED_FOR),
        created_at=now,
    )


def _marked(store: OutputStore, connection: Connection, result: LifetimeResult, job: Job, now: datetime) -> Connection:
    """The connection, active, with what its partner should have from now on. Of two at once, one comes too late."""
    before = connection.sent.number if connection.sent else 0
    sent = Sending(
        job_id=job.job_id,
        calculation_id=result.calculation_id,
        shard_count=result.shard_count,
        number=max(_ms(now), before + 1),
    )
    is_active = connection.status is ConnectionStatus.ACTIVE
    changes = {
        "status": ConnectionStatus.ACTIVE,
        "active_since": connection.active_since if is_active else now,
        "sent": sent,
    }
    return store.save_connection(connection.model_copy(update=changes))


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
