"""Random interleavings of what the parties do, against a model: every step is taken in full, after or before any other.

Between a step's look at an arrangement and its write, a rival may take a step of its own. What comes of both must be
what the model says of the rival's step first, and the other one after it.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from audience_core.domain.audience import AudienceStatus
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId
from audience_core.domain.output import ConnectionStatus
from audience_core.domain.sharing import LIVE, Arrangement, ArrangementState, EndReason, Side
from audience_core.errors import ConflictError, InvalidInputError
from audience_core.management import audiences, connections, receiving, shared_connections, sharing
from audience_core.management.connections import NewConnection
from audience_core.management.receiving import ReceivingEdit
from audience_core.management.sharing import NewOffers, SharingStores
from audience_core.persistence.memory.sharing import MemorySharingStore
from tests.support.control import ACCOUNT, NOW, OTHER_ACCOUNT, OUTPUT, an_output
from tests.support.long_run import examples
from tests.support.sharing import FRIEND, OWNER, STRANGER, THIRD_ACCOUNT, Neighbours

RECEIVERS = {OTHER_ACCOUNT: FRIEND, THIRD_ACCOUNT: STRANGER}
ALL = frozenset(ArrangementState)
# In which states a step is possible; some of them change nothing.
POSSIBLE = {
    "accept": {ArrangementState.PENDING, ArrangementState.ACCEPTED},
    "reject": {ArrangementState.PENDING, ArrangementState.REJECTED},
    "unshare": LIVE,
    "remove": {ArrangementState.ACCEPTED},
}
ANSWERS = {"accept": ArrangementState.ACCEPTED, "reject": ArrangementState.REJECTED}
ENDS = {"unshare": EndReason.UNSHARED, "remove": EndReason.REMOVED}

type Act = Callable[["World"], None]


class Interrupted(MemorySharingStore):
    """Lets a rival act once, right after somebody has looked at an arrangement."""

    def __init__(self) -> None:
        super().__init__()
        self.rival: Callable[[], None] | None = None

    def arrangement(self, account_id: AccountId, side: Side, arrangement_id: str) -> Arrangement:
        found = super().arrangement(account_id, side, arrangement_id)
        rival, self.rival = self.rival, None
        if rival is not None:
            rival()
        return found


@dataclass
class Told:
    """What the model says of one arrangement."""

    receiver: AccountId
    audience_id: AudienceId
    state: ArrangementState = ArrangementState.PENDING
    end: EndReason | None = None


@dataclass
class World:
    """The product, and the model beside it."""

    town: Neighbours = field(default_factory=lambda: Neighbours(sharing=Interrupted()))
    told: dict[str, Told] = field(default_factory=dict)
    on: dict[AccountId, bool] = field(default_factory=lambda: {OTHER_ACCOUNT: True, THIRD_ACCOUNT: True})
    audiences: dict[AudienceId, bool] = field(default_factory=dict)
    connected: dict[str, ConnectionId] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.town.opt_in(STRANGER)
        self.receiver_ids = {each: self.town.receiver_id(party) for each, party in RECEIVERS.items()}
        for account_id in RECEIVERS:
            self.town.outputs.save(an_output(account_id=account_id))
        self.audiences[AudienceId(1)] = True

    @property
    def stores(self) -> SharingStores:
        return self.town.stores

    def live(self, receiver: AccountId, audience_id: AudienceId) -> list[Told]:
        pair = receiver, audience_id
        return [each for each in self.told.values() if (each.receiver, each.audience_id) == pair and each.state in LIVE]

    def end(self, each: Told, reason: EndReason) -> None:
        each.state, each.end = ArrangementState.ENDED, reason

    # What the parties do, each beside what the model says of it

    def offer(self, receiver: AccountId, audience_id: AudienceId) -> None:
        wanted = NewOffers(audience_ids=(audience_id,), receiver_ids=(self.receiver_ids[receiver],))
        is_possible = self.audiences.get(audience_id) and self.on[receiver] and not self.live(receiver, audience_id)
        made = self.made(lambda: sharing.offer(self.stores, OWNER, wanted, NOW))
        assert bool(made) is bool(is_possible)
        if made:
            self.told[made[0].arrangement_id] = Told(receiver, audience_id)

    def answer(self, what: str, arrangement_id: str) -> None:
        """Accept, reject, unshare or remove, whatever a rival does in the middle of it.

        What was taken must be possible after the rival's step; what was refused, impossible before or after it. An
        answer that was given already changes nothing, and may come before the rival's step.
        """
        each = self.told[arrangement_id]
        before = each.state
        is_repeat = before is ANSWERS.get(what)
        whose = OWNER if what == "unshare" else RECEIVERS[each.receiver]
        made = self.made(lambda: getattr(sharing, what)(self.stores, whose, arrangement_id, NOW))
        if made:
            assert is_repeat or each.state in POSSIBLE[what]
        else:
            assert not {before, each.state} <= POSSIBLE[what]
        if made and what in ENDS:
            self.end(each, ENDS[what])
        elif made and not is_repeat:
            each.state = ANSWERS[what]

    def switch(self, receiver: AccountId, is_on: bool) -> None:
        receiving.edit(self.stores, RECEIVERS[receiver], None, ReceivingEdit(is_on=is_on), NOW)
        self.on[receiver] = is_on
        for each in self.told.values():
            if not is_on and each.receiver == receiver and each.state in LIVE:
                self.end(each, EndReason.OPTED_OUT)

    def delete(self, audience_id: AudienceId) -> None:
        town = self.town
        of = town.audiences, town.outputs, town.workflows, ACCOUNT, audience_id
        audiences.delete(*of, None, lambda: sharing.end_all_of(self.stores, OWNER, audience_id, NOW))
        del self.audiences[audience_id]
        for each in self.told.values():
            if each.audience_id == audience_id and each.state in LIVE:
                self.end(each, EndReason.DELETED)

    def made(self, act: Callable[[], Any]) -> Any:
        """What came of it; None when it was refused."""
        with suppress(ConflictError, InvalidInputError):
            return act()
        return None


class Interleavings(RuleBasedStateMachine):
    @initialize()
    def begin(self) -> None:
        self.world = World()

    def pick(self, data: st.DataObject) -> str:
        return data.draw(st.sampled_from(list(self.world.told)), "arrangement")

    def has_told(self) -> bool:
        return bool(self.world.told)

    def step(self, data: st.DataObject) -> Act:
        """A step of any party about what is there."""
        arrangement_id, what = self.pick(data), data.draw(st.sampled_from([*POSSIBLE, "opt out"]))
        receiver = self.world.told[arrangement_id].receiver
        if what == "opt out":
            return lambda world: world.switch(receiver, False)
        return lambda world: world.answer(what, arrangement_id)

    @rule(receiver=st.sampled_from(sorted(RECEIVERS)), audience_id=st.sampled_from([1, 2, 3]))
    def offer(self, receiver: AccountId, audience_id: int) -> None:
        self.world.offer(receiver, AudienceId(audience_id))

    @precondition(has_told)
    @rule(data=st.data())
    def one_step(self, data: st.DataObject) -> None:
        self.step(data)(self.world)

    @precondition(has_told)
    @rule(data=st.data(), what=st.sampled_from(["accept", "reject", "unshare", "remove"]))
    def two_steps_at_once(self, data: st.DataObject, what: str) -> None:
        """The rival's step is taken in the middle of the other one's, which must come out as if it came after."""
        world, arrangement_id, rival = self.world, self.pick(data), self.step(data)
        store = world.town.sharing
        assert isinstance(store, Interrupted)
        store.rival = lambda: rival(world)
        world.answer(what, arrangement_id)
        assert store.rival is None

    @rule(receiver=st.sampled_from(sorted(RECEIVERS)), is_on=st.booleans())
    def switch(self, receiver: AccountId, is_on: bool) -> None:
        self.world.switch(receiver, is_on)

    @rule()
    def make_an_audience(self) -> None:
        if len(self.world.audiences) < 3:
            made = self.world.town.add_audience()
            self.world.audiences[made] = True

    @rule(data=st.data())
    def make_a_draft_or_activate(self, data: st.DataObject) -> None:
        if self.world.audiences:
            audience_id = data.draw(st.sampled_from(sorted(self.world.audiences)))
            is_active = not self.world.audiences[audience_id]
            store = self.world.town.audiences
            status = AudienceStatus.ACTIVE if is_active else AudienceStatus.DRAFT
            store.save(store.get(ACCOUNT, audience_id).model_copy(update={"status": status}))
            self.world.audiences[audience_id] = is_active

    @rule(data=st.data())
    def delete_an_audience(self, data: st.DataObject) -> None:
        if self.world.audiences:
            self.world.delete(data.draw(st.sampled_from(sorted(self.world.audiences))))

    @precondition(has_told)
    @rule(data=st.data(), is_interrupted=st.booleans())
    def connect(self, data: st.DataObject, is_interrupted: bool) -> None:
        """One that is made although its sharing ended meanwhile is taken back."""
        world, arrangement_id = self.world, self.pick(data)
        each, town = world.told[arrangement_id], world.town
        found = [r for r in town.sharing.received_all(each.receiver) if r.source.arrangement_id == arrangement_id]
        assert bool(found) is (each.state is ArrangementState.ACCEPTED)
        if found and arrangement_id not in world.connected:
            outputs: Any = town.outputs
            if is_interrupted:
                outputs = Ending(town.outputs, lambda: world.answer("unshare", arrangement_id))
            of, new = (each.receiver, found[0].audience_id), NewConnection(output_id=OUTPUT)
            with suppress(ConflictError):
                made = connections.create(outputs, town.both, town.workflows, *of, new, NOW)
                assert not is_interrupted
                world.connected[arrangement_id] = made.connection_id

    @rule()
    def follow(self) -> None:
        """What the stream of the table brings about, and the partners' forgetting."""
        town = self.world.town
        for name, each in self.world.told.items():
            stored = town.sharing.arrangement(each.receiver, Side.RECEIVER, name)
            of = town.stores, town.outputs, town.workflows
            shared_connections.follow(*of, (Side.RECEIVER, stored), None, NOW)
        for name, each in self.world.told.items():
            if name in self.world.connected:
                ids = {c.connection_id: c.status for c in town.outputs.list_connections(each.receiver)}
                is_over = each.state is ArrangementState.ENDED
                status = ids[self.world.connected[name]]
                assert status is (ConnectionStatus.DELETING if is_over else ConnectionStatus.ACTIVE)

    @invariant()
    def both_parties_see_what_the_model_says(self) -> None:
        if not hasattr(self, "world"):
            return
        store = self.world.town.sharing
        for side, account_ids in ((Side.INITIATOR, [ACCOUNT]), (Side.RECEIVER, sorted(RECEIVERS))):
            found: list[Arrangement] = []
            for account_id in account_ids:
                found += store.arrangements(account_id, side, ALL, None, 10_000).items
            stored = {each.arrangement_id: (each.state, each.end) for each in found}
            assert stored == {name: (each.state, each.end) for name, each in self.world.told.items()}

    @invariant()
    def only_what_is_accepted_is_received_and_forwarded(self) -> None:
        if not hasattr(self, "world"):
            return
        store = self.world.town.sharing
        for account_id in RECEIVERS:
            accepted = {
                name
                for name, each in self.world.told.items()
                if each.receiver == account_id and each.state is ArrangementState.ACCEPTED
            }
            assert {each.source.arrangement_id for each in store.received_all(account_id)} == accepted
            assert {name for name in self.world.told if store.is_accepted(account_id, name)} == accepted

    @invariant()
    def every_connection_is_of_an_arrangement(self) -> None:
        if not hasattr(self, "world"):
            return
        made = {
            each.connection_id
            for account_id in RECEIVERS
            for each in self.world.town.outputs.list_connections(account_id)
        }
        assert made == set(self.world.connected.values())


class Ending:
    """Outputs whose connection is stored just when the sharing ends."""

    def __init__(self, outputs: Any, end: Callable[[], None]) -> None:
        self._outputs, self._end = outputs, end

    def __getattr__(self, name: str) -> Any:
        return getattr(self._outputs, name)

    def save_connection(self, connection: Any) -> Any:
        saved = self._outputs.save_connection(connection)
        self._end()
        return saved


Interleavings.TestCase.settings = settings(
    max_examples=examples(120), stateful_step_count=30, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestInterleavings = Interleavings.TestCase
