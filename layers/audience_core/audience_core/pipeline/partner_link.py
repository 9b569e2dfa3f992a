"""What it takes to speak to the partner of one connection, and whether one may."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Protocol

from audience_core.domain.control_stores import AudienceStore, LogInStore, OutputStore, SecretStore
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.output import Connection, ConnectionStatus, Fault, FaultKind, Output
from audience_core.domain.sharing import Side
from audience_core.domain.sharing_stores import SharingStore
from audience_core.domain.stores import IdentityStore, LedgerStore, WakeUpQueue
from audience_core.errors import InvalidInputError, NotFoundError, StaleVersionError, TerminalDeliveryError
from audience_core.outputs.connector import Connector, Subscription
from audience_core.outputs.http import Send
from audience_core.outputs.opening import open_output
from audience_core.outputs.registry import ConnectorKind, kind_named
from audience_core.pipeline.forwarding import find_connection, forwarding_connection

_SAVE_ATTEMPTS = 5


class DeliveryStores(Protocol):
    """The stores that delivery needs, under the names that `wiring.Stores` gives them."""

    @property
    def outputs(self) -> OutputStore: ...

    @property
    def audiences(self) -> AudienceStore: ...

    @property
    def secrets(self) -> SecretStore: ...

    @property
    def log_ins(self) -> LogInStore: ...

    @property
    def identities(self) -> IdentityStore: ...

    @property
    def sharing(self) -> SharingStore: ...

    @property
    def ledger(self) -> LedgerStore: ...

    @property
    def wake_ups(self) -> WakeUpQueue: ...


@dataclass(frozen=True, slots=True)
class PartnerLink:
    """`subscription` carries the settings in force: those that the partner was last told."""

    connection: Connection
    kind: ConnectorKind
    connector: Connector
    subscription: Subscription

    def with_settings(self, settings: dict[str, str]) -> Subscription:
        return replace(self.subscription, settings=settings)


def permitted_connection(
    stores: DeliveryStores, account_id: AccountId, connection_id: ConnectionId
) -> Connection | None:
    """As `forwarding_connection`; that of a received audience forwards only while the sharing holds.

    It is asked for before each batch: from the instant at which the sharing is over, nobody is forwarded any more, no
    matter how much is waiting, or how long it takes until the connection is told.
    """
    connection = forwarding_connection(stores.outputs, account_id, connection_id)
    if connection is None or connection.source is None or connection.status is ConnectionStatus.DELETING:
        return connection
    return connection if stores.sharing.is_accepted(account_id, connection.source.arrangement_id) else None


def open_link(stores: DeliveryStores, connection: Connection, send: Send, now_ms: int) -> PartnerLink:
    """Raise `TerminalDeliveryError` when the output is not usable as it is; may also raise `RetryableDeliveryError`."""
    try:
        output = stores.outputs.get(connection.account_id, connection.output_id)
        kind, connector = kind_named(output.connector), open_output(stores, output, send, now_ms)
    except (InvalidInputError, NotFoundError) as error:
        raise TerminalDeliveryError(f"the output cannot be used: {error}", FaultKind.CONFIGURATION) from error
    return PartnerLink(connection, kind, connector, _subscription(stores, connection, output))


def record_fault(
    outputs: OutputStore, account_id: AccountId, connection_id: ConnectionId, kind: str, message: str, now_ms: int
) -> None:
    """Stop forwarding until somebody resumes; the first fault stands, a deleted connection needs none."""
    fault = Fault(kind=FaultKind(kind), message=message, at=datetime.fromtimestamp(now_ms / 1000, UTC))
    for attempt in range(_SAVE_ATTEMPTS):
        connection = find_connection(outputs, account_id, connection_id)
        if connection is None or connection.fault is not None:
            return
        try:
            outputs.save_connection(connection.model_copy(update={"fault": fault}))
        except StaleVersionError:
            if attempt == _SAVE_ATTEMPTS - 1:
                raise
        else:
            return


def _subscription(stores: DeliveryStores, connection: Connection, output: Output) -> Subscription:
    return Subscription(
        connection.account_id,
        connection.partner_audience_id,
        _external_name(stores, connection),
        connection.subscription_settings,
        f"{output.version}.{connection.version}",
        connection.connection_id,
    )


def _external_name(stores: DeliveryStores, connection: Connection) -> str:
    """That of the audience, and the variant's after it. An audience may be gone before its partners were told so."""
    try:
        audience = stores.audiences.get(*connection.members_of)
        name = audience.external_name or audience.name
    except NotFoundError:
        name = _last_name(stores, connection)
    return f"{name} - {connection.variant.name}" if connection.variant else name


def _last_name(stores: DeliveryStores, connection: Connection) -> str:
    """Of an audience that is gone: as it was called when its sharing ended."""
    if connection.source is None:
        return f"Audience {connection.audience_id}"
    arrangement_id = connection.source.arrangement_id
    return stores.sharing.arrangement(connection.account_id, Side.RECEIVER, arrangement_id).external_name
