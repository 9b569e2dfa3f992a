"""Long work on an account, which anybody can watch, stop and start again."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from pydantic import Field

from audience_core.domain.ab_test import Outcome
from audience_core.domain.account import Record
from audience_core.domain.export import Export, Pieces
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid


class JobKind(StrEnum):
    BACKFILL = "backfill"
    CONNECTION_FILL = "connection_fill"
    CONNECT_AUDIENCES = "connect_audiences"
    AB_TEST_OUTCOMES = "ab_test_outcomes"
    EXPORT = "export"
    ARCHIVE_COMPACTION = "archive_compaction"
    LIFETIME_CALCULATION = "lifetime_calculation"
    SEND_AUDIENCE = "send_audience"
    ERASURE = "erasure"


class JobState(StrEnum):
    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    DEAD = "dead"


class JobStep(StrEnum):
    """The passes of jobs."""

    EVALUATE = "evaluate"
    SETTLE = "settle"
    PUBLISH = "publish"
    CONNECT = "connect"
    COUNT = "count"
    WRITE = "write"
    ARCHIVE = "archive"
    SPREAD = "spread"
    MERGE = "merge"
    SCAN = "scan"
    ERASE = "erase"
    WITHDRAW = "withdraw"
    DELIVER = "deliver"


# The passes of each kind of job, in order, and how much of its time each takes, about.
STEPS = {
    JobKind.BACKFILL: {JobStep.EVALUATE: 0.6, JobStep.SETTLE: 0.2, JobStep.PUBLISH: 0.2},
    JobKind.CONNECTION_FILL: {JobStep.PUBLISH: 1.0},
    JobKind.ARCHIVE_COMPACTION: {JobStep.SPREAD: 0.3, JobStep.MERGE: 0.7},
    JobKind.LIFETIME_CALCULATION: {JobStep.SCAN: 1.0},
    JobKind.SEND_AUDIENCE: {JobStep.PUBLISH: 0.4, JobStep.WITHDRAW: 0.1, JobStep.DELIVER: 0.5},
    JobKind.CONNECT_AUDIENCES: {JobStep.CONNECT: 1.0},
    JobKind.AB_TEST_OUTCOMES: {JobStep.COUNT: 1.0},
    JobKind.ERASURE: {JobStep.ERASE: 1.0},
    JobKind.EXPORT: {JobStep.WRITE: 0.8, JobStep.ARCHIVE: 0.2},
}


# Under way, and so not to be started again.
UNDER_WAY = frozenset({JobState.QUEUED, JobState.RUNNING})


class Job(Record):
    """Args:
    target: what it works on: the program version of a backfill, the version of the connection of a fill, the audience
        whose outcomes are counted or whose members are sent, the version of the archive that a compaction makes or
        that a calculation reads.
    request: of a kind that is asked for with more than that: what was asked, as its own module reads it.
    after: backfill: the latest program version of which an earlier backfill came to its end.
    token: fences off workers of an earlier attempt; every attempt has a greater one.
    run: name of the execution that holds the lease; "" while queued.
    lease_until: when nobody has prolonged the lease by then (UTC ms), the job is dead.
    error: why it failed or was cancelled.
    export: what an export is of, and what came of it; None for other kinds.
    version: of the stored item, for conditional writes.
    """

    account_id: AccountId
    job_id: str
    kind: JobKind
    state: JobState
    target: int
    after: int = 0
    connection_id: ConnectionId | None = None
    request: dict[str, Any] = Field(default_factory=dict)
    token: int = 1
    run: str = ""
    lease_until: int
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = None
    error: str = ""
    export: Export | None = None
    version: int = 0

    @property
    def parts_id(self) -> str:
        """Under which its parts are kept. Every attempt at an export begins anew, so each has parts of its own."""
        return f"{self.job_id}.{self.token}" if self.kind is JobKind.EXPORT else self.job_id

    def state_at(self, now_ms: int) -> JobState:
        """The state as an observer sees it: work whose lease has run out is dead."""
        is_dead = self.state in UNDER_WAY and self.lease_until < now_ms
        return JobState.DEAD if is_dead else self.state


class Part(Record):
    """A share of a job's work in one step, as far as it has got.

    Args:
        token: of the attempt at this part that may save it; whoever claims the part raises it.
        share: of the step's work, from 0 to 1.
    cursor: where to go on; None at the beginning.
        looked_at: how many profiles; `written`: how many of them had to be.
        last: the profile looked at last in the bucket; None before the first.
    pending: settling: rows of member lists (set, profile) that did not agree with their profiles yet.
        outcomes: of those looked at, each variant once.
        progress: from 0 to 1.
        error: of its latest failed attempt; "" after a success.
    result: what came of it, where a job is made of items that each have a result.
        pieces: what a part of an export has written; None for other kinds.
    """

    account_id: AccountId
    job_id: str
    step: JobStep
    name: str
    token: int = 0
    bucket: int
    share: float = 1.0
    cursor: str | None = None
    looked_at: int = 0
    written: int = 0
    last: Mpid | None = None
    pending: tuple[tuple[AudienceId, Mpid], ...] = ()
    outcomes: tuple[Outcome, ...] = ()
    progress: float = 0.0
    is_done: bool = False
    error: str = ""
    result: dict[str, Any] = Field(default_factory=dict)
    pieces: Pieces | None = None
