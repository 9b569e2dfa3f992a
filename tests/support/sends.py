"""A lifetime audience that is sent: every step of a run can be had one at a time, and what partners then know."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from audience_core.domain.archive import ArchiveShard, Erasure, Manifest, shard_of
from audience_core.domain.audience import AudienceKind, AudienceStatus
from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.job import Job, JobState, JobStep
from audience_core.domain.lifetime import LifetimeResult
from audience_core.domain.output import DELIVERY_BUCKETS, ConnectionStatus
from audience_core.domain.profile import Profile, Seen
from audience_core.evaluation.columnar.kept import EMPTY, merged, write_kept
from audience_core.management import jobs, sends
from audience_core.management.jobs import JobStores, Report
from audience_core.management.sends import NewSend, SendStores
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.persistence.memory.ingest import MemoryArchive
from audience_core.persistence.memory.jobs import MemoryJobStore, MemoryRunFiles
from audience_core.persistence.memory.results import MemoryResultStore
from audience_core.persistence.memory.shards import MemoryShardStore
from audience_core.pipeline import send
from audience_core.pipeline.send import Sender
from audience_core.pipeline.send_parts import SendOrder, work
from tests.support.control import ACCOUNT, AUDIENCE, CONNECTION, WORKSPACE
from tests.support.delivery import T, World
from tests.support.results import keep_members

DAY_MS = 86_400_000


@dataclass
class PostOffice(World):
    """The stores of `World` and those of a send; the audience is a lifetime one, its connection was never active."""

    archive: MemoryArchive = field(default_factory=MemoryArchive)
    results: MemoryResultStore = field(default_factory=MemoryResultStore)
    shards: MemoryShardStore = field(default_factory=MemoryShardStore)
    jobs: MemoryJobStore = field(default_factory=MemoryJobStore)
    files: MemoryRunFiles = field(default_factory=MemoryRunFiles)
    workflows: MemoryWorkflows = field(default_factory=MemoryWorkflows)
    now: int = T

    def __post_init__(self) -> None:
        super().__post_init__()
        audience = self.audiences.get(ACCOUNT, AUDIENCE)
        self.audiences.save(audience.model_copy(update={"kind": AudienceKind.LIFETIME}))
        self.change(status=ConnectionStatus.INACTIVE)

    # What is there to be sent -------------------------------------------------------------------------------------

    def found(self, calculation_id: str, mpids: Collection[int], shard_count: int = 4) -> None:
        """A calculation found these members, and the audience is ready."""
        shards = range(shard_count)
        by_shard = {shard: [each for each in mpids if shard_of(each, shard_count) == shard] for shard in shards}
        keep_members(self.results, ACCOUNT, AUDIENCE, calculation_id, by_shard)
        result = LifetimeResult(
            calculation_id=calculation_id,
            size=len(mpids),
            calculated_at=self.clock(),
            expires_at=self.clock() + timedelta(days=30),
            archive_version=1,
            shard_count=shard_count,
        )
        ready = {"status": AudienceStatus.READY, "result": result}
        self.audiences.save(self.audiences.get(ACCOUNT, AUDIENCE).model_copy(update=ready))

    def live(self, *mpids: int) -> None:
        """These users have profiles."""
        for mpid in mpids:
            self.profiles.save(a_user(mpid, f"{mpid}@example.com"), self.now)

    def gone(self, *mpids: int) -> None:
        """The profiles of these were removed."""
        for profile in self.profiles.load(ACCOUNT, Environment.PRODUCTION, [Mpid(each) for each in mpids]).values():
            self.profiles.delete(profile)

    def archived(self, *mpids: int, count: int = 2) -> None:
        """The archive knows these users, by other addresses."""
        shards = []
        for number in range(count):
            users = [a_user(each, f"old-{each}@example.com") for each in mpids if shard_of(each, count) == number]
            with TemporaryDirectory() as folder:
                write_kept(Path(folder), merged(EMPTY, users))
                files = self.shards.upload(ACCOUNT, f"1/{number}", Path(folder))
            shards.append(ArchiveShard(number=number, folder=f"1/{number}", users=len(users), events=0, files=files))
        self.shards.commit(ACCOUNT, Manifest(version=1, count=count, shards=tuple(shards)))

    def erase(self, mpid: int) -> None:
        self.gone(mpid)
        self.archive.put([Erasure(ACCOUNT, Environment.PRODUCTION, Mpid(mpid), self.now)], self.now)

    # Sends of it --------------------------------------------------------------------------------------------------

    def start(self, *connection_ids: ConnectionId) -> Job:
        new = NewSend(connection_ids=connection_ids or None)
        return sends.start(self.control(), ACCOUNT, AUDIENCE, new, self.clock())

    def control(self) -> SendStores:
        return SendStores(self.audiences, self.outputs, self.jobs, self.workflows)

    def sender(self) -> Sender:
        members = (self.audiences, self.outputs, self.results, self.profiles, self.shards, self.archive)
        return Sender(*members, self.ledger, self.wake_ups, self.jobs, self.files, self.workflows)

    def run(self, job_id: str, run: str = "run", token: int = 1) -> Iterator[str]:
        """Play the state machine up to its first look at partners; yields before every invocation but the first."""
        stores = self.sender()
        plan = send.plan(stores, ACCOUNT, job_id, token, run, self.clock())
        if plan["go"] != "on":
            return
        for step in (JobStep.PUBLISH, JobStep.WITHDRAW):
            for line in self.files.lines(plan[step]):
                order = SendOrder(ACCOUNT, job_id, plan["token"], step, line["part"], line["place"])
                is_done = False
                while not is_done:
                    yield f"{step} {line['place']}"
                    is_done = work(stores, order, lambda: self.now, self.now).is_done
        yield "watch"
        send.watch(stores, ACCOUNT, job_id, plan["token"], self.clock())

    def watch(self, job_id: str, token: int = 1) -> bool:
        return send.watch(self.sender(), ACCOUNT, job_id, token, self.clock())

    def sent(self, deliver: Callable[["PostOffice"], None] | None = None) -> Job:
        """Start to send, and play the machine to its end.

        Args:
            deliver: what partners are told meanwhile; by default they acknowledge everything.
        """
        job = self.start()
        for _ in self.run(job.job_id):
            pass
        (deliver or PostOffice.acknowledge)(self)
        assert self.jobs.get(ACCOUNT, job.job_id).state is JobState.SUCCEEDED or self.watch(job.job_id)
        return job

    def acknowledge(self) -> None:
        """All partners have everything."""
        for connection in self.outputs.list_connections(ACCOUNT):
            for lane in range(DELIVERY_BUCKETS):
                rows = self.ledger.dirty(ACCOUNT, connection.connection_id, lane, 10_000)
                self.ledger.acknowledge(rows)

    def report(self, job_id: str) -> Report:
        return jobs.get(self.watchers(), ACCOUNT, job_id, self.clock())

    def watchers(self) -> JobStores:
        return JobStores(self.jobs, self.audiences, self.workflows)

    # What came of them --------------------------------------------------------------------------------------------

    def desired(self, connection_id: ConnectionId = CONNECTION) -> dict[int, str]:
        """The address by which each member is desired."""
        lanes = range(DELIVERY_BUCKETS)
        rows = [row for lane in lanes for row in self.ledger.rows(ACCOUNT, connection_id, lane, None, 10_000).items]
        return {row.mpid: row.desired.identities[0].value for row in rows if row.desired}

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, UTC)


def a_user(mpid: int, email: str) -> Profile:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, Mpid(mpid))
    profile.identities = {Identity("email", email): 1}
    profile.seen[WORKSPACE] = Seen(1, 2)
    return profile


def live_addresses(mpids: Collection[int]) -> Mapping[int, str]:
    return {each: f"{each}@example.com" for each in mpids}
