"""An export from its beginning to its end: a lease, a list of parts, an archive, a link; no trace of a failure.

Every attempt keeps its files in a folder of its own. Whoever ends an attempt without success empties that folder, and
the attempt after it begins anew, of the same instant.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from audience_core.domain.archive import Erasures, ShardStore
from audience_core.domain.control_stores import AccountStore, AudienceStore, JobStore, Mail, RunFiles
from audience_core.domain.export import (
    KEPT_DAYS,
    Archive,
    Export,
    ExportFile,
    Pieces,
    archive_key,
    folder_of,
    job_id_of,
)
from audience_core.domain.export_stores import ExportFiles, SigningKeys
from audience_core.domain.ids import DAY_MS, AccountId
from audience_core.domain.job import UNDER_WAY, Job, JobState, JobStep
from audience_core.domain.profile import BUCKETS
from audience_core.domain.results import ResultStore
from audience_core.domain.sharing_stores import SharingStore
from audience_core.domain.stores import HistoryStore, MembershipStore, ProfileStore
from audience_core.errors import ConflictError, NotFoundError, NotOursError
from audience_core.exports import links
from audience_core.exports.manifest import archive_name, whole

LEASE_MS = 300_000
# An audience of fewer members is not worth a worker for every bucket.
_SMALL_AUDIENCE, _NEIGHBOURS = 20_000, 16

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Exporter:
    """What exports need of the outside world."""

    accounts: AccountStore
    audiences: AudienceStore
    memberships: MembershipStore
    history: HistoryStore
    profiles: ProfileStore
    jobs: JobStore
    run_files: RunFiles
    files: ExportFiles
    mail: Mail
    keys: SigningKeys
    results: ResultStore
    shards: ShardStore
    erasures: Erasures
    sharing: SharingStore


def require_shared(sharing: SharingStore, job: Job) -> None:
    """Raise `ConflictError` when an audience of the export was received, and its sharing is over."""
    for file in export_of(job).files:
        if file.source is not None and not sharing.is_accepted(job.account_id, file.source.arrangement_id):
            raise ConflictError(f"{file.audience_name} is not shared with this account any more")


def require_ours(jobs: JobStore, account_id: AccountId, export_id: str, token: int, now_ms: int) -> Job:
    """The running job of this attempt, with its lease prolonged; raise `NotOursError` when it is not that any more."""
    job = jobs.get(account_id, job_id_of(export_id))
    if job.token != token or not jobs.prolong(job, now_ms + LEASE_MS):
        raise NotOursError(f"{job.job_id} is {job.state}, in attempt {job.token}")
    return job


def export_of(job: Job) -> Export:
    if job.export is None:
        raise ValueError(f"{job.job_id} is no export")
    return job.export


def name_of(export: Export) -> str:
    """Of its archive."""
    return archive_name(export.export_id, datetime.fromtimestamp(export.at / 1000, UTC))


# Its steps ------------------------------------------------------------------------------------------------------


def plan(
    stores: Exporter, account_id: AccountId, export_id: str, token: int, run: str, settle: timedelta, now: datetime
) -> dict[str, Any]:
    """Take the job's lease, remove what earlier attempts left, and write the list of parts.

    Args:
        settle: for how long after the instant member lists may still learn of changes before it.

    Returns:
        `is_on`; and if so: where the list is, the `token` by which this run's workers are known, and `settled_at`.

    Raises:
        ConflictError: joins and leaves since the instant are not kept any more.
    """
    job = _lease(stores.jobs, account_id, export_id, token, run, now)
    if job is None:
        return {"is_on": False}
    export = export_of(job)
    at = datetime.fromtimestamp(export.at / 1000, UTC)
    homes = {file.members_of(account_id)[0] for file in export.files}
    kept = timedelta(days=min(stores.accounts.get(each).history_retention_days for each in homes))
    if at < now - kept:
        raise ConflictError("joins and leaves since its instant are not kept any more: export the audience again")
    _remove(stores.files, job, job.token - 1)
    name = f"jobs/{account_id}/{job.job_id}/{job.token}.jsonl"
    parts = [part for index, file in enumerate(export.files) for part in _parts(stores, account_id, index, file, now)]
    bucket = stores.run_files.put_lines(name, parts)
    settled_at = f"{at + settle + timedelta(seconds=1):%Y-%m-%dT%H:%M:%SZ}"
    return {"is_on": True, "bucket": bucket, "key": name, "token": job.token, "settled_at": settled_at}


def contents(stores: Exporter, job: Job) -> list[tuple[ExportFile, Pieces]]:
    """What was written of each file.

    Raises:
        ConflictError: something is missing.
    """
    found, parts = [], stores.jobs.parts(job.account_id, job.parts_id)
    for index, file in enumerate(export_of(job).files):
        written, upto = Pieces(), 0
        for part in parts:
            number, _, first = part.name.partition("-")
            if part.step is not JobStep.WRITE or int(number) != index:
                continue
            if int(first) != upto or not part.is_done:
                raise ConflictError(f"part {upto} of {file.name} is not written")
            written, upto = written.and_then(part.pieces or Pieces()), part.bucket
        if upto != places_of(stores, job.account_id, file):
            raise ConflictError(f"part {upto} of {file.name} is not written")
        found.append((file, written))
    return found


def finish(stores: Exporter, account_id: AccountId, export_id: str, token: int, run: str, now: datetime) -> JobState:
    """Remove the pieces and let the archive be downloaded. A repeat by the same run is harmless.

    Raises:
        ConflictError: there is no archive, or it holds an audience whose sharing is over.
    """
    job = stores.jobs.get(account_id, job_id_of(export_id))
    if (job.state, job.run, job.token) == (JobState.SUCCEEDED, run, token):
        return job.state
    require_ours(stores.jobs, account_id, export_id, token, _ms(now))
    job = stores.jobs.get(account_id, job_id_of(export_id))
    require_shared(stores.sharing, job)
    export = export_of(job)
    name, total = name_of(export), whole(contents(stores, job))
    size = stores.files.size(archive_key(account_id, export_id, token, name))
    if size is None:
        raise ConflictError("the archive is not there")
    stores.files.delete(stores.files.below(pieces_folder(job)))
    archive = Archive(
        name=name,
        users=total.users,
        rows_by_identity=total.rows_by_identity,
        bytes=size,
        expires_at=_ms(now) + KEPT_DAYS * DAY_MS,
    )
    done = export.model_copy(update={"archive": archive})
    logger.info("export finished", extra={"export_id": export_id, "bytes": size})
    return _end(stores.jobs, job.model_copy(update={"export": done}), JobState.SUCCEEDED, "", now)


def send_link(stores: Exporter, account_id: AccountId, export_id: str) -> bool:
    """Mail the link to whoever wants it; whether somebody did.

    Raises:
        InvalidInputError, UnavailableError: it was not accepted.
    """
    export = export_of(stores.jobs.get(account_id, job_id_of(export_id)))
    if not export.email or export.archive is None:
        return False
    token = links.sign(stores.keys, account_id, export_id, export.archive.expires_at)
    subject, text = links.message(export, export.archive, f"{export.link_base}/v1/downloads/{token}")
    stores.mail.send(export.email, subject, text)
    return True


def note_unsent(stores: Exporter, account_id: AccountId, export_id: str, error: str) -> None:
    """The archive is there, but its link could not be mailed."""
    job = stores.jobs.get(account_id, job_id_of(export_id))
    changed = export_of(job).model_copy(update={"email_error": error})
    stores.jobs.save(job.model_copy(update={"export": changed}))


def fail(
    stores: Exporter, account_id: AccountId, export_id: str, token: int, run: str, error: str, now: datetime
) -> None:
    """Note why, unless the job has ended, and leave nothing of the attempt. What belongs to a later one is not touched.

    Args:
        token: that the run was started with.
    """
    try:
        job = stores.jobs.get(account_id, job_id_of(export_id))
    except NotFoundError:
        return
    is_ours = job.run == run or (job.run == "" and job.token == token)
    if is_ours and job.state in UNDER_WAY:
        _end(stores.jobs, job, JobState.FAILED, error or "the reason is in the log", now)
    if job.state is not JobState.SUCCEEDED:
        _remove(stores.files, job, job.token if is_ours else job.token - 1)


def reason(error: str, cause: str, told: Mapping[str, Any] | None) -> str:
    """What a person is told of a failure.

    Args:
        told: the cause as JSON, when it is a function's own error.
    """
    message = (told or {}).get("errorMessage")
    return f"{error}: {message}" if message else f"{error}: {cause}".removesuffix(": ")


def pieces_folder(job: Job) -> str:
    return f"{folder_of(job.account_id, export_of(job).export_id, job.token)}pieces/"


def places_of(stores: Exporter, account_id: AccountId, file: ExportFile) -> int:
    """Into how many pieces of work a file can be divided: buckets of profiles, or shards of a calculation."""
    if not file.calculation_id:
        return BUCKETS
    return len(stores.results.shards(account_id, file.audience_id, file.calculation_id))


def _lease(jobs: JobStore, account_id: AccountId, export_id: str, token: int, run: str, now: datetime) -> Job | None:
    """The job as this run's, or None when it is another's or has ended."""
    job = jobs.get(account_id, job_id_of(export_id))
    is_free = job.token == token and job.run in ("", run)
    if job.state not in UNDER_WAY or not is_free:
        return None
    changes = {"state": JobState.RUNNING, "run": run, "lease_until": _ms(now) + LEASE_MS, "started_at": now}
    return jobs.save(job.model_copy(update=changes))


def _parts(
    stores: Exporter, account_id: AccountId, index: int, file: ExportFile, now: datetime
) -> list[dict[str, int]]:
    """Ranges of buckets, or of shards, of one file."""
    home, audience_id = file.members_of(account_id)
    audience = stores.audiences.get(home, audience_id)
    counts = stores.memberships.counts(home, audience.live_set, _ms(now))
    size = audience.result.size if audience.result else counts.size
    width, places = _NEIGHBOURS if size < _SMALL_AUDIENCE else 1, places_of(stores, account_id, file)
    if not places:
        raise ConflictError(f"the members of {file.audience_name} that were found are not kept any more")
    starts = range(0, places, width)
    return [{"file": index, "first": first, "last": min(first + width, places) - 1} for first in starts]


def _remove(files: ExportFiles, job: Job, upto_attempt: int) -> None:
    """Uploads first: whoever still writes one can then not finish it."""
    for attempt in range(1, upto_attempt + 1):
        folder = folder_of(job.account_id, export_of(job).export_id, attempt)
        files.give_up(folder)
        files.delete(files.below(folder))


def _end(jobs: JobStore, job: Job, state: JobState, error: str, now: datetime) -> JobState:
    return jobs.save(job.model_copy(update={"state": state, "error": error, "ended_at": now})).state


def _ms(now: datetime) -> int:
    return int(now.timestamp() * 1000)
