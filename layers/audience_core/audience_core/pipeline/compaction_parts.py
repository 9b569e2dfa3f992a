"""The parts of a compaction: a chunk of raw files spread over the shards, and a shard written anew."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from audience_core.domain.account import LoginStrategy
from audience_core.domain.archive import (
    FILES,
    ArchiveEntry,
    ArchiveShard,
    Erasure,
    Manifest,
    OwnedBatch,
    erased_key,
    shard_of,
    shard_of_erased,
)
from audience_core.domain.event import Environment, EventBatch, Identity, by_time
from audience_core.domain.ids import NEVER, AccountId, Mpid
from audience_core.domain.job import JobStep, Part
from audience_core.domain.messages import Release
from audience_core.domain.profile import Profile
from audience_core.errors import StaleVersionError
from audience_core.evaluation.columnar.kept import EMPTY, Kept, merged, profiles_of, read_kept, write_kept
from audience_core.identity.history import as_history
from audience_core.identity.merge import release
from audience_core.pipeline import leases
from audience_core.pipeline.compaction import (
    LEASE_MS,
    Compaction,
    CompactionPlan,
    MergedShard,
    folder_of,
    plan_of,
    raw_names,
)
from audience_core.pipeline.update_profile import update
from audience_core.pipeline.wire.batch import read_batch

type Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class PartOrder:
    """Which part of a compaction a worker is to do: the chunk or the shard of that number.

    Args:
        token: of the run that gives the order.
    """

    account_id: AccountId
    job_id: str
    token: int
    step: JobStep
    number: int


def work(stores: Compaction, order: PartOrder, clock: Clock) -> Part:
    """Do a part, unless it is done.

    Args:
        clock: now, UTC ms.

    Raises:
        NotOursError: the job was cancelled or is another run's now.
        DamagedShardError: the shard as it was cannot be read.
        StaleVersionError: another worker has begun with this part.
    """
    _require_ours(stores, order, clock())
    the_plan = plan_of(stores.files, order.account_id, order.job_id)
    part = stores.jobs.claim(_new_part(stores, order, the_plan))
    if part.is_done:
        return part
    if order.step is JobStep.SPREAD:
        looked_at = _spread(stores, order, the_plan)
    else:
        looked_at = _Merger(stores, order, the_plan, part, clock).merge()
    done = part.model_copy(update={"looked_at": looked_at, "progress": 1.0, "is_done": True, "error": ""})
    stores.jobs.save_part(done)
    return done


def note_error(stores: Compaction, order: PartOrder, error: str) -> None:
    """Tell watchers why the latest attempt at a part failed, unless another one has begun."""
    for part in stores.jobs.parts(order.account_id, order.job_id):
        if (part.step, part.name) == (order.step, _name(order)):
            with suppress(StaleVersionError):
                stores.jobs.save_part(part.model_copy(update={"error": error}))


def _spread(stores: Compaction, order: PartOrder, the_plan: CompactionPlan) -> int:
    """Sort the entries of a chunk by the shard, and the slice of it, that they belong to; how many there are."""
    found: defaultdict[tuple[int, int], list[ArchiveEntry]] = defaultdict(list)
    for name in raw_names(stores.files, order.account_id, order.job_id, order.number):
        for entry in stores.raw.entries(name):
            place = shard_of(entry.mpid, the_plan.count), entry.mpid // the_plan.count % the_plan.slices
            found[place].append(entry)
    for (shard, part), entries in sorted(found.items()):
        name = f"{order.account_id}/{order.job_id}/{shard:05d}/{part:02d}/{order.number:05d}"
        stores.staged.stage(name, entries)
    return sum(map(len, found.values()))


@dataclass(slots=True)
class _Merger:
    """A shard and what is to be merged into it."""

    stores: Compaction
    order: PartOrder
    plan: CompactionPlan
    part: Part
    clock: Clock
    erased: dict[str, int] = field(default_factory=dict)

    def merge(self) -> int:
        """Write the shard anew, and what came of it into a file of the run; how many entries were merged."""
        manifest = self.stores.shards.manifest(self.order.account_id, self.plan.version)
        self.erased = dict(manifest.erased)
        with TemporaryDirectory() as folder:
            kept, count = self._base(manifest, Path(folder) / "before"), 0
            slices = self._slices()
            for done, names in enumerate(slices, 1):
                entries = [entry for name in names for entry in self.stores.staged.staged(name)]
                kept, count = self._with(kept, entries), count + len(entries)
                leases.require_ours(
                    self.stores.jobs, self.order.account_id, self.order.job_id, self.order.token, self.clock(), LEASE_MS
                )
                self.part = self.part.model_copy(update={"progress": 0.9 * done / len(slices), "looked_at": count})
                self.stores.jobs.save_part(self.part)
            self._keep(kept, Path(folder) / "after")
        return count

    def _base(self, manifest: Manifest, folder: Path) -> Kept:
        """The shard as it was, or its part of the one that it is split off from."""
        parent = shard_of(self.order.number, manifest.count)
        shard = next((each for each in manifest.shards if each.number == parent), None)
        if shard is None:
            return EMPTY
        folder.mkdir()
        self.stores.shards.download(self.order.account_id, shard, FILES, folder)
        kept = read_kept(folder)
        if manifest.count == self.plan.count:
            return kept
        others = [each for each in kept.mpids.tolist() if shard_of(each, self.plan.count) != self.order.number]
        return merged(kept, [], others)

    def _slices(self) -> list[list[str]]:
        """The names of what is staged for the shard, slice by slice."""
        prefix = f"{self.order.account_id}/{self.order.job_id}/{self.order.number:05d}/"
        slices: defaultdict[str, list[str]] = defaultdict(list)
        for name in self.stores.staged.staged_names(prefix):
            slices[name.split("/")[3]].append(name)
        return list(slices.values())

    def _with(self, kept: Kept, entries: Sequence[ArchiveEntry]) -> Kept:
        news = {each.mpid: each.at for each in entries if isinstance(each, Erasure)}
        gone = {mpid: at for mpid, at in news.items() if at > self.erased.get(erased_key(mpid), -1)}
        self.erased |= {erased_key(mpid): at for mpid, at in gone.items()}
        kept = merged(kept, [], gone) if gone else kept
        by_user: defaultdict[Mpid, list[ArchiveEntry]] = defaultdict(list)
        for entry in entries:
            by_user[entry.mpid].append(entry)
        known = profiles_of(kept, self.order.account_id, by_user.keys())
        strategy = self.stores.accounts.get(self.order.account_id).strategy
        changed = []
        for mpid, own in by_user.items():
            profile = known.get(mpid) or Profile(self.order.account_id, Environment.PRODUCTION, mpid)
            if fold(profile, own, strategy, self.erased.get(erased_key(mpid))):
                changed.append(profile)
        return merged(kept, changed)

    def _keep(self, kept: Kept, folder: Path) -> None:
        account_id, number = self.order.account_id, self.order.number
        shard = None
        if len(kept.mpids):
            write_kept(folder, kept)
            # Every attempt has a folder of its own, so that one that only slept cannot touch the files of another.
            name = f"{self.order.job_id}-{self.order.token}-{self.part.token}/{number:05d}"
            first_at, last_at = kept.instants or (None, None)
            shard = ArchiveShard(
                number=number,
                folder=name,
                users=len(kept.mpids),
                events=kept.event_count,
                first_at=first_at,
                last_at=last_at,
                files=self.stores.shards.upload(account_id, name, folder),
            )
        own = {key: at for key, at in self.erased.items() if shard_of_erased(key, self.plan.count) == number}
        result = MergedShard(shard=shard, erased=own).model_dump(mode="json")
        self.stores.files.put_lines(f"{folder_of(account_id, self.order.job_id)}/merged/{number:05d}.jsonl", [result])


def fold(
    profile: Profile, entries: Iterable[ArchiveEntry], strategy: LoginStrategy, erased_until: int | None = None
) -> bool:
    """Merge what the archive has of a user as real-time processing would, but for the look-back; whether there was any.

    Args:
        erased_until: what was received until then (UTC ms) is to be forgotten; None: nothing is.
    """
    batches, releases = [], []
    for entry in entries:
        match entry:
            case OwnedBatch(batch=batch, granted=granted) if erased_until is None or batch.received_at > erased_until:
                read = read_batch(batch)
                batches.append((as_history(read) if batch.is_historical else read, granted))
            case Release() if erased_until is None or entry.at > erased_until:
                releases.append(entry)
    _fold_batches(profile, batches, strategy)
    for each in releases:
        profile.identities, _ = release(profile.identities, each.identity, each.at)
    return bool(batches or (releases and profile.seen))


def _fold_batches(
    profile: Profile, batches: Sequence[tuple[EventBatch, tuple[Identity, ...]]], strategy: LoginStrategy
) -> None:
    """All events at once, in the order of time: a user may have many thousand."""
    for batch, granted in batches:
        update(profile, replace(batch, events=()), granted, strategy, -NEVER)
    events = sorted((event for batch, _ in batches for event in batch.events), key=by_time)
    if events:
        update(profile, replace(batches[-1][0], events=tuple(events)), (), strategy, -NEVER)


def _require_ours(stores: Compaction, order: PartOrder, now_ms: int) -> None:
    leases.require_ours(stores.jobs, order.account_id, order.job_id, order.token, now_ms, LEASE_MS)


def _name(order: PartOrder) -> str:
    return f"{order.number:05d}"


def _new_part(stores: Compaction, order: PartOrder, the_plan: CompactionPlan) -> Part:
    if order.step is JobStep.SPREAD:
        parts = the_plan.chunks
    else:
        parts = len(stores.files.lines(f"{folder_of(order.account_id, order.job_id)}/merge.jsonl"))
    return Part(
        account_id=order.account_id,
        job_id=order.job_id,
        step=order.step,
        name=_name(order),
        bucket=order.number,
        share=1 / parts,
    )
