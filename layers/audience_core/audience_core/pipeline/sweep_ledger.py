"""The safety net of delivery: wakes lanes whose rows have waited for longer than any wake-up takes."""

from audience_core.domain.control_stores import OutputStore
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.stores import LedgerStore, WakeUpQueue
from audience_core.pipeline.partner_link import forwarding_connection

OLDER_THAN_MS = 60_000


def sweep_ledger(ledger: LedgerStore, outputs: OutputStore, wake_ups: WakeUpQueue, now_ms: int) -> int:
    """Wake the lanes that may forward and have rows dirty for longer than a minute; how many they are."""
    lanes = ledger.dirty_buckets(now_ms - OLDER_THAN_MS)
    asked: dict[tuple[AccountId, ConnectionId], bool] = {}
    for lane in lanes:
        key = lane.account_id, lane.connection_id
        if key not in asked:
            asked[key] = forwarding_connection(outputs, *key) is not None
    awake = [lane for lane in lanes if asked[lane.account_id, lane.connection_id]]
    if awake:
        wake_ups.send(awake, now_ms)
    return len(awake)
