"""Neighbours with the data path of both, over stores in memory: an initiator's users, a receiver's connections."""

import json
from collections.abc import Callable, Iterable
from dataclasses import replace
from itertools import count
from typing import Any

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, Mpid
from audience_core.domain.messages import WakeUp
from audience_core.domain.output import (
    DELIVERY_BUCKETS,
    Connection,
    Target,
)
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.domain.profile_change import ProfileChange
from audience_core.errors import NotFoundError
from audience_core.management import connections
from audience_core.management.connections import NewConnection
from audience_core.outputs.http import HttpRequest, HttpResponse
from audience_core.persistence.memory.control import MemorySecretStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryReevaluationQueue, MemoryWakeUpQueue
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from audience_core.persistence.memory.log_ins import MemoryLogInStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.pipeline.deliver import deliver
from audience_core.pipeline.fan_out import FanOut, fan_out
from audience_core.pipeline.fan_out_shared import FanOutShared, fan_out_shared
from audience_core.pipeline.fill_connection import fill_bucket, withdraw_bucket
from audience_core.pipeline.member_sets import MemberSets
from audience_core.pipeline.update_subscription import Work, finish_deletion, update_subscription
from tests.support.control import ACCOUNT, AUDIENCE, NOW, OTHER_ACCOUNT, an_output
from tests.support.partners import SECRET
from tests.support.sharing import Neighbours

T = int(NOW.timestamp() * 1000)
ANN, BOB, EVE = Mpid(8), Mpid(-15), Mpid(24)
_sequences = count(1)


def email(who: str) -> Identity:
    return Identity("email", f"{who}@example.com")


class Town(Neighbours):
    """Neighbours with the data path of both of them, over stores in memory."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.secrets, self.log_ins, self.identities = MemorySecretStore(), MemoryLogInStore(), MemoryIdentityStore()
        self.profiles, self.memberships, self.ledger = (
            MemoryProfileStore(),
            MemoryMembershipStore(),
            MemoryLedgerStore(),
        )
        self.history, self.wake_ups = MemoryHistoryStore(), MemoryWakeUpQueue()
        self.shared_changes, self.reevaluations = MemorySharedChangeQueue(), MemoryReevaluationQueue()
        self.sent: list[dict[str, Any]] = []
        self.now = T

    # The initiator's users

    def write(self, mpid: Mpid, *identities: Identity, audiences: Iterable[int] = (AUDIENCE,), **given: Any) -> Profile:
        """A write of a profile, and what the initiator's own fan-out makes of it."""
        old = self.profiles.load(ACCOUNT, Environment.PRODUCTION, [mpid]).get(mpid)
        new = Profile(ACCOUNT, Environment.PRODUCTION, mpid, old.version if old else 0)
        new.identities, new.memberships = dict.fromkeys(identities, 1), {AudienceId(each) for each in audiences}
        for name, value in given.items():
            setattr(new, name, value)
        saved = self.profiles.save(new, self.now)
        self.fan_out(ProfileChange(old, replace(saved), str(next(_sequences)), self.now))
        return saved

    def erase(self, mpid: Mpid) -> None:
        (old,) = self.profiles.load(ACCOUNT, Environment.PRODUCTION, [mpid]).values()
        self.profiles.delete(old)
        self.fan_out(ProfileChange(old, None, str(next(_sequences)), self.now))

    def fan_out(self, *changes: ProfileChange, watched: Callable[[Any], Any] = lambda store: store) -> None:
        stores: list[Any] = [
            self.accounts, self.audiences, self.outputs, self.history, self.memberships, self.ledger,
            self.reevaluations, self.wake_ups, self.identities, self.profiles,
        ]  # fmt: skip
        used = [watched(each) for each in stores]
        stores = [*used, MemberSets(used[1]), watched(self.shared_changes)]
        fan_out(FanOut(*stores), changes, self.now)

    def fan_out_shared(self) -> None:
        """Whatever waits in the queue of shared changes."""
        stores = FanOutShared(self.outputs, self.profiles, self.ledger, self.wake_ups, MemberSets(self.audiences))
        fan_out_shared(stores, self.shared_changes.take(), self.now)

    # The receiver's connections

    def received(self) -> AudienceId:
        """The receiver's id of the audience, which is shared now."""
        found = self.share().received_id
        assert found is not None
        return found

    def connect(self, audience_id: AudienceId, account_id: AccountId = OTHER_ACCOUNT, **given: Any) -> ConnectionId:
        """An active connection whose partner has been told of the audience, with a ledger that is filled."""
        reference = self.secrets.put(account_id, "o-1", {"signing_secret": SECRET})
        output = an_output(account_id=account_id, secret_ref=reference, settings={"url": "https://partner.example/"})
        try:
            self.outputs.get(account_id, output.output_id)
        except NotFoundError:
            self.outputs.save(output)
        new = NewConnection(output_id=output.output_id, **given)
        made = connections.create(self.outputs, self.both, self.workflows, account_id, audience_id, new, NOW)
        self.play(made)
        return made.connection_id

    def play(self, connection: Connection) -> None:
        """The workflow that a change of a connection starts."""
        key = connection.account_id, connection.connection_id
        work = update_subscription(self, self.send, *key, 1, NOW)
        if work is Work.FILL:
            for bucket in range(BUCKETS):
                assert fill_bucket(self, *key, bucket, None, lambda: self.now, T * 2) is None
        elif work is not Work.NOTHING:
            for bucket in range(DELIVERY_BUCKETS):
                assert withdraw_bucket(self, *key, bucket, None, lambda: self.now, T * 2) is None
            self.deliver(connection)
            assert finish_deletion(self, self.send, *key, 1, NOW)

    def deliver(self, connection: Connection) -> None:
        for bucket in range(DELIVERY_BUCKETS):
            lane = WakeUp(connection.account_id, connection.connection_id, bucket)
            deliver(self, self.send, lane, 1, lambda: self.now, T * 2)

    def send(self, request: HttpRequest) -> HttpResponse:
        """A partner that remembers what it heard."""
        self.sent.append(json.loads(request.body))
        return HttpResponse(200, {}, b"{}")

    def desired(self, connection_id: ConnectionId, account_id: AccountId = OTHER_ACCOUNT) -> dict[Mpid, Target | None]:
        lanes = [
            self.ledger.rows(account_id, connection_id, lane, None, 9999).items for lane in range(DELIVERY_BUCKETS)
        ]
        return {row.mpid: row.desired for rows in lanes for row in rows}

    def heard(self) -> list[tuple[str, str]]:
        """(mpid, action) of what partners were told, in order."""
        return [
            (profile["mpid"], each["action"])
            for message in self.sent
            for profile in message.get("user_profiles", ())
            for each in profile["audiences"]
        ]


def a_member(mpid: Mpid, *identities: Identity) -> Profile:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, mpid)
    profile.identities, profile.memberships = dict.fromkeys(identities, 1), {AUDIENCE}
    return profile
