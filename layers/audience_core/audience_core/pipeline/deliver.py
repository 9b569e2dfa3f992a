"""Drains one lane of a connection: tells the partner what differs from what it acknowledged, batch by batch."""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import batched
from typing import Any

from audience_core.domain.ids import Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import ConnectionStatus, Forward, LedgerRow, Target, union
from audience_core.domain.stores import LedgerStore
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.connector import Rejection
from audience_core.outputs.http import Send
from audience_core.pipeline.forwarding import is_due
from audience_core.pipeline.partner_link import (
    DeliveryStores,
    PartnerLink,
    open_link,
    permitted_connection,
    record_fault,
)
from audience_core.pipeline.shared_identities import SharedIdentities

MAX_ATTEMPTS = 6
# Rows that are looked for in one request, in whole batches.
_READ_AHEAD = 1000
_FIRST_DELAY_S, _GROWTH, _MAX_DELAY_S = 5.0, 3.0, 3600.0

MAX_REASON_CHARS = 200
# Of a partner whose reason cannot be shown.
UNTOLD_REASON = "the partner will not take this member"

type Clock = Callable[[], int]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """Members the partner was told about, and how many of these it will not take."""

    forwarded: int = 0
    rejected: int = 0

    def and_more(self, more: "Delivered") -> "Delivered":
        return Delivered(self.forwarded + more.forwarded, self.rejected + more.rejected)


def deliver(
    stores: DeliveryStores,
    send: Send,
    wake_up: WakeUp,
    attempt: int,
    clock: Clock,
    until_ms: int,
    max_attempts: int = MAX_ATTEMPTS,
) -> Delivered:
    """`drain`, and a fault on the connection when that cannot go on.

    Args:
        attempt: how often this wake-up was received, this time included.
        clock: now, UTC ms.
        until_ms: no batch begins after this instant; what is left gets a wake-up of its own.

    Raises:
        RetryableDeliveryError: the partner may take it later; attempts are left. Rows stay dirty.
    """
    try:
        return drain(stores, send, wake_up, clock, until_ms)
    except TerminalDeliveryError as error:
        _fault(stores, wake_up, error.fault_kind, str(error), clock())
    except RetryableDeliveryError as error:
        if attempt < max_attempts:
            raise
        _fault(stores, wake_up, error.fault_kind, f"{error} (in {attempt} attempts)", clock())
    return Delivered()


def drain(stores: DeliveryStores, send: Send, wake_up: WakeUp, clock: Clock, until_ms: int) -> Delivered:
    """Send until nothing is dirty, the time is up, or the connection no longer forwards.

    A failure after a successful batch is not raised: the lane makes progress, so its attempts are counted anew.
    """
    connection = permitted_connection(stores, wake_up.account_id, wake_up.connection_id)
    if connection is None:
        return Delivered()
    link = open_link(stores, connection, send, clock())
    told = Delivered()
    is_waiting = link.kind.flush_after_s and not wake_up.is_urgent
    if is_waiting and not _is_due(stores.ledger, link, wake_up, clock()):
        return told
    for rows in _batches(stores, link.connector.batch_size, wake_up, clock, until_ms):
        try:
            told = told.and_more(_forward(stores, link, rows, clock()))
        except RetryableDeliveryError:
            if not told.forwarded:
                raise
            stores.wake_ups.send([wake_up], clock())
            break
    logger.info("lane drained", extra={"bucket": wake_up.bucket, "forwarded": told.forwarded, **_named(wake_up)})
    return told


def delay_s(attempt: int, retry_after_s: float | None, share: float) -> int:
    """Whole seconds until the next attempt: exponential with full jitter, after what the partner asks for.

    Args:
        share: a random number from 0 to 1, so that lanes do not come back all at once.
    """
    longest = min(_MAX_DELAY_S, _FIRST_DELAY_S * _GROWTH ** (attempt - 1))
    return round(min(_MAX_DELAY_S, (retry_after_s or 0.0) + longest * share)) or 1


def _is_due(ledger: LedgerStore, link: PartnerLink, wake_up: WakeUp, now_ms: int) -> bool:
    oldest = ledger.dirty(wake_up.account_id, wake_up.connection_id, wake_up.bucket, 1)
    return any(is_due(link.connection, link.kind, row.dirty_since or 0, now_ms) for row in oldest)


def _batches(
    stores: DeliveryStores, size: int, wake_up: WakeUp, clock: Clock, until_ms: int
) -> Iterator[Sequence[LedgerRow]]:
    """Dirty rows, as long as the connection may still forward.

    Several batches are read at once: what else is desired of a row by the time it is sent leaves it dirty.
    """
    lane = wake_up.account_id, wake_up.connection_id
    while found := stores.ledger.dirty(*lane, wake_up.bucket, max(size, _READ_AHEAD // size * size)):
        for rows in batched(found, size, strict=False):
            if clock() >= until_ms:
                stores.wake_ups.send([wake_up], clock())
                return
            connection = permitted_connection(stores, *lane)
            if connection is None:
                return
            yield _withdrawn(stores.ledger, rows, clock()) if connection.status is ConnectionStatus.DELETING else rows


def _forward(stores: DeliveryStores, link: PartnerLink, rows: Sequence[LedgerRow], now_ms: int) -> Delivered:
    """Note what is attempted, send, acknowledge: a crash in between is a repeat, and never a member forgotten."""
    known = [row for row in rows if row.attempted is None and row.desired == row.acknowledged]
    news = [row for row in rows if row.attempted is not None or row.desired != row.acknowledged]
    if known:
        stores.ledger.acknowledge(known)
    if not news:
        return Delivered()
    shared = _shared(stores, link)
    changes = [_change(row) for row in news]
    told = _spared(shared, news, changes, now_ms) if shared else changes
    rejected: dict[Mpid, Rejection] = {}
    if told:
        stores.ledger.attempt(news)
        receipt = link.connector.forward(link.subscription, told, now_ms)
        rejected = {each.mpid: each for each in receipt.rejected}
    if shared:
        shared.made_good(told, now_ms)
    stores.ledger.acknowledge([row for row in news if row.mpid not in rejected])
    for row in news:
        if row.mpid in rejected:
            _reject(stores.ledger, row, rejected[row.mpid])
    stores.ledger.settle(news)
    return Delivered(len(told), len(rejected))


def _change(row: LedgerRow) -> Forward:
    may_have = union(row.acknowledged, row.attempted)
    return Forward(row.mpid, may_have, row.desired, row.desired_version, row.attempted is not None)


def _shared(stores: DeliveryStores, link: PartnerLink) -> SharedIdentities | None:
    """None for a partner that knows members by more than their identities."""
    if not link.kind.is_keyed_by_identity:
        return None
    return SharedIdentities(stores.identities, stores.ledger, stores.wake_ups, link.connection, link.kind)


def _spared(
    shared: SharedIdentities, rows: Sequence[LedgerRow], changes: Sequence[Forward], now_ms: int
) -> list[Forward]:
    """What is left to tell when identities that other members share stay."""
    left = zip(rows, shared.spared(rows, changes, now_ms), strict=True)
    return [change for row, change in left if row.attempted is not None or change.before != change.after]


def _reject(ledger: LedgerStore, row: LedgerRow, rejection: Rejection) -> None:
    """A member of whom the partner was never told anything that it took needs no removal later."""
    is_unheard = row.acknowledged is None and row.attempted is None and not rejection.is_partial
    may_have = None if is_unheard else union(row.attempted, row.desired or Target())
    ledger.reject(row, _without_identities(rejection.reason, row), may_have)


def _without_identities(reason: str, row: LedgerRow) -> str:
    """Reasons are shown; a connector that repeats a partner's own words may repeat an identity among them."""
    targets = (row.desired, row.acknowledged, row.attempted)
    values = {identity.value for target in targets if target for identity in target.identities if identity.value}
    if any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", reason, re.IGNORECASE) for value in values):
        return UNTOLD_REASON
    return reason[:MAX_REASON_CHARS] or UNTOLD_REASON


def _withdrawn(ledger: LedgerStore, rows: Sequence[LedgerRow], now_ms: int) -> Sequence[LedgerRow]:
    """Rows to remove; a membership that came in while the connection was being deleted is taken back first."""
    for row in rows:
        if row.desired is not None:
            ledger.desire(row.account_id, row.connection_id, row.mpid, None, row.desired_version, now_ms)
    return [row for row in rows if row.desired is None]


def _fault(stores: DeliveryStores, wake_up: WakeUp, kind: str, message: str, now_ms: int) -> None:
    logger.warning("connection faulted", extra={"fault": kind, **_named(wake_up)})
    record_fault(stores.outputs, wake_up.account_id, wake_up.connection_id, kind, message, now_ms)


def _named(wake_up: WakeUp) -> dict[str, Any]:
    return {"account_id": wake_up.account_id, "connection_id": wake_up.connection_id}
