"""One random story of a connection: members come, go and change, people edit, pause, resume and delete, jobs and lanes
run in any order and more than once, and the partner fails in every way partners do. `Story(seed).play()` raises
`AssertionError` unless the partner ends up with exactly what it should have.

Real HTTP to a partner on loopback, the product's use cases from management to delivery, stores in memory.
"""

import inspect
from collections.abc import Callable, Generator
from contextlib import suppress
from copy import deepcopy
from datetime import UTC, datetime
from http import HTTPStatus
from random import Random

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.event import Environment
from audience_core.domain.ids import ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import DELIVERY_BUCKETS, Connection, ConnectionStatus, SharedAttributes, Target
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen, bucket_of
from audience_core.domain.profile_change import ProfileChange
from audience_core.errors import (
    ConflictError,
    NotFoundError,
    RetryableDeliveryError,
    StaleVersionError,
    TerminalDeliveryError,
)
from audience_core.management import connections
from audience_core.management.connections import ConnectionEdit, NewConnection
from audience_core.outputs.http import HttpRequest, HttpResponse, HttpSend, TimeLimits
from audience_core.persistence.memory.control import MemoryAccountStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.ingest import MemoryReevaluationQueue
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.pipeline.deliver import MAX_ATTEMPTS, deliver
from audience_core.pipeline.fan_out import FanOut, fan_out
from audience_core.pipeline.fill_connection import fill_bucket, wake_connection, withdraw_bucket
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.partner_link import record_fault
from audience_core.pipeline.sweep_ledger import sweep_ledger
from audience_core.pipeline.update_subscription import MAX_ATTEMPTS as ANNOUNCEMENTS
from audience_core.pipeline.update_subscription import Work, finish_deletion, update_subscription
from tests.support.control import ACCOUNT, AUDIENCE, OUTPUT, WORKSPACE, an_account
from tests.support.delivery import T, World
from tests.support.lists import ListPartner, obeying_in_part
from tests.support.partners import Fault, FaultyPartner, dropping, obeying_then_dropping, obeying_twice, refusing
from tests.support.sequence_parts import (
    ACCEPTED,
    IDENTITIES,
    MPIDS,
    InterruptedLedger,
    Rested,
    StartedRuns,
    check_list,
    check_members,
    silent_after_obeying,
    wanted_of,
)

STEPS = 80
MINUTE_MS, HOUR_MS = 60_000, 3_600_000
SEND = HttpSend(allow_private=True, limits=TimeLimits(2, 0.15, 1))


class Story:
    def __init__(self, seed: int, partner: FaultyPartner) -> None:
        self.random, self.partner = Random(seed), partner
        self.is_list = isinstance(partner, ListPartner)
        self.is_interrupted = self.is_reading = False
        self.stream: list[ProfileChange] = []
        ledger = InterruptedLedger(self.before_desiring)
        self.world = World(partner.url, connector="lists" if self.is_list else "webhook", ledger=ledger)
        self.world.outputs.delete_connection(self.world.connection)
        output = self.world.outputs.list(ACCOUNT)[0]
        if not self.is_list:
            settings = {**output.settings, "accepted_identities": sorted(ACCEPTED)}
            self.world.outputs.save(output.model_copy(update={"settings": settings}))
        audience = self.world.audiences.get(ACCOUNT, AUDIENCE)
        self.world.audiences.save(audience.model_copy(update={"status": AudienceStatus.ACTIVE}))
        self.accounts = MemoryAccountStore()
        self.accounts.create(an_account())
        self.workflows = StartedRuns()
        self.runs: list[Generator[None]] = []
        self.queue: list[tuple[WakeUp, int]] = []
        self.busy: set[WakeUp] = set()
        self.sequence, self.clock = 0, T
        self.requests = self.failures = 0
        self.log: list[str] = []

    def play(self) -> None:
        for _ in range(STEPS):
            self.step()
        self.come_to_rest()
        self.check()

    # What may happen ------------------------------------------------------------------------------------------------

    def step(self) -> None:
        choices: list[tuple[int, Callable[[], None]]] = [
            (12, self.change_profile),
            (4, self.connect),
            (2, self.edit),
            (2, self.pause_or_activate),
            (3, self.resume),
            (1, self.delete),
            (5, self.misbehave),
            (20, self.work),
        ]
        self.log += ["faulted" for each in self.connections() if each.fault][:1]
        (action,) = self.random.choices([each for _, each in choices], [weight for weight, _ in choices])
        self.log.append(action.__name__)
        action()

    def change_profile(self) -> None:
        mpid = self.random.choice(MPIDS)
        old = self.world.profiles.load(ACCOUNT, Environment.PRODUCTION, [mpid]).get(mpid)
        new = deepcopy(old) or Profile(ACCOUNT, Environment.PRODUCTION, mpid)
        new.memberships = {AUDIENCE} if self.random.random() < 0.65 else set()
        held = self.random.sample(IDENTITIES, self.random.randint(0, 3))
        new.identities = dict.fromkeys(held, 1)
        new.seen = {WORKSPACE: Seen(1, 1)}
        key = RegisterKey(WORKSPACE, RegisterKind.ATTRIBUTE, self.random.choice(["tier", "city"]))
        new.registers[key] = Register(
            self.random.choice(["gold", "tin", "7"]), 1, is_deleted=self.random.random() < 0.2
        )
        self.world.hold(mpid, Target(tuple(held)))
        saved = self.world.profiles.save(new, self.now())
        self.sequence += 1
        now = self.world.profiles.load(ACCOUNT, Environment.PRODUCTION, [saved.mpid])[mpid]
        self.stream.append(ProfileChange(old, now, str(self.sequence), self.now()))
        self.read_stream()

    def read_stream(self) -> None:
        """Records come in order, one after another, some of them twice."""
        if self.is_reading:
            return
        self.is_reading = True
        while self.stream:
            change = self.stream.pop(0)
            for _ in range(self.random.choice([1, 1, 2])):
                fan_out(self.fan_out(), [change], self.now())
        self.is_reading = False

    def connect(self) -> None:
        new = NewConnection(
            output_id=OUTPUT,
            attributes=self.some_attributes(),
            status=self.random.choice([ConnectionStatus.ACTIVE, ConnectionStatus.INACTIVE]),
        )
        with suppress(ConflictError):
            connections.create(
                self.world.outputs, self.world.audiences, self.workflows, ACCOUNT, AUDIENCE, new, self.instant()
            )  # fmt: skip

    def edit(self) -> None:
        self.changed(ConnectionEdit(attributes=self.some_attributes()))

    def pause_or_activate(self) -> None:
        for connection in self.connections():
            other = {ConnectionStatus.ACTIVE: ConnectionStatus.INACTIVE}.get(connection.status, ConnectionStatus.ACTIVE)
            self.changed(ConnectionEdit(status=other))

    def resume(self) -> None:
        for connection in self.connections():
            with suppress(StaleVersionError):
                connections.resume(
                    self.world.outputs, self.world.wake_ups, self.workflows,
                    ACCOUNT, connection.connection_id, self.now(),
                )  # fmt: skip

    def delete(self) -> None:
        for connection in self.connections():
            # To delete a faulted one twice is to give the partner up, and then nothing can be said of it.
            if connection.status is not ConnectionStatus.DELETING:
                connections.delete(self.world.outputs, self.workflows, ACCOUNT, connection.connection_id)

    def misbehave(self) -> None:
        faults: list[Fault] = [
            refusing(HTTPStatus.TOO_MANY_REQUESTS),
            refusing(HTTPStatus.TOO_MANY_REQUESTS, Retry_After="1"),
            refusing(HTTPStatus.INTERNAL_SERVER_ERROR),
            refusing(HTTPStatus.UNAUTHORIZED),
            dropping,
            obeying_then_dropping,
            obeying_twice,
            *([obeying_in_part] if self.is_list else []),
            *([silent_after_obeying] if self.random.random() < 0.2 else []),
        ]
        self.partner.faults.extend(self.random.choices(faults, k=self.random.randint(1, 3)))

    def work(self) -> None:
        """One step of a run, or one lane; a message may come twice, and those of different lanes in any order."""
        self.collect()
        if self.runs and self.random.random() < 0.5:
            self.advance_any()
        elif self.queue:
            self.drain(self.random.randrange(len(self.queue)))

    # How the product does it ----------------------------------------------------------------------------------------

    def collect(self) -> None:
        self.runs += map(self.run, self.workflows.fills)
        self.workflows.fills.clear()
        self.queue += [(wake_up, 1) for wake_up in self.world.wake_ups.take()]

    def advance(self, run: Generator[None]) -> None:
        try:
            next(run)
        except StopIteration:
            self.runs.remove(run)

    def run(self, connection_id: ConnectionId) -> Generator[None]:
        """The state machine of a connection, as its definition goes."""
        work = yield from self.tried(
            lambda attempt: update_subscription(self.world, self.send, ACCOUNT, connection_id, attempt, self.instant()),
            connection_id,
        )
        if work is Work.FILL:
            for bucket in sorted({bucket_of(mpid) for mpid in MPIDS}):
                fill_bucket(self.world, ACCOUNT, connection_id, bucket, None, self.now, self.now() + HOUR_MS)
                yield
        if work is Work.WITHDRAW:
            for bucket in range(DELIVERY_BUCKETS):
                withdraw_bucket(self.world, ACCOUNT, connection_id, bucket, None, self.now, self.now() + HOUR_MS)
                yield
        if work in (Work.FILL, Work.WITHDRAW):
            wake_connection(self.world, ACCOUNT, connection_id, self.now())
        while work in (Work.WITHDRAW, Work.FINISH):
            yield
            is_gone = yield from self.tried(
                lambda attempt: finish_deletion(self.world, self.send, ACCOUNT, connection_id, attempt, self.instant()),
                connection_id,
            )
            if is_gone is not False:
                return

    def tried[R](self, step: Callable[[int], R], connection_id: ConnectionId) -> Generator[None, None, R | None]:
        """A step with the retries of the state machine; None when it failed for good, which is noted."""
        for attempt in range(1, ANNOUNCEMENTS + 3):
            try:
                return step(attempt)
            except TerminalDeliveryError:
                break
            except (RetryableDeliveryError, StaleVersionError):
                yield
        record_fault(self.world.outputs, ACCOUNT, connection_id, "partner_error", "not up to date", self.now())
        return None

    def drain(self, place: int) -> None:
        wake_up, attempt = self.queue[place]
        if wake_up in self.busy:  # one message of a group at a time
            return
        if self.random.random() < 0.85:
            self.queue.pop(place)
        self.busy.add(wake_up)
        try:
            deliver(self.world, self.send, wake_up, attempt, self.now, self.now() + HOUR_MS)
        except RetryableDeliveryError:
            self.queue.append((wake_up, min(attempt + 1, MAX_ATTEMPTS)))
        finally:
            self.busy.discard(wake_up)

    def send(self, request: HttpRequest) -> HttpResponse:
        """Other lanes and other people do not wait: they act before an answer is asked for, and before it is read."""
        self.meanwhile()
        self.requests += 1
        self.failures += 1
        answer = SEND(request)
        self.failures -= answer.status == HTTPStatus.OK
        self.meanwhile()
        return answer

    def meanwhile(self) -> None:
        """Some of what others do while a request is under way."""
        if len(self.busy) < 3 and self.random.random() < 0.2:
            for _ in range(self.random.randint(1, 5)):
                self.random.choice([self.change_profile, self.drain_another, self.drain_another, self.advance_any])()

    def drain_another(self) -> None:
        self.collect()
        if self.queue:
            self.drain(self.random.randrange(len(self.queue)))

    def advance_any(self) -> None:
        self.collect()
        free = [run for run in self.runs if inspect.getgeneratorstate(run) != inspect.GEN_RUNNING]
        if free:
            self.advance(self.random.choice(free))

    def before_desiring(self) -> None:
        """Somebody edits the connection, and fills it, between what another has read and what that one writes."""
        if self.is_interrupted or self.random.random() >= 0.05:
            return
        self.is_interrupted = True
        self.random.choice([self.edit, self.pause_or_activate, self.resume])()
        for _ in range(self.random.randint(0, 20)):
            self.advance_any()
        self.is_interrupted = False

    # How it ends ----------------------------------------------------------------------------------------------------

    def come_to_rest(self) -> None:
        """The partner is well again, whoever is faulted is resumed, and all work is done."""
        self.partner.faults.clear()
        self.random = Rested()
        for connection in self.connections():
            if connection.fault is not None:
                self.resume()
            if connection.status is ConnectionStatus.INACTIVE:
                self.changed(ConnectionEdit(status=ConnectionStatus.ACTIVE))
        for _ in range(1000):
            if not self.is_busy() and not self.is_swept():
                return
        raise AssertionError(f"it never came to rest: {self.runs}, {self.queue}, {self.log}")

    def is_busy(self) -> bool:
        """Do some of what there is to do, if anything."""
        self.collect()
        is_busy = bool(self.runs or self.queue)
        if self.queue:
            self.drain(0)
        if self.runs:
            # In turn: one that waits for lanes must not keep them waiting.
            self.runs.append(self.runs.pop(0))
            self.advance(self.runs[-1])
        return is_busy

    def is_swept(self) -> bool:
        """A minute later: whether something was left behind."""
        self.clock += 2 * MINUTE_MS
        return sweep_ledger(self.world.ledger, self.world.outputs, self.world.wake_ups, self.now()) > 0

    def check(self) -> None:
        if isinstance(self.partner, ListPartner):
            check_list(self.partner, self.wanted(), self.log)
        else:
            check_members(self.partner, self.wanted(), self.log)
        for connection in self.connections():
            assert connection.fault is None
            assert connection.status is ConnectionStatus.ACTIVE, connection.status

    def wanted(self) -> dict[Mpid, Target]:
        return wanted_of(self.world, self.connections())

    def summary(self) -> dict[str, int]:
        """What happened, so that one can see that something did."""
        faulted = sum(name == "faulted" for name in self.log)
        wanted = self.wanted()
        return {
            "steps": STEPS,
            "requests": self.requests,
            "failed requests": self.failures,
            "faults": faulted,
            "connections at the end": len(self.connections()),
            "members at the end": len(wanted),
        }

    # Shorthands -----------------------------------------------------------------------------------------------------

    def connections(self) -> tuple[Connection, ...]:
        return self.world.outputs.list_connections(ACCOUNT)

    def changed(self, edit: ConnectionEdit) -> None:
        for each in self.connections():
            with suppress(ConflictError, NotFoundError):
                connections.edit(
                    self.world.outputs,
                    self.world.audiences,
                    self.workflows,
                    ACCOUNT,
                    each.connection_id,
                    each.version,
                    edit,
                    self.instant(),
                )

    def some_attributes(self) -> SharedAttributes:
        account, workspace = (tuple(self.random.sample(["tier", "city"], self.random.randint(0, 2))) for _ in range(2))
        return SharedAttributes(account=account, workspace=workspace)

    def fan_out(self) -> FanOut:
        of = self.world
        history, reevaluations = MemoryHistoryStore(), MemoryReevaluationQueue()
        return FanOut(
            self.accounts, of.audiences, of.outputs, history, of.memberships, of.ledger,
            reevaluations, of.wake_ups, of.identities, of.profiles, MemberSets(of.audiences),
            MemorySharedChangeQueue(),
        )  # fmt: skip

    def now(self) -> int:
        """Each look at the clock is a second later, so that no wake-up is taken for another's repeat."""
        self.clock += 1000
        return self.clock

    def instant(self) -> datetime:
        return datetime.fromtimestamp(self.now() / 1000, UTC)
