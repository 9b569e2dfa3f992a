"""An import from beginning to end: where it stands, what is sent, and what is told of it."""

import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from audience_cli.importer import resume
from audience_cli.importer.plan import MAX_COUNTED_PROFILES, Plan, Step
from audience_cli.importer.resume import State
from audience_cli.ingest import IngestClient, Tally


@dataclass(frozen=True, slots=True)
class Summary:
    """What an import, or this part of a resumed one, did.

    Args:
        profiles: with distinct identities; exact up to `MAX_COUNTED_PROFILES`.
        resumed: True when an earlier run had already sent a part.
    """

    rows: int
    skipped: dict[str, int]
    events: int
    batches: int
    profiles: int
    requests: int
    retries: int
    seconds: float
    resumed: bool

    @property
    def counts_all_profiles(self) -> bool:
        return self.profiles < MAX_COUNTED_PROFILES


def send(plan: Plan, state: State, path: Path, client: IngestClient) -> Summary:
    """Send what is left; the resume file follows each acknowledgement and goes away at the end."""
    began = time.monotonic()
    resume.save(path, state)

    def keep(step: Step) -> None:
        resume.save(path, state.model_copy(update={"position": step.after}))

    events, batches = _totals(client.send_all(plan.steps(state.position)), keep)
    path.unlink(missing_ok=True)
    return _summary(plan, state, events, batches, client.tally, began)


def rehearse(plan: Plan, state: State, look: Callable[[Step], None] = lambda _: None) -> Summary:
    """Do everything but send."""
    began = time.monotonic()
    events, batches = _totals(plan.steps(state.position), look)
    return _summary(plan, state, events, batches, Tally(), began)


def _totals(steps: Iterable[Step] | Iterator[Step], each_time: Callable[[Step], None]) -> tuple[int, int]:
    events = batches = 0
    for step in steps:
        each_time(step)
        events += step.request.events
        batches += step.request.batches
    return events, batches


def _summary(plan: Plan, state: State, events: int, batches: int, tally: Tally, began: float) -> Summary:
    return Summary(
        rows=plan.seen.rows,
        skipped=dict(plan.seen.skipped),
        events=events,
        batches=batches,
        profiles=len(plan.seen.profiles),
        requests=tally.requests,
        retries=tally.retries,
        seconds=time.monotonic() - began,
        resumed=state.position != resume.START,
    )
