"""Builders of ingest batches: what every test of ingest would otherwise repeat."""

from typing import Any

from audience_core.domain.event import EventBatch, Source
from audience_core.domain.ids import AccountId, InputId, WorkspaceId
from audience_core.domain.messages import AcceptedBatch
from audience_core.pipeline.wire.batch import read_batch

SOURCE = Source(AccountId(7), WorkspaceId("w-000000000001"), InputId("i-000000000001"))
RECEIVED_AT = 1_795_430_000_000


def accepted(body: dict[str, Any], **given: Any) -> AcceptedBatch:
    defaults: dict[str, Any] = {"source": SOURCE, "batch_id": "request-1", "received_at": RECEIVED_AT, "body": body}
    return AcceptedBatch(**defaults | given)


def read(body: dict[str, Any], **given: Any) -> EventBatch:
    """The batch as the pipeline sees it."""
    return read_batch(accepted(body, **given))


def wire_event(event_type: str, **data: Any) -> dict[str, Any]:
    return {"event_type": event_type, "data": data}
