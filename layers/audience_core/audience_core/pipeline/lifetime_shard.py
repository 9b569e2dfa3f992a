"""One part of a calculation: the members of all its audiences among the users of one shard."""

import gc
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from audience_core.domain.archive import SCANNED, ArchiveShard, require_as_written, shard_of
from audience_core.domain.definition import AllOf, AnyOf, AudienceMembershipCriterion, Criterion, Not
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.job import JobStep, Part
from audience_core.domain.lifetime import DateRange
from audience_core.domain.profile import BUCKETS
from audience_core.errors import StaleVersionError
from audience_core.evaluation.columnar.arrays import Bits
from audience_core.evaluation.columnar.evaluate import bits_of, members_of
from audience_core.evaluation.columnar.parquet import shard_in
from audience_core.evaluation.columnar.plan import Plan, plan_of
from audience_core.evaluation.columnar.shard import EventRange, Shard
from audience_core.pipeline import leases
from audience_core.pipeline.lifetime import (
    LEASE_MS,
    Calculation,
    CalculationRequest,
    shard_numbered,
    snapshot,
)


@dataclass(frozen=True, slots=True)
class ShardOrder:
    """Args:
    token: of the run that gives the order.
    """

    account_id: AccountId
    job_id: str
    token: int
    number: int


def scan(stores: Calculation, order: ShardOrder, now_ms: int) -> Part:
    """Find the members among the users of a shard, unless that is done.

    Raises:
        NotOursError: the job was cancelled or is another run's now.
        DamagedShardError: the shard cannot be read.
        StaleVersionError: another worker has begun with this shard.
    """
    job = leases.require_ours(stores.jobs, order.account_id, order.job_id, order.token, now_ms, LEASE_MS)
    manifest = stores.shards.manifest(order.account_id, job.target)
    shard = shard_numbered(manifest.shards, order.number)
    part = stores.jobs.claim(_new_part(order, shard, manifest.events))
    if part.is_done:
        return part
    now = CalculationRequest.model_validate(job.request).at
    with _without_collections():
        sizes = _members_into(stores, order, shard, manifest.count, now)
    done = part.model_copy(
        update={"looked_at": shard.users, "progress": 1.0, "is_done": True, "error": "", "result": sizes}
    )
    stores.jobs.save_part(done)
    return done


def note_error(stores: Calculation, order: ShardOrder, error: str) -> None:
    """Tell watchers why the latest attempt at a shard failed, unless another one has begun."""
    for part in stores.jobs.parts(order.account_id, order.job_id):
        if part.name == _name(order):
            with suppress(StaleVersionError):
                stores.jobs.save_part(part.model_copy(update={"error": error}))


@contextmanager
def _without_collections() -> Iterator[None]:
    """Definitions and their plan are many objects and no garbage: to look for cycles takes as long as to make them."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _members_into(stores: Calculation, order: ShardOrder, shard: ArchiveShard, count: int, now: int) -> dict[str, int]:
    """Store the members of each audience; how many each has."""
    with ThreadPoolExecutor(1) as pool:
        # What is asked is worked out while the files come.
        coming = pool.submit(_fetched, stores, order, shard)
        asked = _asked(stores, order, now)
        files = coming.result()
        # They are checked while they are evaluated: nothing of what was found is told before that is done.
        checked = pool.submit(_check, shard, files)
        try:
            read = shard_in(files)
            found = members_of(read, asked.plan, _known(stores, order, read, count, asked.parts)).found()
        except Exception:
            # What is damaged cannot be read either.
            checked.result()
            raise
    checked.result()
    stores.results.put(order.account_id, order.job_id, order.number, found)
    return {str(audience_id): size for audience_id, size in found.counts.items()}


@dataclass(frozen=True, slots=True)
class _Asked:
    """Args:
    parts: real-time audiences that are referred to -> the member sets that are theirs.
    """

    plan: Plan
    parts: Mapping[AudienceId, AudienceId]


def _asked(stores: Calculation, order: ShardOrder, now: int) -> _Asked:
    taken = snapshot(stores.files, order.account_id, order.job_id)
    nested = {each for audience in taken.audiences for each in _nested(audience.definition.root)}
    parts = {each: taken.parts[each] for each in nested if each in taken.parts}
    visible = {each.audience_id: EventRange(*(each.date_range or DateRange()).instants) for each in taken.audiences}
    return _Asked(plan_of(taken.audiences, (), now, visible, parts), parts)


def _fetched(stores: Calculation, order: ShardOrder, shard: ArchiveShard) -> dict[str, memoryview]:
    def fetch(name: str) -> memoryview:
        return stores.shards.fetch(order.account_id, shard, name)

    with ThreadPoolExecutor(len(SCANNED)) as pool:
        return dict(zip(SCANNED, pool.map(fetch, SCANNED), strict=True))


def _check(shard: ArchiveShard, files: Mapping[str, memoryview]) -> None:
    for name, content in files.items():
        require_as_written(shard, name, content)


def _nested(criterion: Criterion) -> Iterator[AudienceId]:
    match criterion:
        case AllOf(criteria=criteria) | AnyOf(criteria=criteria):
            for each in criteria:
                yield from _nested(each)
        case Not(criterion=inner):
            yield from _nested(inner)
        case AudienceMembershipCriterion(audience_id=audience_id):
            yield AudienceId(audience_id)


def _known(
    stores: Calculation, order: ShardOrder, shard: Shard, count: int, parts: Mapping[AudienceId, AudienceId]
) -> dict[AudienceId, Bits]:
    """Who of the shard's users is in the real-time audiences that are referred to, by their member lists."""
    return {
        audience_id: bits_of(shard, list(_listed(stores, order.account_id, live_set, order.number, count)))
        for audience_id, live_set in parts.items()
    }


def _listed(
    stores: Calculation, account_id: AccountId, live_set: AudienceId, number: int, count: int
) -> Iterator[Mpid]:
    """Members whose mpids hash to the shard; a bucket's mpids have low bits in common, as a shard's have."""
    common = min(count, BUCKETS)
    for bucket in range(number % common, BUCKETS, common):
        mpids = stores.memberships.between(account_id, live_set, bucket, None, None)
        yield from (mpid for mpid in mpids if shard_of(mpid, count) == number)


def _name(order: ShardOrder) -> str:
    return f"{order.number:05d}"


def _new_part(order: ShardOrder, shard: ArchiveShard, events: int) -> Part:
    return Part(
        account_id=order.account_id,
        job_id=order.job_id,
        step=JobStep.SCAN,
        name=_name(order),
        bucket=order.number,
        share=shard.events / events if events else 1.0,
    )
