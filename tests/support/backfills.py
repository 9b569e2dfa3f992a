"""An account in memory that is backfilled while it lives: every step of the run can be had one at a time."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import count
from typing import Any

from audience_core.domain import definition as d
from audience_core.domain.account import Account
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.event import Environment
from audience_core.domain.ids import AudienceId, Mpid
from audience_core.domain.job import STEPS, JobKind, JobState, JobStep
from audience_core.domain.messages import PipelineMessage, Reevaluation
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.profile_change import ProfileChange
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.relevance import population
from audience_core.evaluation.view import View
from audience_core.management import edits
from audience_core.persistence.memory.control import (
    MemoryAccountStore,
    MemoryAudienceStore,
    MemoryOutputStore,
    MemoryWorkflows,
)
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import (
    MemoryArchive,
    MemoryEventQueue,
    MemoryReevaluationQueue,
    MemoryWakeUpQueue,
)
from audience_core.persistence.memory.jobs import MemoryJobStore, MemoryRunFiles
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.pipeline import backfill
from audience_core.pipeline.backfill import Backfill
from audience_core.pipeline.backfill_parts import Order, work
from audience_core.pipeline.fan_out import FanOut, fan_out
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.process import Pipeline, process
from audience_core.pipeline.profile_changes import of_audiences
from audience_core.pipeline.programs import Programs
from tests.support.population import ACCOUNT, NOW, a_batch, an_audience, custom_event

CUSTOMERS = [f"c-{number}" for number in range(6)]


class StreamedProfiles(MemoryProfileStore):
    """Profiles whose writes are logged as their table's stream would tell of them."""

    def __init__(self) -> None:
        super().__init__()
        self.stream: list[ProfileChange] = []
        self._sequences = count(1)

    def save(self, profile: Profile, now_ms: int) -> Profile:
        key = profile.account_id, profile.environment, profile.mpid
        old = self._profile(key) if key in self._stored else None
        saved = super().save(profile, now_ms)
        self.stream.append(ProfileChange(old, self._profile(key), str(next(self._sequences)), now_ms))
        return saved


class Town:
    """Stores, a stream that is read when the test says so, and runs of the backfill."""

    def __init__(self) -> None:
        self.accounts, self.audiences, self.outputs = MemoryAccountStore(), MemoryAudienceStore(), MemoryOutputStore()
        self.accounts.create(Account(account_id=ACCOUNT, name="Town"))
        self.profiles, self.memberships, self.jobs = StreamedProfiles(), MemoryMembershipStore(), MemoryJobStore()
        self.ledger, self.identities, self.files = MemoryLedgerStore(), MemoryIdentityStore(), MemoryRunFiles()
        self.events, self.reevaluations, self.wake_ups = (
            MemoryEventQueue(),
            MemoryReevaluationQueue(),
            MemoryWakeUpQueue(),
        )
        self.history, self.workflows = MemoryHistoryStore(), MemoryWorkflows()
        self.sets = MemberSets(self.audiences)
        self.published: list[tuple[AudienceId, Mpid, bool, str]] = []
        self.now = NOW

    def pipeline(self, profiles: Any = None) -> Pipeline:
        programs = Programs(self.accounts, self.audiences)
        return Pipeline(programs, self.identities, profiles or self.profiles, self.events, MemoryArchive())

    def backfill(self, profiles: Any = None) -> Backfill:
        pipeline = self.pipeline(profiles)
        control = self.outputs, self.workflows
        return Backfill(pipeline, self.audiences, self.memberships, self.jobs, self.files, *control)

    def take(self, messages: Sequence[PipelineMessage]) -> None:
        process(self.pipeline(), messages, self.now)

    def read_stream(self, records: int = 1_000_000) -> None:
        """Fan out the next records, and process what that sends round again."""
        some, self.profiles.stream = self.profiles.stream[:records], self.profiles.stream[records:]
        control, derived = (self.accounts, self.audiences, self.outputs), (self.history, self.memberships, self.ledger)
        queues, people = (self.reevaluations, self.wake_ups), (self.identities, self.profiles)
        stores = FanOut(*control, *derived, *queues, *people, self.sets, MemorySharedChangeQueue())
        fan_out(stores, some, self.now)
        for each in some:
            self._log(each)
        again = [Reevaluation(each.account_id, each.mpid) for each in self.reevaluations.take()]
        if group := [*self.events.take(), *again]:
            self.take(group)

    def _log(self, record: ProfileChange) -> None:
        mapped = of_audiences(record, self.sets.at(ACCOUNT, record.profile.program_version))
        reasons = {each.audience_id: str(each.reason) for each in mapped.new.changes} if mapped.new else {}
        for audience in sorted(mapped.joined() ^ mapped.left()):
            joins = audience in mapped.joined()
            self.published.append((audience, record.profile.mpid, joins, reasons.get(audience, "")))

    def run(self, run: str = "run-1", token: int = 1, profiles: Any = None) -> Iterator[str]:
        """Play the state machine for what was published last; yields before every invocation of a function."""
        stores, version = self.backfill(profiles), self.audiences.program(ACCOUNT).published
        plan = backfill.plan(stores, ACCOUNT, version, token, run, self.clock())
        if plan["go"] != "on":
            return
        lines = self.files.lines(plan["key"])
        for step in STEPS[JobKind.BACKFILL]:
            if step is JobStep.PUBLISH:
                yield "take over"
                if backfill.take_over(stores, ACCOUNT, version, plan["token"], self.clock()) != "on":
                    break
            for line in lines:
                order = Order(ACCOUNT, version, plan["token"], step, line["first"], line["last"])
                yield f"{step} {order.first}"
                while not work(stores, order, lambda: self.now, self.now).is_done:
                    yield f"{step} {order.first} again"
        yield "finish"
        backfill.finish(stores, ACCOUNT, version, plan["token"], self.clock())

    def finish(self, run: str = "run-1", token: int = 1) -> JobState:
        """Run to the end, with the stream read all the time."""
        for _ in self.run(run, token):
            self.read_stream()
        self.settle()
        return self.jobs.get(ACCOUNT, backfill.job_id_of(self.audiences.program(ACCOUNT).published)).state

    def settle(self) -> None:
        while self.profiles.stream:
            self.read_stream()

    def clock(self) -> datetime:
        return datetime.fromtimestamp(self.now / 1000, UTC)

    def everybody(self) -> list[Profile]:
        pages = [self.profiles.page(ACCOUNT, Environment.PRODUCTION, b, None, 1_000_000) for b in range(BUCKETS)]
        return [profile for page in pages for profile in page.items]

    def listed(self, audience: Audience) -> set[Mpid]:
        """The member list that the API would show."""
        live = self.audiences.get(ACCOUNT, audience.audience_id).live_set
        return {each.mpid for each in self.memberships.members(ACCOUNT, live, None, 1_000_000).items}


class Story:
    """A town whose people act, and whose marketers change their minds."""

    def __init__(self) -> None:
        self.town, self.sent = Town(), 0

    def act(self, customer: str, name: str = "view", **body: Any) -> None:
        self.sent += 1
        event = custom_event(name, self.town.now, f"m-{self.sent}")
        self.town.take([a_batch(self.sent, customer, self.town.now, events=[event], **body)])

    def activate(self, root: d.Criterion) -> Audience:
        store = self.town.audiences
        return store.publish(an_audience(store.next_id(ACCOUNT), root))

    def edit(self, audience: Audience, root: d.Criterion) -> Audience:
        stored = self.town.audiences.get(ACCOUNT, audience.audience_id)
        meaning = edits.meaning_of(stored).model_copy(update={"definition": d.Definition(root=root)})
        return edits.stage(self.town.audiences, stored, meaning, self.town.clock())

    def deactivate(self, audience: Audience) -> None:
        stored = self.town.audiences.get(ACCOUNT, audience.audience_id)
        edits.deactivate(self.town.audiences, stored.model_copy(update={"status": AudienceStatus.DRAFT}))

    def restart(self) -> int:
        """As the jobs resource does: another attempt, with a token of its own."""
        (job, *_) = self.town.jobs.list(ACCOUNT)
        changes = {"token": job.token + 1, "state": JobState.QUEUED, "run": ""}
        return self.town.jobs.save(job.model_copy(update=changes)).token

    def members(self, audience: Audience) -> set[Mpid]:
        """By evaluating the live definitions afresh."""
        active = [a for a in self.town.audiences.list(ACCOUNT) if a.status is AudienceStatus.ACTIVE]
        program, key = compile_program(1, active, 30), audience.audience_id
        if key not in program.trees:
            return set()
        return {
            profile.mpid
            for profile in self.town.everybody()
            if key in population(program, profile) and program.holds(key, View(profile), self.town.now)
        }

    def told(self, audience: Audience) -> set[Mpid]:
        """Whom the published changes leave in the audience; each must turn what the one before said."""
        found: set[Mpid] = set()
        for audience_id, mpid, joins, _ in self.town.published:
            if audience_id == audience.audience_id:
                assert joins is (mpid not in found), "told twice"
                (found.add if joins else found.discard)(mpid)
        return found

    def reasons(self, audience: Audience) -> list[tuple[bool, str]]:
        return [(joins, why) for who, _, joins, why in self.town.published if who == audience.audience_id]
