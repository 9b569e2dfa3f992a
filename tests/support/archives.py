"""An archive in memory that is compacted while entries come in: every step of a run can be had one at a time."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from audience_core.domain.account import LoginStrategy
from audience_core.domain.archive import FILES, ArchiveShard, OwnedBatch
from audience_core.domain.control_stores import AccountStore
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.job import JobState, JobStep
from audience_core.domain.profile import Profile
from audience_core.evaluation.columnar.kept import Kept, profiles_of, read_kept
from audience_core.persistence.memory.ingest import MemoryArchive
from audience_core.persistence.memory.jobs import MemoryJobStore, MemoryRunFiles
from audience_core.persistence.memory.shards import MemoryShardStore
from audience_core.pipeline import compaction
from audience_core.pipeline.compaction import Compaction
from audience_core.pipeline.compaction_parts import PartOrder, fold, work
from tests.support.population import ACCOUNT, NOW, Population, a_batch, custom_event


class Library:
    """The archive of `ACCOUNT`."""

    def __init__(self, accounts: AccountStore, raw: MemoryArchive, max_shard_events: int = 2_000_000) -> None:
        self.accounts, self.raw, self.max_shard_events = accounts, raw, max_shard_events
        self.shards, self.jobs, self.files = MemoryShardStore(), MemoryJobStore(), MemoryRunFiles()
        self.now = NOW

    def stores(self) -> Compaction:
        return Compaction(self.accounts, self.raw, self.raw, self.shards, self.jobs, self.files, self.max_shard_events)

    def run(self, run: str, token: int = 0) -> Iterator[str]:
        """Play the state machine; yields before every invocation of a function after the first."""
        stores = self.stores()
        begun = compaction.plan(stores, ACCOUNT, token, run, self.clock())
        if begun["go"] != "on":
            return
        job_id, token = begun["job_id"], begun["token"]
        for step in (JobStep.SPREAD, JobStep.MERGE):
            key = begun["key"]
            if step is JobStep.MERGE:
                yield "gather"
                key = compaction.gather(stores, ACCOUNT, job_id, token, self.clock())["key"]
            for line in self.files.lines(key):
                yield f"{step} {line['number']}"
                work(stores, PartOrder(ACCOUNT, job_id, token, step, line["number"]), lambda: self.now)
        yield "commit"
        compaction.commit(stores, ACCOUNT, job_id, token, self.clock())

    def compact(self, run: str = "") -> int:
        """Run to the end; the version of the archive."""
        for _ in self.run(run or f"run at {self.now}"):
            pass
        return self.shards.manifest(ACCOUNT).version

    def state(self) -> JobState:
        return self.jobs.list(ACCOUNT)[0].state

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, UTC)

    def fetched(self, shard: ArchiveShard, folder: Path) -> Path:
        self.shards.download(ACCOUNT, shard, FILES, folder)
        return folder

    def kept(self) -> dict[int, Kept]:
        """Everything that is in the shards, by their numbers."""
        found = {}
        for shard in self.shards.manifest(ACCOUNT).shards:
            with TemporaryDirectory() as folder:
                found[shard.number] = read_kept(self.fetched(shard, Path(folder)))
        return found

    def users(self) -> dict[Mpid, Profile]:
        """All users of all shards, each with all its events."""
        found: dict[Mpid, Profile] = {}
        for kept in self.kept().values():
            users = profiles_of(kept, ACCOUNT, [Mpid(each) for each in kept.mpids.tolist()])
            assert not users.keys() & found.keys()
            found |= users
        return found

    def expected(self) -> dict[Mpid, Profile]:
        """What all entries together make of each user, merged in one go."""
        entries = sorted(self.raw.all, key=repr)
        found: dict[Mpid, Profile] = {}
        for mpid in {entry.mpid for entry in entries}:
            profile = Profile(ACCOUNT, Environment.PRODUCTION, mpid)
            if fold(profile, [entry for entry in entries if entry.mpid == mpid], LoginStrategy()):
                found[mpid] = profile
        return found


def library(**given: Any) -> Library:
    return Library(Population().accounts, MemoryArchive(), **given)


def entry(number: int, mpid: int = 5, at: int = NOW, **body: Any) -> OwnedBatch:
    """A batch of one view, a minute before it was received."""
    body.setdefault("events", [custom_event("view", at - 60_000, f"m-{number}", number=number)])
    batch = a_batch(number, f"c-{mpid}", at, **body)
    return OwnedBatch(batch, Mpid(mpid), (Identity("customer_id", f"c-{mpid}"),))


def known(users: dict[Mpid, Profile]) -> dict[Mpid, Any]:
    """All that the archive is to know of users."""
    return {mpid: (each.identities, each.registers, each.seen, each.timeline) for mpid, each in users.items()}


def views(held: Library, mpid: int = 5) -> list[int]:
    users = held.users()
    if Mpid(mpid) not in users:
        return []
    tracks = users[Mpid(mpid)].timeline.values()
    return sorted(int(str(event.attributes["number"])) for track in tracks for event in track)


def replace_time(entry: OwnedBatch, salt: int) -> OwnedBatch:
    """The same batch; the memory archive would take an equal entry only once."""
    return replace(entry, batch=replace(entry.batch, body={**entry.batch.body, "salt": salt}))
