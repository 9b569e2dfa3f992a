"""The safety net of delivery, and its clock: wakes lanes whose rows have waited for long enough."""

from audience_core.domain.control_stores import OutputStore
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.output import Connection
from audience_core.domain.stores import LedgerStore, WakeUpQueue
from audience_core.outputs.lanes import wake_up_of
from audience_core.outputs.registry import ConnectorKind, kind_named
from audience_core.pipeline.forwarding import forwarding_connection, is_due

# Longer than any wake-up takes.
OLDER_THAN_MS = 60_000


def sweep_ledger(ledger: LedgerStore, outputs: OutputStore, wake_ups: WakeUpQueue, now_ms: int) -> int:
    """Wake the lanes that may forward and have rows that are due and dirty for longer than a minute; how many."""
    asked: dict[tuple[AccountId, ConnectionId], tuple[Connection, ConnectorKind] | None] = {}
    awake = []
    for lane, since in ledger.dirty_lanes(now_ms - OLDER_THAN_MS).items():
        key = lane.account_id, lane.connection_id
        if key not in asked:
            asked[key] = _forwarding(outputs, *key)
        known = asked[key]
        if known is not None and is_due(*known, since, now_ms):
            awake.append(wake_up_of(*known, lane.bucket))
    if awake:
        wake_ups.send(awake, now_ms)
    return len(awake)


def _forwarding(
    outputs: OutputStore, account_id: AccountId, connection_id: ConnectionId
) -> tuple[Connection, ConnectorKind] | None:
    connection = forwarding_connection(outputs, account_id, connection_id)
    if connection is None:
        return None
    return connection, kind_named(outputs.get(account_id, connection.output_id).connector)
