"""The last step of an export: pieces and their manifest as one archive. Needs the columnar layer."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from audience_core.domain.export import ExportFormat, Pieces, archive_key, folder_of
from audience_core.domain.ids import AccountId
from audience_core.domain.job import Job, JobStep, Part
from audience_core.exports.archive import ArchiveWriter, archive_into
from audience_core.exports.csv_rows import CsvLayout
from audience_core.exports.manifest import MANIFEST, manifest, whole
from audience_core.exports.parquet_file import write_parquet
from audience_core.pipeline.export import Exporter, contents, export_of, name_of, require_ours

# How often watchers are told, and the lease is prolonged.
_TELL_MS = 3_000
# More than what a file has beside its rows.
_SLACK_BYTES = 1_000_000

type Clock = Callable[[], int]


def write_archive(stores: Exporter, account_id: AccountId, export_id: str, token: int, clock: Clock) -> None:
    """Whole or not at all; a repeat begins anew.

    Raises:
        NotOursError: the job was cancelled or is another run's now.
        NotFoundError: a piece is gone.
    """
    job = require_ours(stores.jobs, account_id, export_id, token, clock())
    export, filled = export_of(job), contents(stores, job)
    watch = _Watch(stores, job, whole(filled).bytes, clock)
    # A worker that was killed could not give its upload up.
    stores.files.give_up(folder_of(account_id, export_id, token))
    name, at = name_of(export), datetime.fromtimestamp(export.at / 1000, UTC)
    with (
        stores.files.create(archive_key(account_id, export_id, token, name)) as sink,
        archive_into(sink, at) as archive,
    ):
        for file, written in filled:
            _add(archive, watch, job, file.name, written)
        now = datetime.fromtimestamp(clock() / 1000, UTC)
        text = manifest(export, name, filled, now)
        archive.add(MANIFEST, (text,), len(text))
    watch.done()


class _Watch:
    """Reads pieces while it tells how far that is."""

    def __init__(self, stores: Exporter, job: Job, total_bytes: int, clock: Clock) -> None:
        self._stores, self._job, self._total, self._clock = stores, job, total_bytes, clock
        part = Part(account_id=job.account_id, job_id=job.parts_id, step=JobStep.ARCHIVE, name="all", bucket=0)
        self._part, self._read, self._told = stores.jobs.claim(part), 0, clock()

    def piece(self, key: str) -> Iterator[bytes]:
        for chunk in self._stores.files.read(key):
            self._read += len(chunk)
            yield chunk
            if self._clock() - self._told >= _TELL_MS:
                self._tell()

    def done(self) -> None:
        """Also sees that the archive is not for nothing."""
        self._read = self._total
        self._tell(is_done=True)

    def _tell(self, *, is_done: bool = False) -> None:
        self._told = self._clock()
        job = self._job
        require_ours(self._stores.jobs, job.account_id, export_of(job).export_id, job.token, self._told)
        progress = min(1.0, self._read / self._total) if self._total else 1.0
        self._part = self._part.model_copy(update={"progress": progress, "is_done": is_done})
        self._stores.jobs.save_part(self._part)


def _add(archive: ArchiveWriter, watch: _Watch, job: Job, name: str, written: Pieces) -> None:
    export = export_of(job)
    if export.format is ExportFormat.PARQUET:
        with archive.entry(name, written.bytes + _SLACK_BYTES) as entry:
            write_parquet(entry, (b"".join(watch.piece(key)) for key in written.keys))
    else:
        layout = CsvLayout(export.at, header_spaces=export.legacy_header_spaces)
        archive.add(name, _csv(layout, watch, written), written.bytes + _SLACK_BYTES)


def _csv(layout: CsvLayout, watch: _Watch, written: Pieces) -> Iterator[bytes]:
    yield layout.header
    for key in written.keys:
        yield from watch.piece(key)
