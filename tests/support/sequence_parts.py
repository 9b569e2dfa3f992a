"""What random stories of a connection are made of: people, identities, and what comes in between."""

import time
from collections.abc import Callable, Mapping, Sequence
from random import Random

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, ConnectionId, Mpid
from audience_core.domain.output import Connection, Target
from audience_core.outputs.projection import project
from audience_core.outputs.registry import wanted_by
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from tests.support.control import ACCOUNT, AUDIENCE, WORKSPACE
from tests.support.delivery import World
from tests.support.lists import ListPartner
from tests.support.partners import FaultyHandler, FaultyPartner

# Three lanes; the first three share a lane.
MPIDS = tuple(map(Mpid, (8, 16, -24, 9, 17, 3)))
IDENTITIES = (
    *(Identity("email", f"{who}@example.com") for who in ("family", "work")),
    *(Identity("customer_id", f"customer-{n}") for n in range(2)),
    Identity("push_token", "never"),
    Identity("facebook", "not asked for"),
)
ACCEPTED = frozenset({"email", "customer_id"})


class StartedRuns(MemoryWorkflows):
    """Runs of the state machine that were started, for the story to play."""

    def __init__(self) -> None:
        super().__init__()
        self.fills: list[ConnectionId] = []

    def start_connection_fill(
        self, account_id: AccountId, connection_id: ConnectionId, version: int, token: int = 1
    ) -> str:
        self.fills.append(connection_id)
        return super().start_connection_fill(account_id, connection_id, version, token)


def silent_after_obeying(handler: FaultyHandler, message: dict[str, object]) -> None:
    """Do what was asked and let the client wait in vain."""
    handler.server.book.hear(message)
    time.sleep(0.2)
    handler.hang_up()


class InterruptedLedger(MemoryLedgerStore):
    """Something may happen before each wish is written."""

    def __init__(self, interrupt: Callable[[], None]) -> None:
        super().__init__()
        self._interrupt = interrupt

    def desire(
        self,
        account_id: AccountId,
        connection_id: ConnectionId,
        mpid: Mpid,
        desired: Target | None,
        version: int,
        now_ms: int,
    ) -> bool:
        self._interrupt()
        return super().desire(account_id, connection_id, mpid, desired, version, now_ms)


def types_heard(partner: FaultyPartner) -> set[str]:
    """Of all identities in all messages, those that the partner did not obey included."""
    profiles = [profile for message in partner.heard for profile in message.get("user_profiles", ())]
    return {i["type"] for profile in profiles for i in profile["user_identities"] + profile["device_identities"]}


def wanted_of(world: World, connections: Sequence[Connection]) -> dict[Mpid, Target]:
    """Whom the partner should have, by projecting every profile afresh."""
    profiles = world.profiles.load(ACCOUNT, Environment.PRODUCTION, MPIDS)
    output = world.outputs.list(ACCOUNT)[0]
    targets = {
        mpid: project(profile, AUDIENCE, connection, wanted_by(output, connection), (WORKSPACE,))
        for connection in connections
        for mpid, profile in profiles.items()
    }
    return {mpid: target for mpid, target in targets.items() if target}


def check_list(partner: ListPartner, wanted: Mapping[Mpid, Target], log: Sequence[str]) -> None:
    told = {Identity(*key) for key in partner.book.lists.get("Fans", {})}
    expected = {identity for target in wanted.values() for identity in target.identities}
    assert told == expected, (told ^ expected, log)
    assert set(partner.book.heard_types) <= ACCEPTED


def check_members(partner: FaultyPartner, wanted: Mapping[Mpid, Target], log: Sequence[str]) -> None:
    expected = {str(m): {(i.type, i.value) for i in target.identities} for m, target in wanted.items()}
    names, names_of = {"customer": "customer_id"}, {"customer_id": "customer"}
    told = {
        m: {(names.get(kind, kind), value) for kind, value in known} for m, known in partner.members(AUDIENCE).items()
    }
    assert types_heard(partner) <= {names_of.get(kind, kind) for kind in ACCEPTED}
    assert told == expected, (told, expected, log)
    book = partner.book.audiences.get(AUDIENCE)
    attributes = {m: known for m, known in (book.attributes if book else {}).items() if known}
    shared = {str(m): {name: str(value) for name, value in t.attributes} for m, t in wanted.items() if t.attributes}
    assert attributes == shared, (attributes, shared, log)


class Rested(Random):
    """Nothing happens meanwhile any more, and no message comes twice."""

    def random(self) -> float:
        return 0.5
