"""Plays a scenario with a set clock through the pipeline's own code, and asks both engines at every expectation."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from audience_cli.errors import UsageError
from audience_cli.scenario.model import Scenario, ScenarioAudience, Step
from audience_core.domain.account import Account
from audience_core.domain.audience import Audience, AudienceStatus
from audience_core.domain.definition import Definition
from audience_core.domain.event import Environment, Source
from audience_core.domain.ids import AccountId, AudienceId, InputId, WorkspaceId
from audience_core.domain.messages import AcceptedBatch, PipelineMessage, Reevaluation
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.errors import MalformedBatchError
from audience_core.evaluation.columnar.build import shard_of
from audience_core.evaluation.columnar.evaluate import evaluate
from audience_core.evaluation.columnar.shard import look_back
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryArchive, MemoryEventQueue
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.pipeline.process import Pipeline, process
from audience_core.pipeline.programs import Programs
from audience_core.pipeline.wire.validation import check_batch

ACCOUNT = AccountId(1)
MAIN = "main/main"
ENGINES = ("real-time", "columnar")


@dataclass(frozen=True, slots=True)
class Difference:
    """An expectation that did not come true.

    Args:
        missing: customers who should be members and are not; `surplus`: the other way round.
    """

    at: datetime
    audience: str
    engine: str
    missing: tuple[str, ...]
    surplus: tuple[str, ...]


def play(scenario: Scenario) -> list[Difference]:
    """All differences, in the order of the steps; none: the scenario holds.

    Raises:
        UsageError: a batch that ingest would refuse.
    """
    return list(_Stage(scenario).play())


class _Stage:
    """One account, its users and a clock."""

    def __init__(self, scenario: Scenario) -> None:
        self._scenario = scenario
        self._accounts, self._audiences = MemoryAccountStore(), MemoryAudienceStore()
        self._profiles, self._events = MemoryProfileStore(), MemoryEventQueue()
        self._accounts.create(Account(account_id=ACCOUNT, name="Scenario", look_back_days=scenario.look_back_days))
        programs = Programs(self._accounts, self._audiences)
        self._pipeline = Pipeline(programs, MemoryIdentityStore(), self._profiles, self._events, MemoryArchive())
        self._sources = {name: _source(name) for name in {MAIN, *(step.input or MAIN for step in scenario.steps)}}
        for each in scenario.audiences:
            self._publish(each)

    def play(self) -> Iterator[Difference]:
        for number, step in enumerate(self._scenario.steps):
            self._let_time_pass(step.at_ms)
            if step.batch is not None:
                self._take([self._accepted(number, step)], step.at_ms)
            elif step.define is not None:
                self._publish(ScenarioAudience(name=step.define.name, definition=step.define.definition))
                self._take([Reevaluation(ACCOUNT, profile.mpid) for profile in self._everybody()], step.at_ms)
            else:
                yield from self._compare(step)

    def _let_time_pass(self, until: int) -> None:
        """Visit profiles at the very instants at which they are due."""
        while due := [profile for profile in self._everybody() if profile.due_at <= until]:
            now = min(profile.due_at for profile in due)
            self._take([Reevaluation(ACCOUNT, each.mpid) for each in due if each.due_at == now], now)

    def _take(self, messages: list[PipelineMessage], now: int) -> None:
        while messages:
            process(self._pipeline, messages, now)
            messages = self._events.take()

    def _accepted(self, number: int, step: Step) -> AcceptedBatch:
        body = step.batch or {}
        try:
            check_batch(body)
        except MalformedBatchError as error:
            raise UsageError(f"step {number + 1}: ingest would refuse this batch: {error}") from error
        batch_id = str(body.get("source_request_id") or f"step-{number}")
        return AcceptedBatch(self._sources[step.input or MAIN], batch_id, step.at_ms, body)

    def _publish(self, wanted: ScenarioAudience) -> None:
        known = {audience.name: audience for audience in self._audiences.list(ACCOUNT)}.get(wanted.name)
        if known is not None:
            self._audiences.publish(known.model_copy(update={"definition": wanted.definition}))
            return
        inputs = wanted.inputs or tuple(self._sources)
        workspaces = wanted.workspaces or tuple(sorted({_source(name).workspace_id for name in inputs}))
        self._audiences.publish(
            _audience(self._audiences.next_id(ACCOUNT), wanted.name, wanted.definition, workspaces, inputs)
        )

    def _everybody(self) -> list[Profile]:
        pages = [self._profiles.page(ACCOUNT, Environment.PRODUCTION, b, None, 1_000_000) for b in range(BUCKETS)]
        return [profile for page in pages for profile in page.items]

    def _compare(self, step: Step) -> Iterator[Difference]:
        everybody, audiences = self._everybody(), self._audiences.list(ACCOUNT)
        by_mpid = {profile.mpid: _customer(profile) for profile in everybody}
        visible = look_back(step.at_ms, self._scenario.look_back_days)
        columnar = evaluate(shard_of(everybody), audiences, step.at_ms, visible)
        for name, expected in (step.expect or {}).items():
            (audience,) = (each for each in audiences if each.name == name)
            found = (
                {by_mpid[p.mpid] for p in everybody if audience.audience_id in p.memberships},
                {by_mpid[mpid] for mpid in columnar.mpids(audience.audience_id)},
            )
            for engine, members in zip(ENGINES, found, strict=True):
                if members != set(expected):
                    missing, surplus = sorted(set(expected) - members), sorted(members - set(expected))
                    yield Difference(step.at, name, engine, tuple(missing), tuple(surplus))


def _source(name: str) -> Source:
    workspace, _, own = name.rpartition("/")
    return Source(ACCOUNT, WorkspaceId(workspace or "main"), InputId(f"{workspace or 'main'}/{own}"))


def _audience(
    audience_id: AudienceId, name: str, definition: Definition, workspaces: tuple[str, ...], inputs: tuple[str, ...]
) -> Audience:
    moment = datetime(1970, 1, 1, tzinfo=UTC)
    return Audience(
        account_id=ACCOUNT,
        audience_id=audience_id,
        name=name,
        status=AudienceStatus.ACTIVE,
        workspaces=tuple(WorkspaceId(each) for each in workspaces),
        inputs=tuple(_source(each).input_id for each in inputs),
        definition=definition,
        created_by="scenario",
        created_at=moment,
        updated_at=moment,
    )


def _customer(profile: Profile) -> str:
    """The customer id; for a user without one, an identity in angle brackets, so that it cannot be mistaken for one."""
    ids = sorted(profile.identities)
    known = next((each.value for each in ids if each.type == "customer_id"), None)
    return known or (f"<{ids[0].type} {ids[0].value}>" if ids else f"<mpid {profile.mpid}>")
