"""Exports as the API shows them."""

from datetime import datetime

from audience_core.api.edge import instant
from audience_core.api.views import View
from audience_core.domain.export import Export, ExportFile, ExportFormat
from audience_core.domain.job import JobState
from audience_core.management.jobs import Report


class ExportedFileView(View):
    """A file of the archive: whose members it holds, and its name.

    Args:
        variant: name of the variant that alone is in it; null for all members.
    """

    audience_id: int
    audience_name: str
    name: str
    variant: str | None


class ArchiveView(View):
    """Args:
    users: profiles that gave at least one row, file by file.
    expires_at: until then it can be downloaded.
    """

    name: str
    bytes: int
    users: int
    rows: int
    rows_by_identity: dict[str, int]
    expires_at: datetime


class ExportView(View):
    """Args:
    job_id: of the job that makes it (see `/v1/jobs`); `attempt` is 1 unless it was restarted.
    state: dead: nobody has worked on it for minutes; restart its job.
    progress: from 0 to 1.
    at: the instant of which the members are told.
    archive: null until it is complete.
    email: who is sent the link; null for nobody. `email_error` says why it could not be sent.
    error: why it failed or was cancelled; null otherwise.
    """

    id: str
    job_id: str
    attempt: int
    state: JobState
    progress: float
    files: tuple[ExportedFileView, ...]
    identity_types: tuple[str, ...]
    format: ExportFormat
    legacy_header_spaces: bool
    spreadsheet_safe: bool
    at: datetime
    archive: ArchiveView | None
    email: str | None
    email_error: str | None
    error: str | None
    requested_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class DownloadView(View):
    """Args:
    url: needs no credential, and is to be used within `seconds`.
    """

    url: str
    seconds: int


def export_view(report: Report) -> ExportView:
    job, export = report.job, report.job.export
    if export is None:
        raise ValueError(f"{job.job_id} is no export")
    return ExportView(
        id=export.export_id,
        job_id=job.job_id,
        attempt=job.token,
        state=report.state,
        progress=report.progress,
        files=tuple(map(_file_view, export.files)),
        identity_types=export.identity_types,
        format=export.format,
        legacy_header_spaces=export.legacy_header_spaces,
        spreadsheet_safe=export.spreadsheet_safe,
        at=instant(export.at),
        archive=_archive_view(export),
        email=export.email or None,
        email_error=export.email_error or None,
        error=job.error or None,
        requested_by=export.requested_by,
        created_at=job.created_at,
        started_at=job.started_at,
        ended_at=job.ended_at,
    )


def _file_view(file: ExportFile) -> ExportedFileView:
    return ExportedFileView(
        audience_id=file.audience_id,
        audience_name=file.audience_name,
        name=file.name,
        variant=file.variant.name if file.variant else None,
    )


def _archive_view(export: Export) -> ArchiveView | None:
    archive = export.archive
    if archive is None:
        return None
    return ArchiveView(
        name=archive.name,
        bytes=archive.bytes,
        users=archive.users,
        rows=sum(archive.rows_by_identity.values()),
        rows_by_identity=archive.rows_by_identity,
        expires_at=instant(archive.expires_at),
    )
