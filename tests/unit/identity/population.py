"""Workers that share stores and take turns at every read and write, as concurrent functions do."""

from collections.abc import Generator, Iterable
from itertools import count

from audience_core.domain.account import LoginStrategy
from audience_core.domain.event import Environment, EventBatch, Identity, Source
from audience_core.domain.ids import AccountId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Seen
from audience_core.errors import StaleVersionError
from audience_core.identity.merge import merge_identities, release
from audience_core.identity.resolve import Resolution, candidates, resolve
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.profiles import MemoryProfileStore

ACCOUNT, WORKSPACE = AccountId(7), WorkspaceId("w-000000000001")
ENVIRONMENT = Environment.PRODUCTION

type Worker[T] = Generator[None, None, T]


def ids(text: str) -> tuple[Identity, ...]:
    """`"customer_id=john email=j@x"` as identities."""
    pairs = (word.split("=", 1) for word in text.split())
    return tuple(Identity(identity_type, value) for identity_type, value in pairs)


def a_batch(text: str, at: int, mpid: int | None = None, batch_id: str = "", input_id: str = "i-1") -> EventBatch:
    """A batch of identities received, and its user seen, at `at` (UTC ms)."""
    return EventBatch(
        source=Source(ACCOUNT, WORKSPACE, InputId(input_id)),
        environment=ENVIRONMENT,
        batch_id=batch_id or f"{text}@{at}",
        received_at=at,
        seen_first=at,
        seen_last=at,
        mpid=None if mpid is None else Mpid(mpid),
        identities=ids(text),
    )


class Population:
    """One account's users, and what processing does to them."""

    def __init__(self, strategy: LoginStrategy | None = None) -> None:
        self.strategy = strategy or LoginStrategy()
        self.identities, self.profiles = MemoryIdentityStore(), MemoryProfileStore()
        self.mpids: set[Mpid] = set()
        self.releases: list[tuple[Mpid, Identity, int]] = []
        self.last: Resolution | None = None
        self._numbers = count(1)

    def receive(self, text: str, at: int, mpid: int | None = None) -> Mpid:
        """Process a batch alone, and everything that follows from it; whose it was."""
        owner = finish(self.processing(a_batch(text, at, mpid)))
        self.let_go()
        return owner

    def held(self, mpid: Mpid) -> set[str]:
        """What a profile holds, as words of `ids`."""
        profile = self.profiles.load(ACCOUNT, ENVIRONMENT, [mpid])[mpid]
        return {f"{identity.type}={identity.value}" for identity in profile.identities}

    def processing(self, batch: EventBatch) -> Worker[Mpid]:
        """A worker that handles the batch, pausing wherever another may come in between."""
        while True:
            try:
                return (yield from self._attempt(batch))
            except StaleVersionError:
                yield

    def let_go(self) -> None:
        """Tell profiles what they lost."""
        while self.releases:
            mpid, identity, at = self.releases.pop()
            for profile in self.profiles.load(ACCOUNT, ENVIRONMENT, [mpid]).values():
                profile.identities, _ = release(profile.identities, identity, at)
                self.profiles.save(profile, at)
            self.identities.forget(ACCOUNT, ENVIRONMENT, identity, mpid, at)

    def _attempt(self, batch: EventBatch) -> Worker[Mpid]:
        rows = self.identities.rows(ACCOUNT, ENVIRONMENT, set(batch.identities))
        yield
        profiles = self.profiles.load(ACCOUNT, ENVIRONMENT, candidates(batch, rows))
        yield
        self.last = resolution = resolve(batch, rows, profiles, self.strategy, self._new_mpid)
        self.identities.write(ACCOUNT, ENVIRONMENT, resolution.writes)
        yield
        profile = profiles.get(resolution.mpid) or Profile(ACCOUNT, ENVIRONMENT, resolution.mpid)
        self._merge(profile, batch, resolution.granted)
        self.profiles.save(profile, batch.received_at)
        self.mpids.add(profile.mpid)
        self.releases += [(mpid, identity, batch.received_at) for mpid, identity in resolution.releases]
        yield
        for identity in resolution.forgets:
            self.identities.forget(ACCOUNT, ENVIRONMENT, identity, resolution.mpid, batch.received_at)
        return resolution.mpid

    def _merge(self, profile: Profile, batch: EventBatch, granted: Iterable[Identity]) -> None:
        profile.identities, _ = merge_identities(profile.identities, granted, batch.received_at, self.strategy)
        seen = profile.seen.get(WORKSPACE, Seen(batch.seen_first, batch.seen_last))
        profile.seen[WORKSPACE] = Seen(min(seen.first, batch.seen_first), max(seen.last, batch.seen_last))

    def _new_mpid(self) -> Mpid:
        return Mpid(next(self._numbers))


def finish[T](worker: Worker[T]) -> T:
    """Let a worker run to its end."""
    while True:
        try:
            next(worker)
        except StopIteration as end:
            result: T = end.value
            return result
