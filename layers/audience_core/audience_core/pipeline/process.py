"""From queue messages to profiles: resolve identities, merge, evaluate, and put each profile once."""

import logging
import secrets
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from audience_core.domain.archive import Archive, ArchiveEntry, OwnedBatch
from audience_core.domain.erasure import grave_of
from audience_core.domain.event import Environment, EventBatch, Identity
from audience_core.domain.ids import DAY_MS, AccountId, Mpid
from audience_core.domain.messages import AcceptedBatch, PipelineMessage, Reevaluation, Release
from audience_core.domain.profile import Delta, Profile
from audience_core.domain.stores import EventQueue, IdentityRow, IdentityStore, ProfileStore
from audience_core.errors import StaleVersionError
from audience_core.identity.history import as_history, resolve_history
from audience_core.identity.merge import release
from audience_core.identity.resolve import Resolution, candidates, resolve
from audience_core.pipeline.evaluate_profile import evaluate_profile
from audience_core.pipeline.programs import Definitions, Programs
from audience_core.pipeline.update_profile import combine, prune, update
from audience_core.pipeline.wire.batch import read_batch

logger = logging.getLogger(__name__)

# Rounds lost to concurrent writers before the messages go back to the queue.
MAX_ROUNDS = 8


@dataclass(frozen=True, slots=True)
class Pipeline:
    """What processing needs of the outside world."""

    programs: Programs
    identities: IdentityStore
    profiles: ProfileStore
    events: EventQueue
    archive: Archive


@dataclass(frozen=True, slots=True)
class _Parcel:
    """A batch as it was accepted, and as it was read."""

    message: AcceptedBatch
    batch: EventBatch


@dataclass(slots=True)
class _Work:
    """What is to be done for one account and environment; `history` is for the archive only."""

    batches: list[_Parcel] = field(default_factory=list)
    history: list[_Parcel] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    mpids: set[Mpid] = field(default_factory=set)

    @property
    def is_done(self) -> bool:
        return not (self.batches or self.history or self.releases or self.mpids)


@dataclass(slots=True)
class _Turn:
    """What a message group does to one profile."""

    is_asked_for: bool = False
    resolved: list[tuple[_Parcel, Resolution]] = field(default_factory=list)
    releases: list[Release] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)

    def add(self, parcel: _Parcel, resolution: Resolution, delta: Delta) -> None:
        self.resolved.append((parcel, resolution))
        self.deltas.append(delta)

    def release(self, message: Release, profile: Profile) -> None:
        profile.identities, types = release(profile.identities, message.identity, message.at)
        self.releases.append(message)
        self.deltas.append(Delta(identity_types=types))

    @property
    def cause(self) -> str:
        """The request that came last, of those that are known."""
        causes = (parcel.message.correlation_id for parcel, _ in reversed(self.resolved))
        return next(filter(None, causes), "")

    @property
    def is_wanted(self) -> bool:
        return self.is_asked_for or bool(self.deltas)


def process(pipeline: Pipeline, messages: Sequence[PipelineMessage], now_ms: int) -> None:
    """Apply messages of any accounts; on return all of them are in the stored profiles and the archive.

    Raises:
        StaleVersionError: other writers kept winning; what was saved stays, repeating the rest is harmless.
    """
    for (account_id, environment), work in _by_population(messages).items():
        group = _Group(pipeline, pipeline.programs.current(account_id), environment, now_ms)
        group.finish(work)
        # Afterwards, because only now it is known whose they are; a message whose archiving fails comes again.
        pipeline.archive.put(group.entries, now_ms)


def _by_population(messages: Iterable[PipelineMessage]) -> dict[tuple[AccountId, Environment], _Work]:
    populations: dict[tuple[AccountId, Environment], _Work] = defaultdict(_Work)
    for message in messages:
        match message:
            case AcceptedBatch():
                batch = read_batch(message)
                work = populations[batch.source.account_id, batch.environment]
                if message.is_historical:
                    work.history.append(_Parcel(message, as_history(batch)))
                else:
                    work.batches.append(_Parcel(message, batch))
            case Release():
                populations[message.account_id, message.environment].releases.append(message)
            case Reevaluation():
                populations[message.account_id, Environment.PRODUCTION].mpids.add(message.mpid)
    return populations


class _Group:
    """The messages of one account and environment; `entries` are what of them is done and belongs into the archive."""

    def __init__(self, pipeline: Pipeline, definitions: Definitions, environment: Environment, now_ms: int) -> None:
        self._pipeline, self._definitions, self._environment = pipeline, definitions, environment
        self._account, self._now = definitions.account, now_ms
        self._horizon = now_ms - self._account.look_back_days * DAY_MS
        self.entries: list[ArchiveEntry] = []
        self._graves: Mapping[Identity, int] = {}

    def finish(self, work: _Work) -> None:
        for _ in range(MAX_ROUNDS):
            work = self.attempt(work)
            if work.is_done:
                return
        raise StaleVersionError(f"{MAX_ROUNDS} rounds lost to concurrent writers")

    def attempt(self, work: _Work) -> _Work:
        """Do what can be done against the state read now; what a concurrent writer spoilt is left for another round."""
        rows = self._rows(work)
        self._graves = self._read_graves(work, rows)
        profiles = self._load(work, rows)
        turns = {mpid: _Turn(mpid in work.mpids) for mpid in profiles}
        left = _Work(
            batches=_spoilt(work.batches, lambda parcel: self._apply(parcel, rows, profiles, turns)),
            history=_spoilt(work.history, lambda parcel: self._archive_history(parcel, rows, profiles)),
        )
        for each in work.releases:
            if each.mpid in profiles:
                turns[each.mpid].release(each, profiles[each.mpid])
        for mpid, turn in turns.items():
            if turn.is_wanted:
                self._finish(profiles[mpid], turn, left)
        return left

    def _rows(self, work: _Work) -> dict[Identity, IdentityRow]:
        wanted = {identity for parcel in (*work.batches, *work.history) for identity in parcel.batch.identities}
        return self._pipeline.identities.rows(self._account.account_id, self._environment, wanted) if wanted else {}

    def _read_graves(self, work: _Work, rows: Mapping[Identity, IdentityRow]) -> dict[Identity, int]:
        """Of what was received before a user was erased last, which is next to nothing."""
        parcels = (*work.batches, *work.history)
        old = [each.batch for each in parcels if each.message.received_at <= self._definitions.mark.erased_at]
        wanted = {identity for batch in old for identity in batch.identities}
        wanted |= {grave_of(mpid) for batch in old for mpid in candidates(batch, rows)}
        store = self._pipeline.identities
        return store.buried(self._account.account_id, self._environment, wanted) if wanted else {}

    def _is_erased(self, parcel: _Parcel, resolution: Resolution) -> bool:
        """Whether a batch was received before its user was erased; one that belongs to somebody else as well is not."""
        known = [grave_of(resolution.mpid), *(parcel.batch.identities if resolution.is_new else ())]
        return any(self._graves.get(each, -1) >= parcel.message.received_at for each in known)

    def _load(self, work: _Work, rows: Mapping[Identity, IdentityRow]) -> dict[Mpid, Profile]:
        parcels = (*work.batches, *work.history)
        mpids = {mpid for parcel in parcels for mpid in candidates(parcel.batch, rows)}
        mpids |= work.mpids | {each.mpid for each in work.releases}
        return self._pipeline.profiles.load(self._account.account_id, self._environment, mpids) if mpids else {}

    def _apply(
        self,
        parcel: _Parcel,
        rows: dict[Identity, IdentityRow],
        profiles: dict[Mpid, Profile],
        turns: dict[Mpid, _Turn],
    ) -> None:
        """Find whose batch it is and merge it at once, so that the next one is resolved against what it said."""
        batch, strategy = parcel.batch, self._account.strategy
        resolution = resolve(batch, rows, profiles, strategy, _new_mpid)
        if self._is_erased(parcel, resolution):
            return
        self._claim(resolution, rows)
        if resolution.mpid not in profiles:
            profiles[resolution.mpid] = Profile(self._account.account_id, self._environment, resolution.mpid)
            turns[resolution.mpid] = _Turn()
        delta = update(profiles[resolution.mpid], batch, resolution.granted, strategy, self._horizon)
        turns[resolution.mpid].add(parcel, resolution, delta)

    def _archive_history(
        self, parcel: _Parcel, rows: dict[Identity, IdentityRow], profiles: Mapping[Mpid, Profile]
    ) -> None:
        """Find whose it is; no profile hears of it."""
        resolution = resolve_history(parcel.batch, rows, profiles, self._account.strategy, _new_mpid)
        if self._is_erased(parcel, resolution):
            return
        self._claim(resolution, rows)
        self.entries.append(OwnedBatch(parcel.message, resolution.mpid, resolution.granted))

    def _claim(self, resolution: Resolution, rows: dict[Identity, IdentityRow]) -> None:
        if resolution.writes:
            self._pipeline.identities.write(self._account.account_id, self._environment, resolution.writes)
            for row in resolution.writes:
                rows[row.identity] = IdentityRow(row.identity, row.holders, row.version + 1, row.known)

    def _finish(self, profile: Profile, turn: _Turn, left: _Work) -> None:
        try:
            profile.cause = turn.cause
            if self._evaluate(profile, combine(turn.deltas)):
                self._pipeline.profiles.save(profile, self._now)
        except StaleVersionError:
            left.batches += [parcel for parcel, _ in turn.resolved]
            left.releases += turn.releases
            left.mpids |= {profile.mpid} if turn.is_asked_for else set()
        else:
            self._tell_identities(profile.mpid, turn)
            self.entries += [OwnedBatch(each.message, profile.mpid, done.granted) for each, done in turn.resolved]
            self.entries += turn.releases

    def _evaluate(self, profile: Profile, delta: Delta) -> bool:
        """Bring memberships up to date; whether there is anything new to store."""
        if self._environment is Environment.DEVELOPMENT:  # its users are in no audience
            is_news = not delta.is_empty
        else:
            self._keep_up_with(profile)
            is_news = evaluate_profile(self._definitions, profile, delta, self._now)
        if is_news:
            prune(profile, self._horizon)
        return is_news

    def _keep_up_with(self, profile: Profile) -> None:
        """Never evaluate with older definitions than somebody else did: memberships would flip back for a moment."""
        if profile.program_version > self._definitions.program.version:
            self._definitions = self._pipeline.programs.current(self._account.account_id)

    def _tell_identities(self, mpid: Mpid, turn: _Turn) -> None:
        """Identities that moved: rows drop their former holder, other profiles are told to let go."""
        account_id, environment = self._account.account_id, self._environment
        gone = [(each, parcel.batch.received_at) for parcel, done in turn.resolved for each in done.forgets]
        gone += [(each.identity, each.at) for each in turn.releases]
        for identity, at in gone:
            self._pipeline.identities.forget(account_id, environment, identity, mpid, at)
        taken = [
            Release(account_id, environment, holder, identity, parcel.batch.received_at)
            for parcel, done in turn.resolved
            for holder, identity in done.releases
        ]
        if taken:
            self._pipeline.events.send(taken)


def _spoilt(parcels: Iterable[_Parcel], take: Callable[[_Parcel], None]) -> list[_Parcel]:
    """Those of the parcels that could not be taken, because somebody wrote in between."""
    left = []
    for parcel in parcels:
        try:
            take(parcel)
        except StaleVersionError:
            left.append(parcel)
    return left


def _new_mpid() -> Mpid:
    """A random non-zero signed 64-bit integer."""
    while True:
        if mpid := int.from_bytes(secrets.token_bytes(8), signed=True):
            return Mpid(mpid)
