"""What ingest accepts, drops, refuses and remembers."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from audience_core.domain.account import Account
from audience_core.domain.ids import InputId
from audience_core.domain.messages import AcceptedBatch, PipelineMessage
from audience_core.errors import (
    MalformedBatchError,
    QuotaExceededError,
    RequestTooLargeError,
    UnavailableError,
)
from audience_core.persistence.memory.ingest import MemoryEventQueue, MemoryRateStore, MemoryRequestStore
from audience_core.pipeline.ingest import Acceptance, RequestKind, accept_batches
from tests.support.batches import SOURCE, wire_event

NOW = 1_795_430_000_000
HOUR = 3_600_000
DAY = 24 * HOUR


class Ingest:
    """The stores of ingest, and one account that calls it."""

    def __init__(self, batches_per_second: int = 270) -> None:
        self.requests, self.rates, self.queue = MemoryRequestStore(), MemoryRateStore(), MemoryEventQueue()
        self.account = Account(account_id=SOURCE.account_id, name="Acme", batches_per_second=batches_per_second)
        self.source = SOURCE

    def accept(self, body: Any, kind: RequestKind = RequestKind.SINGLE, now_ms: int = NOW) -> Acceptance:
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        return accept_batches(self.requests, self.rates, self.queue, self.account, self.source, kind, raw, now_ms)

    def bulk(self, *bodies: Any) -> Acceptance:
        return self.accept(list(bodies), RequestKind.BULK)

    def history(self, *bodies: Any) -> Acceptance:
        return self.accept(list(bodies), RequestKind.HISTORICAL)

    def queued(self) -> list[AcceptedBatch]:
        return [message for message in self.queue.take() if isinstance(message, AcceptedBatch)]


@pytest.fixture
def ingest() -> Ingest:
    return Ingest()


class BrokenQueue:
    def send(self, messages: Sequence[PipelineMessage]) -> None:
        raise UnavailableError("the queue does not answer")


def test_an_accepted_batch_is_queued_as_the_client_sent_it(ingest: Ingest) -> None:
    body = {"source_request_id": "r-1", "mpid": "-5", "user_identities": {"customerid": "hiker-77"}, "events": None}

    acceptance = ingest.accept(body)

    assert (acceptance.queued, acceptance.duplicates, dict(acceptance.dropped)) == (1, 0, {})
    assert ingest.queued() == [AcceptedBatch(SOURCE, "r-1", NOW, body)]


def test_a_batch_without_an_id_is_given_one(ingest: Ingest) -> None:
    ingest.bulk({}, {"source_request_id": ""}, {"source_request_id": None})

    assert len({batch.batch_id for batch in ingest.queued()} - {"", None}) == 3


def test_a_repeated_request_is_discarded(ingest: Ingest) -> None:
    ingest.accept({"source_request_id": "r-1"})
    ingest.queued()

    acceptance = ingest.accept({"source_request_id": "r-1", "user_attributes": {"tier": "gold"}}, now_ms=NOW + DAY)

    assert (acceptance.queued, acceptance.duplicates) == (0, 1)
    assert ingest.queued() == []


def test_a_batch_repeated_within_a_request_is_queued_once(ingest: Ingest) -> None:
    acceptance = ingest.bulk({"source_request_id": "r-1"}, {"source_request_id": "r-2"}, {"source_request_id": "r-1"})

    assert (acceptance.queued, acceptance.duplicates) == (2, 1)
    assert [batch.batch_id for batch in ingest.queued()] == ["r-1", "r-2"]


def test_request_ids_of_other_inputs_are_other_requests(ingest: Ingest) -> None:
    ingest.accept({"source_request_id": "r-1"})
    ingest.source = type(SOURCE)(SOURCE.account_id, SOURCE.workspace_id, InputId("i-000000000002"))

    assert ingest.accept({"source_request_id": "r-1"}).queued == 1


def test_what_could_not_be_queued_is_not_remembered(ingest: Ingest) -> None:
    broken = Ingest()
    broken.requests = ingest.requests
    broken.queue = BrokenQueue()  # type: ignore[assignment]

    with pytest.raises(UnavailableError):
        broken.accept({"source_request_id": "r-1"})

    assert ingest.accept({"source_request_id": "r-1"}).queued == 1


def test_a_request_over_256_kb_is_too_large(ingest: Ingest) -> None:
    empty = b"[" + b" " * (256 * 1024 - 2) + b"]"

    assert ingest.accept(empty, RequestKind.BULK).queued == 0
    with pytest.raises(RequestTooLargeError):
        ingest.accept(empty + b" ", RequestKind.BULK)


def a_batch_of(size: int) -> dict[str, Any]:
    frame = len(json.dumps({"user_attributes": {"a": ""}}, separators=(",", ":")))
    return {"user_attributes": {"a": "x" * (size - frame)}}


def test_a_batch_over_128_kb_is_refused(ingest: Ingest) -> None:
    assert ingest.accept(a_batch_of(128 * 1024)).queued == 1
    with pytest.raises(MalformedBatchError, match="131072 bytes"):
        ingest.accept(a_batch_of(128 * 1024 + 1))


def test_in_bulk_a_batch_over_128_kb_is_dropped_and_the_rest_accepted(ingest: Ingest) -> None:
    acceptance = ingest.bulk(a_batch_of(128 * 1024 + 1), {"source_request_id": "r-2"})

    assert [batch.batch_id for batch in ingest.queued()] == ["r-2"]
    assert dict(acceptance.dropped) == {"A batch may have 131072 bytes at most.": 1}


def test_a_bulk_request_has_100_batches_at_most(ingest: Ingest) -> None:
    assert ingest.bulk(*[{}] * 100).queued == 100
    with pytest.raises(MalformedBatchError, match="100 batches"):
        ingest.bulk(*[{}] * 101)


@pytest.mark.parametrize("kind", [RequestKind.BULK, RequestKind.HISTORICAL])
def test_a_bulk_request_is_an_array(ingest: Ingest, kind: RequestKind) -> None:
    with pytest.raises(MalformedBatchError, match="array of batches"):
        ingest.accept({"events": []}, kind)


def test_a_single_request_is_one_batch(ingest: Ingest) -> None:
    with pytest.raises(MalformedBatchError, match="JSON object"):
        ingest.accept([{}])


def test_the_fault_of_a_single_batch_is_told(ingest: Ingest) -> None:
    with pytest.raises(MalformedBatchError, match='Required event field "event_type"'):
        ingest.accept({"events": [{"event_name": "bare"}]})

    assert ingest.queued() == []


def test_in_bulk_faulty_batches_are_dropped_counted_and_logged(
    ingest: Ingest, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO, logger="audience_core"):
        acceptance = ingest.bulk(5, {"source_request_id": "r-1"}, "x", {"mpid": "secret"})

    assert [batch.batch_id for batch in ingest.queued()] == ["r-1"]
    assert dict(acceptance.dropped) == {
        "A batch must be a JSON object.": 2,
        '"mpid" must be a signed 64-bit integer.': 1,
    }
    assert {record.__dict__["reason"]: record.__dict__["count"] for record in caplog.records} == acceptance.dropped
    assert "secret" not in caplog.text


def test_in_bulk_an_event_without_a_type_does_not_cost_its_batch(ingest: Ingest) -> None:
    assert ingest.bulk({"events": [{"event_name": "bare"}, wire_event("session_start")]}).queued == 1


def test_an_account_over_its_rate_is_refused_until_the_next_second() -> None:
    ingest = Ingest(batches_per_second=4)
    ingest.bulk({}, {}, {})
    ingest.accept({})

    with pytest.raises(QuotaExceededError) as raised:
        ingest.accept({"source_request_id": "r-1"})

    assert raised.value.retry_after_s == 1
    assert ingest.accept({"source_request_id": "r-1"}, now_ms=NOW + 1000).queued == 1


def test_an_answer_tells_how_much_of_the_rate_is_used() -> None:
    ingest = Ingest(batches_per_second=8)

    assert ingest.accept({}).rate_percentage == 12
    assert ingest.bulk(*[{}] * 7).rate_percentage == 100


def test_faulty_requests_count_against_the_rate() -> None:
    ingest = Ingest(batches_per_second=1)
    with pytest.raises(MalformedBatchError):
        ingest.accept({"mpid": "x"})

    with pytest.raises(QuotaExceededError):
        ingest.accept({})


def at(*ages: int | None) -> dict[str, Any]:
    """A batch of events so many ms old."""
    times = [{} if age is None else {"timestamp_unixtime_ms": NOW - age} for age in ages]
    return {"events": [wire_event("session_start", **time) for time in times]}


def test_history_is_queued_as_history(ingest: Ingest) -> None:
    acceptance = ingest.history(at(72 * HOUR, 400 * DAY))

    assert acceptance.queued == 1
    assert [batch.is_historical for batch in ingest.queued()] == [True]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, "A historical batch must have events."),
        (at(), "A historical batch must have events."),
        (at(90 * DAY, None), 'Every historical event must have a "timestamp_unixtime_ms".'),
        (at(90 * DAY, 72 * HOUR - 1), "Historical events must be at least 72 hours old."),
    ],
)
def test_what_is_not_history_is_dropped(ingest: Ingest, body: dict[str, Any], reason: str) -> None:
    acceptance = ingest.history(body)

    assert (acceptance.queued, dict(acceptance.dropped)) == (0, {reason: 1})
