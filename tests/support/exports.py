"""An account in memory whose audiences are exported: every invocation of a run can be had, killed and repeated."""

import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.export import Export, archive_key, job_id_of
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.job import Job, JobState
from audience_core.domain.lifetime import LifetimeResult
from audience_core.domain.membership import HistoryEntry, Membership, Reason
from audience_core.domain.profile import Profile, bucket_of
from audience_core.domain.stores import CountStep
from audience_core.errors import ConflictError, DeliveryError, NotFoundError, NotOursError
from audience_core.management import exports
from audience_core.management.exports import ExportStores, NewExport, Requester
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore, MemoryWorkflows
from audience_core.persistence.memory.exports import MemoryExportFiles, MemoryMail, MemorySigningKeys, MemorySink
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.ingest import MemoryArchive
from audience_core.persistence.memory.jobs import MemoryJobStore, MemoryRunFiles
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.memory.results import MemoryResultStore
from audience_core.persistence.memory.shards import MemoryShardStore
from audience_core.persistence.memory.sharing import MemorySharingStore
from audience_core.pipeline import export
from audience_core.pipeline.export import Exporter
from audience_core.pipeline.export_archive import write_archive
from audience_core.pipeline.export_parts import Order, work
from tests.support.control import ACCOUNT, AUDIENCE, NOW, an_account, an_audience

RUN = "run-1"
TERMINAL = (NotOursError, NotFoundError, ConflictError)
_RETRIES = 5


def a_result(**given: Any) -> LifetimeResult:
    """Of a calculation that came to its end just now."""
    defaults = {"calculation_id": "lifetime-1", "size": 0, "calculated_at": NOW, "archive_version": 1, "shard_count": 4}
    return LifetimeResult(**{**defaults, "expires_at": NOW + timedelta(days=30)} | given)


class Killed(BaseException):
    """The worker is gone: nothing of it runs any more, no clean-up either."""


class DyingFiles(MemoryExportFiles):
    """A worker that is killed leaves what it was creating open."""

    @contextmanager
    def create(self, key: str) -> Iterator[MemorySink]:
        upload = next(self._uploads)
        self.open[upload] = key
        sink = MemorySink()
        try:
            yield sink
        except Exception:
            self.open.pop(upload, None)
            raise
        if self.open.pop(upload, None) is None:
            raise NotFoundError("somebody gave this file up")
        self.files[key] = bytes(sink.content)


class Fuse:
    """Blows at one of the calls of stores: before it has an effect, or after."""

    def __init__(self, at: int, error: BaseException, *, is_after: bool = False, is_lasting: bool = False) -> None:
        self._at, self._error, self._is_after, self._is_lasting = at, error, is_after, is_lasting
        self.calls = 0

    def __call__(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
        self.calls += 1
        blows = self.calls >= self._at if self._is_lasting else self.calls == self._at
        if blows and not self._is_after:
            raise self._error
        result = method(*arguments, **named)
        if blows:
            raise self._error
        return result

    def guard(self, stores: Exporter) -> Exporter:
        guarded = {each.name: _Guarded(getattr(stores, each.name), self) for each in fields(stores)}
        return replace(stores, **guarded)


class _Guarded:
    def __init__(self, store: Any, fuse: Fuse) -> None:
        self._store, self._fuse = store, fuse

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._store, name)
        return (lambda *arguments, **named: self._fuse(method, *arguments, **named)) if callable(method) else method


class Town:
    """One account with one active audience, whose members the test says; time passes when the test says so.

    Exports are those of `exporting`, the same account by default.
    """

    exporting = ACCOUNT

    def __init__(self) -> None:
        self.accounts, self.audiences, self.jobs = MemoryAccountStore(), MemoryAudienceStore(), MemoryJobStore()
        self.memberships, self.history = MemoryMembershipStore(), MemoryHistoryStore()
        self.profiles, self.run_files, self.workflows = MemoryProfileStore(), MemoryRunFiles(), MemoryWorkflows()
        self.results, self.shards, self.archived = MemoryResultStore(), MemoryShardStore(), MemoryArchive()
        self.files, self.mail, self.keys = DyingFiles(), MemoryMail(), MemorySigningKeys()
        self.sharing = MemorySharingStore()
        self.accounts.create(an_account())
        self.now = int(NOW.timestamp() * 1000)
        self._sequence = count(1)
        self.add_audience()

    # What happens in it -------------------------------------------------------------------------------------------

    def add_audience(self, audience_id: AudienceId = AUDIENCE, **given: Any) -> Audience:
        return self.audiences.save(an_audience(audience_id=audience_id, status=AudienceStatus.ACTIVE, **given))

    def join(self, mpid: int, *identities: tuple[str, str], audience_id: AudienceId = AUDIENCE) -> None:
        """A user of these identities becomes a member now."""
        self.tell(mpid, *identities)
        self._record(mpid, audience_id, is_member=True)
        self.memberships.apply(ACCOUNT, [Membership(audience_id, Mpid(mpid), self.now)], [])

    def leave(self, mpid: int, audience_id: AudienceId = AUDIENCE) -> None:
        self._record(mpid, audience_id, is_member=False)
        self.memberships.apply(ACCOUNT, [], [(audience_id, Mpid(mpid))])

    def tell(self, mpid: int, *identities: tuple[str, str]) -> None:
        """The user has these identities, too."""
        known = self.profiles.load(ACCOUNT, Environment.PRODUCTION, [Mpid(mpid)])
        profile = known.get(Mpid(mpid)) or Profile(ACCOUNT, Environment.PRODUCTION, Mpid(mpid))
        profile.identities |= {Identity(*each): self.now for each in identities}
        self.profiles.save(profile, self.now)

    def forget(self, mpid: int) -> None:
        """The profile is removed."""
        (profile,) = self.profiles.load(ACCOUNT, Environment.PRODUCTION, [Mpid(mpid)]).values()
        self.profiles.delete(profile)

    def _record(self, mpid: int, audience_id: AudienceId, *, is_member: bool) -> None:
        number = next(self._sequence)
        entry = HistoryEntry(audience_id, Mpid(mpid), is_member, self.now, Reason.EVENT, number)
        self.history.record(ACCOUNT, [entry], 90)
        step = CountStep(bucket_of(Mpid(mpid)), str(number), self.now, int(is_member), int(not is_member))
        self.memberships.count(ACCOUNT, {audience_id: [step]})

    # Exports of it ------------------------------------------------------------------------------------------------

    def stores(self) -> ExportStores:
        return ExportStores(self.audiences, self.jobs, self.workflows, self.files, self.keys, self.sharing)

    def exporter(self) -> Exporter:
        people, job = (self.memberships, self.history, self.profiles), (self.jobs, self.run_files)
        return Exporter(
            self.accounts,
            self.audiences,
            *people,
            *job,
            files=self.files,
            mail=self.mail,
            keys=self.keys,
            results=self.results,
            shards=self.shards,
            erasures=self.archived,
            sharing=self.sharing,
        )

    def ask(self, **given: Any) -> str:
        """Ask for an export; its id."""
        new = {"audiences": [{"id": AUDIENCE}], "identity_types": ["email"]} | given
        requester = Requester(self.exporting, "client-1", "https://api.example.com")
        made = exports.create(self.stores(), requester, NewExport.model_validate(new), self.clock())
        assert made.job.export is not None
        return made.job.export.export_id

    def run(
        self,
        export_id: str,
        stores: Exporter | None = None,
        run: str = RUN,
        token: int = 1,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        """Play the state machine; `between` is called before every invocation. A killed invocation is tried again."""
        used = stores or self.exporter()

        def invoke[R](function: Callable[[], R]) -> R:
            for attempt in range(_RETRIES + 1):
                between()
                try:
                    return function()
                except TERMINAL:
                    raise
                except (Killed, Exception) as error:
                    if attempt == _RETRIES:
                        raise RuntimeError(str(error)) from error
            raise AssertionError

        self._steps(used, export_id, run, token, invoke)

    def _steps(self, used: Exporter, export_id: str, run: str, token: int, invoke: Callable[..., Any]) -> None:
        of = (used, self.exporting, export_id)
        try:
            plan = invoke(lambda: export.plan(*of, token, run, timedelta(seconds=90), self.clock()))
            if not plan["is_on"]:
                return
            for line in self.run_files.lines(plan["key"]):
                order = Order(self.exporting, export_id, plan["token"], **line)
                while not invoke(lambda order=order: work(used, order, lambda: self.now, self.now)).is_done:
                    pass
            invoke(lambda: write_archive(*of, plan["token"], lambda: self.now))
            invoke(lambda: export.finish(*of, plan["token"], run, self.clock()))
        except Exception as error:
            # As the state machine's Catch; what fails for ever fails here, too.
            text = str(error)
            export.fail(self.exporter(), self.exporting, export_id, token, run, text, self.clock())
            return
        try:
            invoke(lambda: export.send_link(*of))
        except (RuntimeError, DeliveryError) as error:
            export.note_unsent(self.exporter(), self.exporting, export_id, str(error))

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, UTC)

    # What came of them --------------------------------------------------------------------------------------------

    def job(self, export_id: str) -> Job:
        return self.jobs.get(self.exporting, job_id_of(export_id))

    def export(self, export_id: str) -> Export:
        return export.export_of(self.job(export_id))

    def archive(self, export_id: str) -> "Opened":
        job = self.job(export_id)
        assert job.state is JobState.SUCCEEDED, job.error
        name = export.name_of(export.export_of(job))
        return Opened(self.files.files[archive_key(self.exporting, export_id, job.token, name)])

    def is_clean(self, export_id: str) -> bool:
        """Nothing of the export is left, but its archive if it has one."""
        job = self.job(export_id)
        archive = job.export.archive if job.export else None
        kept = [archive_key(self.exporting, export_id, job.token, archive.name)] if archive else []
        return not self.files.open and list(self.files.below(f"{self.exporting}/{export_id}/")) == kept


class Opened:
    """An archive as its receiver reads it."""

    def __init__(self, content: bytes) -> None:
        self.zip = zipfile.ZipFile(io.BytesIO(content))
        assert self.zip.testzip() is None
        self.manifest: dict[str, Any] = json.loads(self.zip.read("manifest.json"))

    def rows(self, file: int = 0) -> list[dict[str, str]]:
        """Of one of its CSV files."""
        text = self.zip.read(self.manifest["files"][file]["file_name"]).decode()
        return list(csv.DictReader(io.StringIO(text, newline="")))
