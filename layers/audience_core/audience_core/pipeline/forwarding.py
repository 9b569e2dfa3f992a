"""For which connections memberships are forwarded, from which workspaces, and when."""

from audience_core.domain.control_stores import AudienceStore, OutputStore
from audience_core.domain.ids import AccountId, ConnectionId, WorkspaceId
from audience_core.domain.output import Connection, ConnectionStatus, SubscriptionState
from audience_core.errors import NotFoundError
from audience_core.outputs.registry import ConnectorKind


def find_connection(outputs: OutputStore, account_id: AccountId, connection_id: ConnectionId) -> Connection | None:
    """None when it was deleted."""
    try:
        return outputs.get_connection(account_id, connection_id)
    except NotFoundError:
        return None


def own_workspaces(audiences: AudienceStore, connection: Connection) -> tuple[WorkspaceId, ...]:
    """The workspaces of the connection's audience, if what is shared of its members depends on them.

    Of members of other accounts no attributes are shared.
    """
    if not connection.attributes.workspace:
        return ()
    try:
        return audiences.get(connection.account_id, connection.audience_id).workspaces
    except NotFoundError:
        return ()


def forwarding_connection(
    outputs: OutputStore, account_id: AccountId, connection_id: ConnectionId
) -> Connection | None:
    """The connection if memberships may be sent for it now; one being deleted still has removals to send."""
    connection = find_connection(outputs, account_id, connection_id)
    return connection if connection is not None and _may_forward(connection) else None


def _may_forward(connection: Connection) -> bool:
    return (
        connection.fault is None
        and connection.status in (ConnectionStatus.ACTIVE, ConnectionStatus.DELETING)
        and connection.subscription is SubscriptionState.ACTIVE
    )


def is_due(connection: Connection, kind: ConnectorKind, dirty_since: int, now_ms: int) -> bool:
    """Whether a lane is sent whose oldest row is dirty since an instant; for a connection that ends nobody waits."""
    waits_ms = 0 if connection.status is ConnectionStatus.DELETING else kind.flush_after_s * 1000
    return dirty_since + waits_ms <= now_ms
