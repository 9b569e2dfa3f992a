"""Tells a partner that an audience comes, has changed, or comes no more, as its connection's status asks for."""

import json
import logging
from collections.abc import Callable
from datetime import datetime
from enum import StrEnum
from typing import Any

from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.output import DELIVERY_BUCKETS, Connection, ConnectionStatus, SubscriptionState
from audience_core.errors import RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.http import Send
from audience_core.pipeline.forwarding import find_connection
from audience_core.pipeline.partner_link import DeliveryStores, open_link, record_fault

logger = logging.getLogger(__name__)

MAX_ATTEMPTS = 5


class Work(StrEnum):
    """What must be done to the ledger after the partner was told."""

    NOTHING = "nothing"
    FILL = "fill"
    WAKE = "wake"
    WITHDRAW = "withdraw"
    FINISH = "finish"


def update_subscription(
    stores: DeliveryStores,
    send: Send,
    account_id: AccountId,
    connection_id: ConnectionId,
    attempt: int,
    now: datetime,
) -> Work:
    """Announce an active connection; a faulted one is left in peace, an inactive one says nothing.

    Args:
        attempt: from 1; the last of `MAX_ATTEMPTS` turns a failure into a fault.

    Raises:
        RetryableDeliveryError: attempts are left.
        TerminalDeliveryError: the fault is recorded on the connection.
        StaleVersionError: the connection was changed meanwhile: do it again.
    """
    connection = find_connection(stores.outputs, account_id, connection_id)
    if connection is None or connection.status is ConnectionStatus.INACTIVE:
        return Work.NOTHING
    if connection.status is ConnectionStatus.DELETING:
        return Work.WITHDRAW if connection.subscription is SubscriptionState.ACTIVE else Work.FINISH
    if connection.source is not None and not stores.sharing.is_accepted(account_id, connection.source.arrangement_id):
        # Its sharing is over, and it is about to be deleted.
        return Work.NOTHING
    if connection.fault is None:
        announced = _doubted(stores, connection)
        _or_fault(stores, announced, attempt, now, lambda: _announce(stores, send, announced, now))
    # What of a lifetime audience is to be known is written down by whoever sends it.
    return Work.FILL if connection.sent is None else Work.WAKE


def finish_deletion(
    stores: DeliveryStores,
    send: Send,
    account_id: AccountId,
    connection_id: ConnectionId,
    attempt: int,
    now: datetime,
) -> bool:
    """Once the partner has forgotten all members, end the subscription and delete the connection; whether it is gone.

    Raises:
        TerminalDeliveryError: the connection is faulted: the partner cannot be told.
        RetryableDeliveryError, StaleVersionError: as `update_subscription`.
    """
    connection = find_connection(stores.outputs, account_id, connection_id)
    if connection is None:
        return True
    if connection.fault is not None:
        raise TerminalDeliveryError(connection.fault.message, connection.fault.kind)
    if connection.subscription is SubscriptionState.ACTIVE:
        if _is_dirty(stores, connection):
            return False
        subscribed = connection
        _or_fault(stores, subscribed, attempt, now, lambda: _unsubscribe(stores, send, subscribed, now))
        connection = stores.outputs.save_connection(
            connection.model_copy(update={"subscription": SubscriptionState.REMOVED})
        )
    if connection.subscription is SubscriptionState.DOUBTFUL:
        _undo_what_may_be(stores, send, connection, attempt, now)
    stores.ledger.delete_connection_rows(account_id, connection_id)
    stores.outputs.delete_connection(connection)
    return True


def _doubted(stores: DeliveryStores, connection: Connection) -> Connection:
    """A partner may make the audience and its answer be lost: that it was asked is known before it is."""
    if connection.subscription is not SubscriptionState.NONE:
        return connection
    return stores.outputs.save_connection(connection.model_copy(update={"subscription": SubscriptionState.DOUBTFUL}))


def _undo_what_may_be(stores: DeliveryStores, send: Send, connection: Connection, attempt: int, now: datetime) -> None:
    """End a subscription that may exist; a partner that never took it need not be reached for the connection to go."""
    try:
        _unsubscribe(stores, send, connection, now)
    except RetryableDeliveryError:
        if attempt < MAX_ATTEMPTS:
            raise
        logger.warning("a partner that may know an audience was not reached")
    except TerminalDeliveryError as error:
        logger.info("a partner knows nothing of an audience, or takes nothing back", extra={"kind": error.fault_kind})


def _or_fault(
    stores: DeliveryStores, connection: Connection, attempt: int, now: datetime, tell: Callable[[], None]
) -> None:
    try:
        tell()
    except RetryableDeliveryError as error:
        if attempt < MAX_ATTEMPTS:
            raise
        raise _recorded(stores, connection, error.fault_kind, f"{error} (in {attempt} attempts)", now) from error
    except TerminalDeliveryError as error:
        raise _recorded(stores, connection, error.fault_kind, str(error), now) from error


def _recorded(
    stores: DeliveryStores, connection: Connection, kind: str, message: str, now: datetime
) -> TerminalDeliveryError:
    record_fault(stores.outputs, connection.account_id, connection.connection_id, kind, message, _ms(now))
    return TerminalDeliveryError(message, kind)


def _is_dirty(stores: DeliveryStores, connection: Connection) -> bool:
    lane = connection.account_id, connection.connection_id
    return any(stores.ledger.dirty(*lane, bucket, 1) for bucket in range(DELIVERY_BUCKETS))


def _announce(stores: DeliveryStores, send: Send, connection: Connection, now: datetime) -> None:
    link = open_link(stores, connection, send, _ms(now))
    settings = {name: _text(value) for name, value in connection.settings.items()}
    subscription = link.with_settings(settings)
    if connection.subscription is SubscriptionState.ACTIVE:
        echoed = link.connector.update(subscription, connection.subscription_settings, _ms(now))
    else:
        echoed = link.connector.subscribe(subscription, _ms(now))
    told = {
        "subscription": SubscriptionState.ACTIVE,
        "subscription_settings": {**settings, **echoed},
        "active_since": connection.active_since or now,
    }
    stores.outputs.save_connection(connection.model_copy(update=told))


def _unsubscribe(stores: DeliveryStores, send: Send, connection: Connection, now: datetime) -> None:
    link = open_link(stores, connection, send, _ms(now))
    link.connector.unsubscribe(link.subscription, _ms(now))


def _text(value: Any) -> str:
    """Settings travel as text: text as it is, all else as JSON."""
    return value if isinstance(value, str) else json.dumps(value)


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
