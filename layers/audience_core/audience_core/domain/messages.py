"""What travels through the queues, as typed values; `persistence.queues` gives them their JSON."""

from dataclasses import dataclass, field
from typing import Any

from audience_core.domain.event import Environment, Identity, Source
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid


@dataclass(frozen=True, slots=True)
class AcceptedBatch:
    """A batch as the client sent it, with what acceptance knows: enough to process it any number of times.

    Args:
        body: the client's JSON object, unchanged; only the public ingest reader looks into it.
        batch_id: `source_request_id`, or a UUID given at acceptance.
        received_at: UTC ms.
        is_historical: goes to the archive only; no real-time audience changes.
        correlation_id: of the request that brought it: by it logs tell what became of it, as far as the partner.
    """

    source: Source
    batch_id: str
    received_at: int
    body: dict[str, Any]
    is_historical: bool = False
    correlation_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Reevaluation:
    """Somebody must look at a profile again: an instant of change has come, or its definitions changed."""

    account_id: AccountId
    mpid: Mpid


@dataclass(frozen=True, slots=True)
class Due:
    """A profile that somebody must look at, not before `at` (UTC ms)."""

    account_id: AccountId
    mpid: Mpid
    at: int


@dataclass(frozen=True, slots=True)
class Release:
    """A unique identity now belongs to another profile; this one loses it unless it was told it later than `at`."""

    account_id: AccountId
    environment: Environment
    mpid: Mpid
    identity: Identity
    at: int


type PipelineMessage = AcceptedBatch | Reevaluation | Release


@dataclass(frozen=True, slots=True)
class WakeUp:
    """Rows of a connection's bucket may be dirty.

    Args:
        slot: wake-ups of one slot of an account are worked on one after another; None: each lane by itself.
        is_urgent: what waits to be sent together with more is sent now.
        correlation_id: of a request that made one of the rows dirty; "" for time, edits and the rest.
    """

    account_id: AccountId
    connection_id: ConnectionId
    bucket: int
    slot: str | None = None
    is_urgent: bool = False
    correlation_id: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class SharedChange:
    """That partners of receivers should perhaps know something else of a profile.

    Args:
        account_id: the initiator, whose profile it is.
        audience_ids: shared audiences that the profile is or was a member of.
        version: of the profile with the change; beyond its last one when it was removed.
        correlation_id: of the request behind the change; "" for time, edits and the rest.
    """

    account_id: AccountId
    mpid: Mpid
    version: int
    audience_ids: tuple[AudienceId, ...]
    correlation_id: str = field(default="", compare=False)
