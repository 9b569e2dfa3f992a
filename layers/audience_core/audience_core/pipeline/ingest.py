"""Accepts what clients send: checks it, drops repeats, queues the rest, and remembers what was queued."""

import logging
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any
from uuid import uuid4

from audience_core.domain.account import Account
from audience_core.domain.event import Source
from audience_core.domain.messages import AcceptedBatch
from audience_core.domain.stores import EventQueue, RateStore, RequestStore
from audience_core.errors import MalformedBatchError, QuotaExceededError, RequestTooLargeError
from audience_core.pipeline.wire.body import parse, size_of
from audience_core.pipeline.wire.validation import check_batch, check_bulk_batch
from audience_core.pipeline.wire.values import instant, mapping, sequence

logger = logging.getLogger(__name__)

MAX_REQUEST_BYTES = 256 * 1024
MAX_BATCH_BYTES = 128 * 1024
MAX_BATCHES = 100
HISTORY_MIN_AGE_MS = 72 * 3_600_000


class RequestKind(StrEnum):
    """Which of the three endpoints was called."""

    SINGLE = "single"
    BULK = "bulk"
    HISTORICAL = "historical"


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What became of the batches of a request that was accepted.

    Args:
        dropped: reason -> how many batches of a bulk request were left out for it.
        rate_percentage: how much of the account's batches per second was used, this request included (0-100).
    """

    queued: int
    duplicates: int
    rate_percentage: int
    dropped: Mapping[str, int] = field(default_factory=dict)


def accept_batches(
    requests: RequestStore,
    rates: RateStore,
    queue: EventQueue,
    account: Account,
    source: Source,
    kind: RequestKind,
    body: bytes,
    now_ms: int,
    correlation_id: str = "",
) -> Acceptance:
    """Queue the batches of a request; on return they are kept, whatever happens to this process.

    Args:
        body: UTF-8 JSON: one batch, or an array of batches for bulk and historical requests.

    Raises:
        RequestTooLargeError: over 256 kB.
        MalformedBatchError: not JSON, over 100 batches, or a single batch with a fault.
        QuotaExceededError: the account sent more batches this second than it may.
        UnavailableError: not all could be queued; the client must send all again.
    """
    bodies = _bodies(body, kind)
    rate_percentage = _count_against_quota(rates, account, len(bodies), now_ms)
    dropped: Counter[str] = Counter()
    sound = [each for each in bodies if _is_sound(each, kind, now_ms, dropped)]
    fresh = _without_repeats(requests, source, sound)
    queue.send([_accepted(source, each, kind, now_ms, correlation_id) for each in fresh])
    # After queueing: docs/decisions/0001-request-dedup-after-queueing.md.
    requests.remember(source.input_id, _request_ids(fresh), now_ms)
    for reason, count in dropped.items():
        logger.info("batches dropped", extra={"reason": reason, "count": count})
    return Acceptance(len(fresh), len(sound) - len(fresh), rate_percentage, dropped)


def _bodies(body: bytes, kind: RequestKind) -> list[Any]:
    if len(body) > MAX_REQUEST_BYTES:
        raise RequestTooLargeError(f"The request body is larger than {MAX_REQUEST_BYTES} bytes.")
    parsed = parse(body)
    if kind is RequestKind.SINGLE:
        return [parsed]
    if not isinstance(parsed, list):
        raise MalformedBatchError("The request body must be an array of batches.")
    if len(parsed) > MAX_BATCHES:
        raise MalformedBatchError(f"A request may hold {MAX_BATCHES} batches at most.")
    return parsed


def _count_against_quota(rates: RateStore, account: Account, batches: int, now_ms: int) -> int:
    limit = account.batches_per_second
    total = rates.add(account.account_id, batches, now_ms // 1000, limit)
    if total > limit:
        raise QuotaExceededError(f"The account may send {limit} batches per second.", retry_after_s=1)
    return total * 100 // limit if limit else 0


def _is_sound(body: Any, kind: RequestKind, now_ms: int, dropped: Counter[str]) -> bool:
    """Whether to go on with a batch; a single one's fault is the client's to hear, others are counted."""
    try:
        _check(body, kind, now_ms)
    except MalformedBatchError as error:
        if kind is RequestKind.SINGLE:
            raise
        dropped[str(error)] += 1
        return False
    return True


def _check(body: Any, kind: RequestKind, now_ms: int) -> None:
    if kind is RequestKind.SINGLE:
        check_batch(body)
    else:
        check_bulk_batch(body)
    if size_of(body) > MAX_BATCH_BYTES:
        raise MalformedBatchError(f"A batch may have {MAX_BATCH_BYTES} bytes at most.")
    if kind is RequestKind.HISTORICAL:
        _check_history(body, now_ms)


def _check_history(body: Any, now_ms: int) -> None:
    instants = [
        instant(mapping(mapping(event).get("data")).get("timestamp_unixtime_ms"))
        for event in sequence(body.get("events"))
    ]
    if not instants:
        raise MalformedBatchError("A historical batch must have events.")
    known = [at for at in instants if at is not None]
    if len(known) < len(instants):
        raise MalformedBatchError('Every historical event must have a "timestamp_unixtime_ms".')
    if max(known) > now_ms - HISTORY_MIN_AGE_MS:
        raise MalformedBatchError("Historical events must be at least 72 hours old.")


def _without_repeats(requests: RequestStore, source: Source, bodies: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Without those that were accepted before, and each id once."""
    seen = set(requests.is_known(source.input_id, _request_ids(bodies)))
    fresh = []
    for body in bodies:
        request_id = _request_id(body)
        if request_id is None or request_id not in seen:
            fresh.append(body)
        if request_id is not None:
            seen.add(request_id)
    return fresh


def _accepted(
    source: Source, body: dict[str, Any], kind: RequestKind, now_ms: int, correlation_id: str
) -> AcceptedBatch:
    batch_id = _request_id(body) or str(uuid4())
    is_historical = kind is RequestKind.HISTORICAL
    return AcceptedBatch(source, batch_id, now_ms, body, is_historical, correlation_id)


def _request_ids(bodies: Iterable[dict[str, Any]]) -> list[str]:
    return list(dict.fromkeys(request_id for body in bodies if (request_id := _request_id(body)) is not None))


def _request_id(body: dict[str, Any]) -> str | None:
    return body.get("source_request_id") or None
