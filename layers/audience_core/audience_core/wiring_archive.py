"""What the use cases that work on the archive work with; apart, so that they do not import real-time evaluation."""

from functools import cache

from audience_core import wiring
from audience_core.pipeline.compaction import Compaction
from audience_core.pipeline.lifetime import Calculation


@cache
def compaction() -> Compaction:
    """What `pipeline.compaction` works with."""
    of = wiring.stores()
    return Compaction(of.accounts, of.archive, of.archive, of.shards, of.jobs, of.run_files)


@cache
def calculation() -> Calculation:
    """What `pipeline.lifetime` works with."""
    of = wiring.stores()
    return Calculation(of.audiences, of.memberships, of.shards, of.results, of.jobs, of.run_files)
