"""Time is an event: profiles whose next instant of change has come are sent through the pipeline."""

from itertools import batched

from audience_core.domain.messages import Reevaluation
from audience_core.domain.profile import DUE_SHARDS
from audience_core.domain.stores import EventQueue, ProfileStore

_SEND_AT_ONCE = 500


def reevaluate_due(profiles: ProfileStore, events: EventQueue, now_ms: int) -> int:
    """Queue every profile due at or before now; how many. One queued twice is looked at twice, with one result."""
    queued = 0
    for shard in range(DUE_SHARDS):
        for due in batched(profiles.due(shard, now_ms), _SEND_AT_ONCE):
            events.send([Reevaluation(account_id, mpid) for account_id, mpid in due])
            queued += len(due)
    return queued
