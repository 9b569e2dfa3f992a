"""Erasing users: every store and partner is visited again and again until nothing of them is left (docs/privacy.md).

Each step removes what is there now, says how much, and whether there can be more. So it does not matter where a visit
is cut off, and what was under way when the erasure was asked for is removed by a later one.
"""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from audience_core.domain.archive import Archive, ShardStore, erased_key
from audience_core.domain.control_stores import AudienceStore, JobStore, OutputStore, Workflows
from audience_core.domain.erasure import (
    DeadLetters,
    ErasureOrder,
    FileTraces,
    StoredTraces,
    Subject,
    counted_of,
    grave_of,
    passed_of,
)
from audience_core.domain.event import Environment, Identity
from audience_core.domain.export import folder_of
from audience_core.domain.export_stores import ExportFiles
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.job import UNDER_WAY, Job, JobKind, JobState, JobStep, Part
from audience_core.domain.messages import AcceptedBatch, Reevaluation, Release
from audience_core.domain.output import Connection, delivery_bucket_of
from audience_core.domain.stores import IdentityStore, LedgerStore, MarkStore, ProfileStore, WakeUpQueue
from audience_core.errors import NotOursError, StaleVersionError
from audience_core.outputs.lanes import wake_up_of
from audience_core.outputs.registry import kind_named
from audience_core.pipeline import leases
from audience_core.pipeline.erase import erase

LEASE_MS = 3 * 3_600_000
# Whoever had read the user's data before the erasure has written what came of it by then.
SETTLE_MS = 150_000
_LONGEST_WAIT_S, _SHORTEST_WAIT_S = 3600, 5

logger = logging.getLogger(__name__)

type Clock = Callable[[], int]


@dataclass(frozen=True, slots=True)
class Eraser:
    """What erasing needs of the outside world.

    Args:
        decode: a line of a queue message; identities_of: those of a batch as it was accepted.
        settle_ms: whoever had read the user's data before the erasure has written what came of it by then.
    """

    audiences: AudienceStore
    outputs: OutputStore
    profiles: ProfileStore
    identities: IdentityStore
    ledger: LedgerStore
    wake_ups: WakeUpQueue
    jobs: JobStore
    marks: MarkStore
    archive: Archive
    shards: ShardStore
    export_files: ExportFiles
    traces: StoredTraces
    files: FileTraces
    dead_letters: DeadLetters
    workflows: Workflows
    decode: Callable[[str], AcceptedBatch | Reevaluation | Release]
    identities_of: Callable[[AcceptedBatch], tuple[Identity, ...]]
    settle_ms: int = SETTLE_MS


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one step found.

    Args:
        detail: what it waits for; "" when it is done.
        cursor: where the next visit goes on.
    """

    removed: int
    detail: str = ""
    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Visit:
    """How far an erasure has come; `wait_s` until the next visit."""

    is_done: bool
    wait_s: int = 0


def begin(stores: Eraser, account_id: AccountId, job_id: str, token: int, run: str, now_ms: int) -> int:
    """Take the job's lease and see to it that nothing received before is applied from now on; the run's token.

    Raises:
        NotOursError: the job has ended, or is another run's.
    """
    job = leases.take(stores.jobs, stores.jobs.get(account_id, job_id), token, run, _instant(now_ms), LEASE_MS)
    if job is None:
        raise NotOursError(f"{job_id} has ended, or another run holds it")
    order = ErasureOrder.model_validate(job.request)
    # Whoever sees the mark looks for the graves, so these come first.
    for subject in order.subjects:
        graves = [grave_of(subject.mpid), *order.known]
        stores.identities.bury(account_id, subject.environment, graves, order.at)
    stores.audiences.note_erasure(account_id, order.at)
    for subject in order.subjects:
        erase(stores, account_id, subject.mpid, order.at, subject.environment)
    return job.token


def visit(stores: Eraser, account_id: AccountId, job_id: str, token: int, clock: Clock, until_ms: int) -> Visit:
    """Take every step that is not done; raise `NotOursError` when the job is not this run's any more."""
    if leases.has_succeeded(stores.jobs, account_id, job_id, token):
        return Visit(True)
    job = leases.require_ours(stores.jobs, account_id, job_id, token, clock(), LEASE_MS)
    desk = _Desk(stores, job, clock, until_ms)
    waiting = [part for part in desk.work() if not part.is_done]
    if waiting:
        return Visit(False, desk.wait_s())
    _finish(stores, desk.job, desk.order, clock())
    return Visit(True)


def fail(stores: Eraser, account_id: AccountId, job_id: str, run: str, error: str, now_ms: int) -> None:
    leases.fail(stores.jobs, account_id, job_id, run, error, _instant(now_ms))


def _finish(stores: Eraser, job: Job, order: ErasureOrder, now_ms: int) -> None:
    """The receipt is of so many profiles, and no longer says of whom."""
    for subject in order.subjects:
        stores.files.erasures(job.account_id, subject)
    current = stores.jobs.get(job.account_id, job.job_id)
    blank = ErasureOrder(at=order.at, profiles=order.profiles).model_dump(mode="json")
    leases.end(stores.jobs, current.model_copy(update={"request": blank}), JobState.SUCCEEDED, "", _instant(now_ms))
    logger.info("users erased", extra={"account_id": job.account_id, "count": order.profiles})


class _Desk:
    """One visit."""

    def __init__(self, stores: Eraser, job: Job, clock: Clock, until_ms: int) -> None:
        self.stores, self.job, self.clock, self.until_ms = stores, job, clock, until_ms
        self.order, self.account_id = ErasureOrder.model_validate(job.request), job.account_id
        self.mpids = frozenset(each.mpid for each in self.order.subjects)
        self._settled_at = self.order.at + stores.settle_ms
        self.last_audience = stores.traces.last_audience(self.account_id)

    @property
    def is_settled(self) -> bool:
        return self.clock() >= self._settled_at

    def wait_s(self) -> int:
        """The longer it has taken, the longer the pauses: a partner's fault may last for weeks."""
        age_s = (self.clock() - self.order.at) // 1000
        return min(_LONGEST_WAIT_S, max(_SHORTEST_WAIT_S, age_s // 20))

    def work(self) -> Iterator[Part]:
        """All parts as they are now. What is live goes first, so that nothing comes after what follows from it."""
        live = [self._step("identities", self.identities), self._step("profiles", self.profiles)]
        live += [self._step("timelines", self.timelines), self._step("memberships", self.memberships)]
        yield from live
        connections = self._connections()
        for connection in connections:
            yield self._step(f"partner {connection.connection_id}", partial(self.partner, connection), connection)
        yield from self._given_up({each.connection_id for each in connections})
        if not all(part.is_done for part in live):
            yield from (self._waiting(name) for name in _LATER)
            return
        for name in ("history", "results", "exports", "dead_letters", "archive"):
            yield self._step(name, getattr(self, name))
        parts = {part.name: part for part in self.stores.jobs.parts(self.account_id, self.job.job_id)}
        if not parts["archive"].is_done:
            yield from (self._waiting(name) for name in ("raw_archive", "jobs"))
            return
        yield self._step("raw_archive", self.raw_archive)
        yield self._step("jobs", self.job_parts)

    # Live ---------------------------------------------------------------------------------------------------------

    def identities(self, part: Part) -> Outcome:
        """First of all: no batch finds the profile any more, so that somebody who comes back is somebody new."""
        removed = sum(
            self.stores.traces.identity(self.account_id, subject, identity)
            for subject in self.order.subjects
            for identity in self.order.known
        )
        return Outcome(removed, "" if self.is_settled and not removed else _SETTLING)

    def profiles(self, part: Part) -> Outcome:
        """Done when both readers of the stream have told of every end: until then they may write more of the user."""
        removed, ended = 0, set(json.loads(part.cursor or "[]"))
        for place, subject in enumerate(self.order.subjects):
            where = self.account_id, subject.environment
            profile = self.stores.profiles.load_outlines(*where, [subject.mpid]).get(subject.mpid)
            if profile is not None:
                self._learn(profile.identities)
                removed += self._deleted(profile)
                ended.add(place)
        is_told = all(self._is_told(self.order.subjects[place]) for place in ended)
        is_done = self.is_settled and is_told and not removed
        return Outcome(removed, "" if is_done else _SETTLING, json.dumps(sorted(ended)))

    def _is_told(self, subject: Subject) -> bool:
        known = [passed_of(subject.mpid), counted_of(subject.mpid)]
        return len(self.stores.identities.buried(self.account_id, subject.environment, known)) == len(known)

    def timelines(self, part: Part) -> Outcome:
        removed = sum(self.stores.traces.timelines(self.account_id, each) for each in self.order.subjects)
        return Outcome(removed, "" if self.is_settled else _SETTLING)

    def memberships(self, part: Part) -> Outcome:
        removed = sum(
            self.stores.traces.memberships(self.account_id, mpid, self.last_audience) for mpid in self._of_production()
        )
        return Outcome(removed, "" if self.is_settled and not removed else _SETTLING)

    # Partners -----------------------------------------------------------------------------------------------------

    def partner(self, connection: Connection, part: Part) -> Outcome:
        """Done when the ledger has no row of the user: the partner has acknowledged that it forgets them."""
        owner, now_ms = (connection.account_id, connection.connection_id), self.clock()
        rows = self.stores.ledger.find(*owner, self._of_production())
        for row in rows.values():
            version = max(row.desired_version, self.order.at // 1000) + (row.desired is not None)
            if self.stores.ledger.desire(*owner, row.mpid, None, version, now_ms):
                self._wake(connection, row.mpid)
        if rows:
            why = (
                f"it is faulted ({connection.fault.kind}): resume it"
                if connection.fault
                else "the partner is being told"
            )
            return Outcome(0, why)
        if not self.is_settled:
            return Outcome(0, _SETTLING)
        removed = sum(self.stores.traces.notes(*owner, mpid) for mpid in self._of_production())
        return Outcome(removed)

    def _wake(self, connection: Connection, mpid: Mpid) -> None:
        kind = kind_named(self.stores.outputs.get(connection.account_id, connection.output_id).connector)
        lane = wake_up_of(connection, kind, delivery_bucket_of(mpid))
        self.stores.wake_ups.send([replace(lane, is_urgent=bool(kind.flush_after_s))], self.clock())

    def _connections(self) -> list[Connection]:
        """The account's own, and those of accounts with which it shares audiences."""
        _, routes = self.stores.outputs.forwarding(self.account_id)
        of_receivers, _ = self.stores.outputs.routed(routes)
        return [*self.stores.outputs.list_connections(self.account_id), *of_receivers]

    def _given_up(self, there: set[Any]) -> Iterator[Part]:
        """Connections that were deleted meanwhile: that told the partner to forget everybody, or gave it up."""
        for part in self.stores.jobs.parts(self.account_id, self.job.job_id):
            connection_id = part.name.removeprefix("partner ")
            if part.name != connection_id and connection_id not in there and not part.is_done:
                yield self._step(part.name, lambda _: Outcome(0))

    # What follows -------------------------------------------------------------------------------------------------

    def history(self, part: Part) -> Outcome:
        found = (self.stores.traces.history(self.account_id, m, self.last_audience) for m in self._of_production())
        return Outcome(sum(found))

    def results(self, part: Part) -> Outcome:
        removed = self.stores.files.results(self.account_id, self.mpids)
        return Outcome(removed, "a calculation is under way" if self._under_way(JobKind.LIFETIME_CALCULATION) else "")

    def exports(self, part: Part) -> Outcome:
        """An archive cannot be written anew: those of before go, and are asked for again by whoever wants them."""
        if self._under_way(JobKind.EXPORT):
            return Outcome(0, "an export is under way")
        removed = 0
        for job in self.stores.jobs.list(self.account_id):
            if job.kind is JobKind.EXPORT and job.export is not None and job.export.at <= self._settled_at:
                keys = list(self.stores.export_files.below(folder_of(self.account_id, job.export.export_id)))
                self.stores.export_files.delete(keys)
                removed += len(keys)
        return Outcome(removed)

    def dead_letters(self, part: Part) -> Outcome:
        return Outcome(self.stores.dead_letters.remove(self._is_theirs))

    def archive(self, part: Part) -> Outcome:
        """Shards without the user, and none of the former ones, which nobody reads any more."""
        manifest, at = self.stores.shards.manifest(self.account_id), self.order.at
        if not all(manifest.erased.get(erased_key(mpid), -1) >= at for mpid in self._of_production()):
            self.stores.workflows.start_compaction(self.account_id, f"{self.job.job_id}-{manifest.version}")
            return Outcome(0, "the archive is being compacted")
        if self._under_way(JobKind.LIFETIME_CALCULATION):
            return Outcome(0, "a calculation reads the archive as it was before")
        for folder in manifest.retired:
            self.stores.shards.remove(self.account_id, folder)
        removed = self.stores.files.staged(self.account_id, manifest.version)
        return Outcome(removed + len(manifest.retired))

    def raw_archive(self, part: Part) -> Outcome:
        """Whatever identity the user ever had is found there, too; and by which requests they came."""
        found = self.stores.files.raw(
            self.account_id, self.order.subjects, part.cursor or "", self.clock, self.until_ms
        )
        self.stores.traces.requests(found.requests)
        for subject in self.order.subjects:
            for identity in found.identities:
                self.stores.traces.identity(self.account_id, subject, identity)
        return Outcome(found.removed, "the raw archive is being read" if found.next else "", found.next)

    def job_parts(self, part: Part) -> Outcome:
        removed = self.stores.traces.job_parts(self.account_id, self.mpids)
        mark = self.stores.marks.get("retire_profiles") or ""
        is_there = any(f'"{mpid}"' in mark for mpid in self.mpids)
        return Outcome(removed, "a nightly run stands at the user's place" if is_there else "")

    # Common -------------------------------------------------------------------------------------------------------

    def _of_production(self) -> list[Mpid]:
        return sorted(each.mpid for each in self.order.subjects if each.environment is Environment.PRODUCTION)

    def _under_way(self, kind: JobKind) -> bool:
        """Whether there is such work that may have begun before all was settled."""
        now_ms = self.clock()
        return any(
            job.kind is kind and job.state_at(now_ms) in UNDER_WAY and leases.ms(job.created_at) <= self._settled_at
            for job in self.stores.jobs.list(self.account_id)
        )

    def _deleted(self, profile: Any) -> int:
        with suppress(StaleVersionError):  # it is there again: the next visit comes back
            self.stores.profiles.delete(profile)
        return 1

    def _learn(self, identities: Any) -> None:
        """Identities that came in between."""
        news = {(each.type, each.value) for each in identities} - set(self.order.identities)
        if news:
            known = tuple(sorted({*self.order.identities, *news}))
            self.order = self.order.model_copy(update={"identities": known})
            current = self.stores.jobs.get(self.account_id, self.job.job_id)
            self.job = self.stores.jobs.save(current.model_copy(update={"request": self.order.model_dump(mode="json")}))

    def _is_theirs(self, line: str) -> bool:
        """Whether a message that failed speaks of the user and of nobody else."""
        message = self.stores.decode(line)
        match message:
            case AcceptedBatch():
                known = set(self.stores.identities_of(message)) & set(self.order.known)
                rows = self.stores.identities.rows(
                    self.account_id, Environment.told_by(message.body.get("environment")), known
                )
                is_ours = message.source.account_id == self.account_id and message.received_at <= self._settled_at
                return is_ours and any(not rows[each].holders for each in known)
            case _:
                return message.account_id == self.account_id and message.mpid in self.mpids

    def _step(self, name: str, work: Callable[[Part], Outcome], connection: Connection | None = None) -> Part:
        part = self.stores.jobs.claim(self._new(name))
        if part.is_done:
            return part
        outcome = work(part)
        result = {
            "name": name,
            "removed": part.result.get("removed", 0) + outcome.removed,
            "detail": outcome.detail,
            "at": _instant(self.clock()).isoformat(),
        }
        if connection is not None:
            result |= {"connection_id": connection.connection_id, "output_id": connection.output_id}
        changes = {"result": {**part.result, **result}, "cursor": outcome.cursor, "is_done": not outcome.detail}
        part = part.model_copy(update={**changes, "progress": float(not outcome.detail)})
        self.stores.jobs.save_part(part)
        return part

    def _waiting(self, name: str) -> Part:
        return self._step(name, lambda _: Outcome(0, _SETTLING))

    def _new(self, name: str) -> Part:
        share = 1 / (len(_STORES) + len(self._connections()))
        account_id, job_id = self.account_id, self.job.job_id
        return Part(account_id=account_id, job_id=job_id, step=JobStep.ERASE, name=name, bucket=0, share=share)


_SETTLING = "what was under way is given time to end"
_LATER = ("history", "results", "exports", "dead_letters", "archive", "raw_archive", "jobs")
_STORES = ("identities", "profiles", "timelines", "memberships", *_LATER)


def _instant(at_ms: int) -> datetime:
    return datetime.fromtimestamp(at_ms / 1000, UTC)
