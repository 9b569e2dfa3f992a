"""The lanes in which a connection's members are delivered, and how many of an output's may be at work at once."""

import zlib
from collections.abc import Iterable

from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, Connection
from audience_core.outputs.registry import ConnectorKind


def wake_up_of(connection: Connection, kind: ConnectorKind, bucket: int) -> WakeUp:
    """What wakes a lane: always in the same slot, so that at most one worker serves it whoever wakes it.

    Lanes of all connections of an output share the slots that its kind has; otherwise each lane has its own.
    """
    lane = f"{connection.connection_id}:{bucket}"
    slot = None
    if kind.max_concurrency is not None:
        slot = f"{connection.output_id}:{zlib.crc32(lane.encode()) % kind.max_concurrency}"
    return WakeUp(connection.account_id, connection.connection_id, bucket, slot)


def wake_ups_of(
    connection: Connection, kind: ConnectorKind, buckets: Iterable[int] = range(DELIVERY_BUCKETS)
) -> list[WakeUp]:
    """Of several lanes of one connection, in order; of all unless told otherwise."""
    return [wake_up_of(connection, kind, bucket) for bucket in sorted(buckets)]
