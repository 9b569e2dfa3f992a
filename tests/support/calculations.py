"""An account in memory whose lifetime audiences are calculated: every step of a run can be had one at a time."""

from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from audience_core.domain.account import Account
from audience_core.domain.archive import ArchiveShard, Manifest, shard_of
from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.job import Job
from audience_core.domain.membership import Membership
from audience_core.domain.profile import Profile
from audience_core.evaluation.columnar.kept import EMPTY, merged, write_kept
from audience_core.management import calculations
from audience_core.management.calculations import CalculationStores, NewCalculation
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore, MemoryWorkflows
from audience_core.persistence.memory.jobs import MemoryJobStore, MemoryRunFiles
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.results import MemoryResultStore
from audience_core.persistence.memory.shards import MemoryShardStore
from audience_core.pipeline import lifetime
from audience_core.pipeline.lifetime import Calculation
from audience_core.pipeline.lifetime_shard import ShardOrder, scan


class Office:
    """Stores, and runs of calculations."""

    def __init__(self, account_id: AccountId, now_ms: int, lifetime_credits: int = 1000) -> None:
        self.account_id, self.now = account_id, now_ms
        self.accounts, self.audiences = MemoryAccountStore(), MemoryAudienceStore()
        self.accounts.create(
            Account(account_id=account_id, name="Shop", has_lifetime_audiences=True, lifetime_credits=lifetime_credits)
        )
        self.shards, self.memberships, self.results = MemoryShardStore(), MemoryMembershipStore(), MemoryResultStore()
        self.jobs, self.files, self.workflows = MemoryJobStore(), MemoryRunFiles(), MemoryWorkflows()

    def archive(self, profiles: Collection[Profile], count: int = 1) -> None:
        """Commit an archive of these users in so many shards."""
        before = self.shards.manifest(self.account_id)
        shards = []
        for number in range(count):
            kept = merged(EMPTY, [each for each in profiles if shard_of(each.mpid, count) == number])
            if not len(kept.mpids):
                continue
            with TemporaryDirectory() as folder:
                write_kept(Path(folder), kept)
                name = f"made-{before.version + 1}/{number:05d}"
                files = self.shards.upload(self.account_id, name, Path(folder))
            first_at, last_at = kept.instants or (None, None)
            users, events = len(kept.mpids), kept.event_count
            shards.append(
                ArchiveShard(
                    number=number,
                    folder=name,
                    users=users,
                    events=events,
                    first_at=first_at,
                    last_at=last_at,
                    files=files,
                )
            )
        made = Manifest(version=before.version + 1, count=count, shards=tuple(shards))
        self.shards.commit(self.account_id, made)

    def draft(self, audience: Audience, **given: object) -> Audience:
        """Keep an audience as a lifetime draft."""
        changes = {"kind": AudienceKind.LIFETIME, "status": AudienceStatus.DRAFT, "version": 0, **given}
        return self.audiences.save(audience.model_copy(update=changes))

    def real_time(self, audience: Audience, members: Collection[Mpid]) -> Audience:
        """Keep an active real-time audience with these members."""
        active = {"status": AudienceStatus.ACTIVE, "version": 0}
        self.memberships.apply(
            self.account_id, [Membership(audience.audience_id, each, self.now) for each in members], []
        )
        return self.audiences.publish(audience.model_copy(update=active))

    def start(self, audience_ids: Sequence[AudienceId]) -> Job:
        stores = CalculationStores(self.accounts, self.audiences, self.shards, self.jobs, self.workflows)
        new = NewCalculation(audience_ids=tuple(audience_ids))
        return calculations.start(stores, self.account_id, new, "client-1", self.clock())

    def stores(self) -> Calculation:
        return Calculation(self.audiences, self.memberships, self.shards, self.results, self.jobs, self.files)

    def run(self, job_id: str, run: str = "run", token: int = 1) -> Iterator[str]:
        """Play the state machine; yields before every invocation of a function after the first."""
        stores = self.stores()
        begun = lifetime.plan(stores, self.account_id, job_id, token, run, self.clock())
        if begun["go"] != "on":
            return
        for line in self.files.lines(begun["key"]):
            yield f"scan {line['number']}"
            scan(stores, ShardOrder(self.account_id, job_id, begun["token"], line["number"]), self.now)
        yield "finish"
        lifetime.finish(stores, self.account_id, job_id, begun["token"], self.clock())

    def calculate(self, *audience_ids: AudienceId) -> None:
        for _ in self.run(self.start(audience_ids).job_id):
            pass

    def members(self, audience_id: AudienceId, limit: int = 1000) -> list[Mpid]:
        result = self.audiences.get(self.account_id, audience_id).result
        assert result is not None
        found: list[Mpid] = []
        cursor: str | None = None
        while True:
            page = self.results.page(self.account_id, audience_id, result.calculation_id, cursor, limit)
            found += page.items
            if page.next is None:
                return found
            cursor = page.next

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, UTC)
