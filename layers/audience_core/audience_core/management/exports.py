"""Exports as their owner sees them: asked for, watched, cancelled, downloaded."""

import re
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from pydantic import ConfigDict, Field

from audience_core.domain.account import Record
from audience_core.domain.control_stores import AudienceStore, JobStore, Workflows
from audience_core.domain.export import (
    EXPORTED_TYPES,
    MPID,
    Archive,
    Export,
    ExportFormat,
    archive_key,
    job_id_of,
)
from audience_core.domain.export_stores import ExportFiles, SigningKeys
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.domain.job import Job, JobKind, JobState
from audience_core.domain.sharing_stores import SharingStore
from audience_core.errors import ConflictError, GoneError, InvalidInputError, NotFoundError
from audience_core.exports import links
from audience_core.management import jobs
from audience_core.management.exported import ExportedAudience, chosen_files
from audience_core.management.jobs import JobStores, Report, report
from audience_core.management.sharing import Party, note_export

MAX_AUDIENCES = 100
# Long enough to begin a download; one under way is not cut off.
LINK_SECONDS = 300
_LEASE_MS = 300_000
_EMAIL = re.compile(r"[^@\s<>,;:\"()]+@[^@\s<>,;:\"()]+\.[^@\s<>,;:\"()]+")


class NewExport(Record):
    """Args:
    identity_types: which identities give rows; the mpid is in every row anyway.
    email: who is sent the link; missing or null: nobody, the API alone tells it.
    legacy_header_spaces: CSV with a blank after every comma.
    spreadsheet_safe: CSV with an apostrophe before values that a spreadsheet would run as formulas.
    """

    model_config = ConfigDict(extra="forbid")

    audiences: Annotated[tuple[ExportedAudience, ...], Field(min_length=1, max_length=MAX_AUDIENCES)]
    identity_types: Annotated[tuple[str, ...], Field(max_length=len(EXPORTED_TYPES) + 1)]
    format: ExportFormat = ExportFormat.CSV
    email: Annotated[str, Field(max_length=254)] | None = None
    legacy_header_spaces: bool = False
    spreadsheet_safe: bool = False


@dataclass(frozen=True, slots=True)
class ExportStores:
    """What the use cases of exports need of the outside world."""

    audiences: AudienceStore
    jobs: JobStore
    workflows: Workflows
    files: ExportFiles
    keys: SigningKeys
    sharing: SharingStore


@dataclass(frozen=True, slots=True)
class Requester:
    """Who asks for an export, and the address at which the API was asked."""

    account_id: AccountId
    client_id: str
    link_base: str


def create(stores: ExportStores, requester: Requester, new: NewExport, now: datetime) -> Report:
    """Export audiences as they are at this instant.

    Raises:
        InvalidInputError: something in it is unknown, chosen twice or not at all, or an audience has no members.
        ConflictError: an audience has not all its members yet, or its A/B test is being deleted.
    """
    _require_usable(new)
    export = Export(
        export_id=str(uuid.uuid4()),
        files=chosen_files(
            stores.audiences, stores.sharing, stores.jobs, requester.account_id, new.audiences, new.format, now
        ),
        identity_types=tuple(each for each in dict.fromkeys(new.identity_types) if each != MPID),
        format=new.format,
        legacy_header_spaces=new.legacy_header_spaces,
        spreadsheet_safe=new.spreadsheet_safe,
        at=_ms(now),
        email=new.email or "",
        link_base=requester.link_base,
        requested_by=requester.client_id,
    )
    job = Job(
        account_id=requester.account_id,
        job_id=job_id_of(export.export_id),
        kind=JobKind.EXPORT,
        state=JobState.QUEUED,
        target=0,
        lease_until=_ms(now) + _LEASE_MS,
        created_at=now,
        export=export,
    )
    party = Party(requester.account_id, requester.client_id)
    for arrangement_id in sorted({file.source.arrangement_id for file in export.files if file.source}):
        note_export(stores.sharing, party, arrangement_id, now)
    saved = stores.jobs.save(job)
    stores.workflows.start_export(requester.account_id, export.export_id)
    return report(stores.jobs, saved, now)


def get(stores: ExportStores, account_id: AccountId, export_id: str, now: datetime) -> Report:
    return report(stores.jobs, _find(stores.jobs, account_id, export_id), now)


def list_all(
    stores: ExportStores, account_id: AccountId, audience_id: AudienceId | None, start: int, limit: int, now: datetime
) -> tuple[tuple[Report, ...], int | None]:
    """Exports of the account or of an audience, the latest first; and where the next page starts, None if nowhere."""
    found = [job for job in stores.jobs.list(account_id) if job.export and _has(job.export, audience_id)]
    more = start + limit if len(found) > start + limit else None
    return tuple(report(stores.jobs, job, now) for job in found[start : start + limit]), more


def cancel(stores: ExportStores, account_id: AccountId, export_id: str, now: datetime) -> Report:
    """Its files are removed by the run that it had. Raise `ConflictError` when it has ended already."""
    job = _find(stores.jobs, account_id, export_id)
    return jobs.cancel(JobStores(stores.jobs, stores.audiences, stores.workflows), account_id, job.job_id, now)


def download(stores: ExportStores, account_id: AccountId, export_id: str, now: datetime) -> str:
    """An address that the archive can be downloaded from, for `LINK_SECONDS`.

    Raises:
        ConflictError: it is not ready.
        GoneError: it was removed, or holds an audience whose sharing is over.
    """
    job = _find(stores.jobs, account_id, export_id)
    if job.export is None or job.export.archive is None:
        raise ConflictError(f"the export is {job.state_at(_ms(now))}: there is nothing to download")
    return _address(stores, job, job.export.archive, now)


def open_link(stores: ExportStores, token: str, now: datetime) -> str:
    """As `download`, for whoever has the link of an e-mail; without a hint at what is behind it.

    Raises:
        ForbiddenError: it is not one of ours.
        GoneError: its time is over, or there is nothing any more.
    """
    account_id, export_id = links.read(stores.keys, token, now)
    try:
        return download(stores, account_id, export_id, now)
    except (NotFoundError, ConflictError) as error:
        raise links.over() from error


def _address(stores: ExportStores, job: Job, archive: Archive, now: datetime) -> str:
    sources = [file.source for file in job.export.files if file.source] if job.export else []
    if not all(stores.sharing.is_accepted(job.account_id, each.arrangement_id) for each in sources):
        raise GoneError("the export holds an audience that is not shared with this account any more")
    key = archive_key(job.account_id, job.job_id.removeprefix(job_id_of("")), job.token, archive.name)
    if archive.expires_at <= _ms(now) or stores.files.size(key) is None:
        raise links.over()
    return stores.files.link(key, archive.name, LINK_SECONDS)


def _require_usable(new: NewExport) -> None:
    found = [
        (f"/identity_types/{place}", f"'{each}' is no identity type that can be exported")
        for place, each in enumerate(new.identity_types)
        if each not in EXPORTED_TYPES and each != MPID
    ]
    if not set(new.identity_types) - {MPID}:
        found.append(("/identity_types", "choose at least one, beside the mpid which is always there"))
    if new.email is not None and not (_EMAIL.fullmatch(new.email) and new.email.isascii()):
        found.append(("/email", "is no e-mail address"))
    if new.format is not ExportFormat.CSV:
        names = ("legacy_header_spaces", "spreadsheet_safe")
        found += [(f"/{name}", "is for CSV alone") for name in names if getattr(new, name)]
    if found:
        raise InvalidInputError("the export cannot be made as asked: see errors", tuple(found))


def _find(store: JobStore, account_id: AccountId, export_id: str) -> Job:
    try:
        return store.get(account_id, job_id_of(export_id))
    except NotFoundError as error:
        raise NotFoundError(f"there is no export {export_id}") from error


def _has(export: Export, audience_id: AudienceId | None) -> bool:
    return audience_id is None or any(file.audience_id == audience_id for file in export.files)


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)
