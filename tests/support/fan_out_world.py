"""An account whose audience is connected, and records of a stream that go through it, over stores in memory."""

from collections.abc import Iterable, Iterator
from itertools import count
from typing import Any

from audience_core.domain.event import Environment, Identity
from audience_core.domain.ids import AudienceId, ConnectionId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.output import (
    DELIVERY_BUCKETS,
    Target,
)
from audience_core.domain.profile import Profile
from audience_core.domain.profile_change import ProfileChange
from audience_core.persistence.memory.control import MemoryAccountStore, MemoryAudienceStore, MemoryOutputStore
from audience_core.persistence.memory.history import MemoryHistoryStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryReevaluationQueue, MemoryWakeUpQueue
from audience_core.persistence.memory.ledger import MemoryLedgerStore
from audience_core.persistence.memory.memberships import MemoryMembershipStore
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.memory.sharing import MemorySharedChangeQueue
from audience_core.pipeline.count_members import Counting, count_members
from audience_core.pipeline.fan_out import FanOut, fan_out
from audience_core.pipeline.member_sets import MemberSets
from tests.support.control import (
    ACCOUNT,
    AUDIENCE,
    CONNECTION,
    OTHER_ACCOUNT,
    a_connection,
    an_account,
    an_output,
)

NOW = 1_795_521_600_000
ANN, BO = Mpid(-7), Mpid(66)
OTHER_AUDIENCE = AudienceId(2)
EMAIL = Identity("email", "ann@example.com")
_sequences = count(1)


class World:
    """An account whose audience 1 is connected to an output, and records that go through it."""

    def __init__(self) -> None:
        self.accounts, self.history = MemoryAccountStore(), MemoryHistoryStore()
        self.audiences, self.outputs = MemoryAudienceStore(), MemoryOutputStore()
        self.memberships, self.ledger = MemoryMembershipStore(), MemoryLedgerStore()
        self.reevaluations, self.wake_ups = MemoryReevaluationQueue(), MemoryWakeUpQueue()
        self.identities, self.profiles = MemoryIdentityStore(), MemoryProfileStore()
        self.shared_changes = MemorySharedChangeQueue()
        for account_id in (ACCOUNT, OTHER_ACCOUNT):
            self.accounts.create(an_account(account_id=account_id, history_retention_days=45))
        self.outputs.save(an_output())
        self.outputs.save_connection(a_connection())

    def stores(self, calls_until_crash: int | None = None) -> FanOut:
        calls = None if calls_until_crash is None else iter(range(calls_until_crash))
        stores: list[Any] = [
            self.accounts, self.audiences, self.outputs, self.history,
            self.memberships, self.ledger, self.reevaluations, self.wake_ups,
            self.identities, self.profiles,
        ]  # fmt: skip
        used: list[Any] = stores if calls is None else [Failing(store, calls) for store in stores]
        return FanOut(*[*used, MemberSets(used[1]), self.shared_changes])

    def counting(self, calls_until_crash: int | None = None) -> Counting:
        stores: list[Any] = [self.accounts, self.history, self.memberships, self.identities]
        if calls_until_crash is not None:
            calls = iter(range(calls_until_crash))
            stores = [Failing(store, calls) for store in stores]
        return Counting(*[*stores, MemberSets(self.audiences)])

    def take(self, *changes: ProfileChange, now: int = NOW) -> None:
        fan_out(self.stores(), changes, now)
        count_members(self.counting(), changes, now)

    def members(self, audience_id: AudienceId = AUDIENCE) -> tuple[Membership, ...]:
        return self.memberships.members(ACCOUNT, audience_id, None, 1000).items

    def counted(self, audience_id: AudienceId = AUDIENCE) -> tuple[int, int, int]:
        counts = self.memberships.counts(ACCOUNT, audience_id, NOW)
        return counts.size, counts.adds_24h, counts.drops_24h

    def desired(self, connection_id: ConnectionId = CONNECTION) -> dict[Mpid, Target | None]:
        lanes = [self.ledger.rows(ACCOUNT, connection_id, lane, None, 1000).items for lane in range(DELIVERY_BUCKETS)]
        return {row.mpid: row.desired for rows in lanes for row in rows}


class Failing:
    """A store that works for some calls, shared with other stores, and fails ever after."""

    def __init__(self, store: Any, calls: Iterator[int]) -> None:
        self._store, self._calls = store, calls

    def __getattr__(self, name: str) -> Any:
        if next(self._calls, None) is None:
            raise ConnectionError("the function ran out of time")
        return getattr(self._store, name)


def a_profile(
    mpid: Mpid = ANN,
    version: int = 1,
    audiences: Iterable[int] = (),
    identities: Iterable[Identity] = (EMAIL,),
    **given: Any,
) -> Profile:
    profile = Profile(ACCOUNT, Environment.PRODUCTION, mpid, version)
    profile.memberships = {AudienceId(each) for each in audiences}
    profile.identities = dict.fromkeys(identities, 1)
    for name, value in given.items():
        setattr(profile, name, value)
    return profile


def a_change(old: Profile | None, new: Profile | None, at: int = NOW) -> ProfileChange:
    return ProfileChange(old, new, str(next(_sequences)), at)
