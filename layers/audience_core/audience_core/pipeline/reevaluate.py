"""Time is an event: profiles whose next instant of change has come are sent through the pipeline."""

from itertools import batched

from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId
from audience_core.domain.messages import Reevaluation
from audience_core.domain.profile import DUE_SHARDS
from audience_core.domain.stores import EventQueue, ProfileStore
from audience_core.pipeline.process import Pipeline, process

_SEND_AT_ONCE = 500


def reevaluate_due(profiles: ProfileStore, events: EventQueue, now_ms: int) -> int:
    """Queue every profile due at or before now; how many. One queued twice is looked at twice, with one result."""
    queued = 0
    for shard in range(DUE_SHARDS):
        for due in batched(profiles.due(shard, now_ms), _SEND_AT_ONCE):
            events.send([Reevaluation(account_id, mpid) for account_id, mpid in due])
            queued += len(due)
    return queued


def backfill_page(
    pipeline: Pipeline, account_id: AccountId, bucket: int, cursor: str | None, limit: int, now_ms: int
) -> tuple[int, str | None]:
    """Evaluate a page of an account's profiles against its current definitions.

    Returns:
        How many profiles were looked at, and where the next page begins (None: the bucket is done).
    """
    _, program = pipeline.programs.current(account_id)
    page = pipeline.profiles.page(account_id, Environment.PRODUCTION, bucket, cursor, limit)
    outdated = [profile for profile in page.items if profile.program_version < program.version]
    if outdated:
        process(pipeline, [Reevaluation(account_id, profile.mpid) for profile in outdated], now_ms)
    return len(page.items), page.next
