"""What the use cases that evaluate definitions work with; apart, so that only their functions import evaluation."""

from functools import cache

from audience_core import wiring
from audience_core.pipeline.backfill import Backfill
from audience_core.pipeline.process import Pipeline
from audience_core.pipeline.programs import Programs


@cache
def pipeline() -> Pipeline:
    """What `pipeline.process` works with; its compiled programs live as long as the process."""
    of = wiring.stores()
    return Pipeline(Programs(of.accounts, of.audiences), of.identities, of.profiles, of.events, of.archive)


@cache
def backfill() -> Backfill:
    """What `pipeline.backfill` works with."""
    of = wiring.stores()
    return Backfill(pipeline(), of.audiences, of.memberships, of.jobs, of.run_files, of.outputs, of.workflows)
