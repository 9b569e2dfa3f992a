"""Calculations, credits and the archive as the API shows them."""

from datetime import datetime

from audience_core.api.edge import instant
from audience_core.api.views import View
from audience_core.domain.archive import Manifest
from audience_core.domain.job import JobState
from audience_core.management.calculations import Quota
from audience_core.management.jobs import Report


class CalculatedView(View):
    """Args:
    size: how many members were found so far; of all shards once the calculation has succeeded.
    """

    audience_id: int
    size: int


class CalculationView(View):
    """Args:
    id: of the job, too: `/v1/jobs/{id}/restart` goes on where it stopped, `cancel` gives it up.
    state: dead: nobody has worked on it for minutes; restart it.
    progress: from 0 to 1, by the events of the shards that are done.
    at: the instant as of which windows are read.
    archive_version: of the archive that is read.
    error: why it failed or was cancelled; null otherwise.
    """

    id: str
    state: JobState
    progress: float
    audiences: tuple[CalculatedView, ...]
    credits: int
    at: datetime
    archive_version: int
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: str | None


class QuotaView(View):
    """Args:
    limit: credits of `period_days`; one is a year of data, however many audiences read it.
    used: in the period that ends now.
    """

    limit: int
    used: int
    left: int
    period_days: int


class EventArchiveView(View):
    """Args:
    version: 0 before the first compaction.
    read_until: what was processed before this instant is in it.
    first_at, last_at: of its events.
    """

    version: int
    committed_at: datetime | None
    read_until: datetime | None
    shards: int
    users: int
    events: int
    first_at: datetime | None
    last_at: datetime | None


class CompactionStartView(View):
    """Args:
    run: of the workflow; its job is among `/v1/jobs` once it has found something to do.
    """

    run: str


def calculation_view(report: Report) -> CalculationView:
    job = report.job
    sizes: dict[int, int] = dict.fromkeys(job.request["audience_ids"], 0)
    for result in report.results:
        for audience_id, size in result.items():
            sizes[int(audience_id)] += size
    return CalculationView(
        id=job.job_id,
        state=report.state,
        progress=report.progress,
        audiences=tuple(CalculatedView(audience_id=each, size=size) for each, size in sizes.items()),
        credits=job.request["credits"],
        at=instant(job.request["at"]),
        archive_version=job.target,
        created_by=job.request["created_by"],
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
        error=job.error or None,
    )


def quota_view(quota: Quota) -> QuotaView:
    return QuotaView(limit=quota.limit, used=quota.used, left=quota.left, period_days=quota.period_days)


def archive_view(manifest: Manifest) -> EventArchiveView:
    return EventArchiveView(
        version=manifest.version,
        committed_at=manifest.committed_at,
        read_until=instant(manifest.read_until) if manifest.version else None,
        shards=len(manifest.shards),
        users=sum(shard.users for shard in manifest.shards),
        events=manifest.events,
        first_at=None if manifest.first_at is None else instant(manifest.first_at),
        last_at=None if manifest.last_at is None else instant(manifest.last_at),
    )
