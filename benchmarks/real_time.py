"""What one event costs in real time: evaluation, the stored item, and wake-ups, against the number of audiences.

Evaluation changes nothing, so each is timed `--repeats` times and the least counts: the machine is not ours alone. What
the first of them costs on top, definitions folded for a set of event names that no profile had before, is told apart.
"""

import argparse
import gc
import statistics
import time
from collections.abc import Sequence

from audience_core.domain.event import Environment, Event
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.profile import Delta, Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.compiler import compile_program
from audience_core.evaluation.incremental import evaluate
from audience_core.evaluation.program import Program
from audience_core.evaluation.view import View
from audience_core.persistence.profile_codec import pack_state, pack_timeline, unpack_state, unpack_timeline
from audience_core.pipeline.update_profile import prune
from benchmarks import workload

LOOK_BACK_DAYS = 90


class Measured:
    """Figures of one portfolio, microseconds and bytes, one entry per event unless said otherwise."""

    def __init__(self) -> None:
        self.evaluate: list[float] = []
        self.first_time: list[float] = []
        self.pack: list[float] = []
        self.unpack: list[float] = []
        self.sizes: list[int] = []
        self.changes = 0
        self.wakes = self.idle_wakes = 0


def play(program: Program, tracks: Sequence[Sequence[Event]], measured: Measured, idle_days: int, repeats: int) -> None:
    for number, track in enumerate(tracks, start=1):
        profile = _new_profile(number, track[0].at)
        for event in track:
            _step(program, profile, event, measured, repeats)
        _idle(program, profile, track[-1].at, idle_days, measured)


def _new_profile(number: int, first: int) -> Profile:
    profile = Profile(AccountId(1), Environment.PRODUCTION, Mpid(number * 7919))
    profile.seen[workload.WORKSPACE] = Seen(first, first)
    for name, value in workload.traits(number).items():
        profile.registers[RegisterKey(workload.WORKSPACE, RegisterKind.ATTRIBUTE, name)] = Register(value, first)
    return profile


def _step(program: Program, profile: Profile, event: Event, measured: Measured, repeats: int) -> None:
    """Wake-ups due before the event, the event, and the item as it would be stored."""
    while profile.due_at < event.at:
        _apply(program, profile, Delta(), profile.due_at)
    profile.timeline.setdefault((event.kind, event.name), []).append(event)
    delta = Delta(events=[event], new_workspaces={workload.WORKSPACE} if not profile.program_version else set())
    times = [_timed(program, profile, delta, event.at) for _ in range(repeats)]
    measured.evaluate.append(min(times))
    measured.first_time.append(times[0])
    _apply(program, profile, delta, event.at)
    measured.changes += len(profile.changes)
    prune(profile, event.at - LOOK_BACK_DAYS * workload.DAY)
    _store(profile, measured)


def _timed(program: Program, profile: Profile, delta: Delta, now: int) -> float:
    started = time.thread_time()
    evaluate(program, profile, delta, now)
    return (time.thread_time() - started) * 1e6


def _apply(program: Program, profile: Profile, delta: Delta, now: int) -> None:
    evaluate(program, profile, delta, now).keep(profile, program)


def _store(profile: Profile, measured: Measured) -> None:
    started = time.thread_time()
    state, timeline = pack_state(profile), pack_timeline(profile.timeline.items())
    packed = time.thread_time()
    again = Profile(profile.account_id, profile.environment, profile.mpid)
    unpack_state(state, again)
    unpack_timeline(timeline)
    measured.pack.append((packed - started) * 1e6)
    measured.unpack.append((time.thread_time() - packed) * 1e6)
    # Keys, attribute names, version, program and the due index's attributes, as DynamoDB counts them.
    measured.sizes.append(len(state) + len(timeline) + 110)


def _idle(program: Program, profile: Profile, since: int, days: int, measured: Measured) -> None:
    while profile.due_at <= since + days * workload.DAY:
        _apply(program, profile, Delta(), profile.due_at)
        measured.wakes += 1
        measured.idle_wakes += not profile.changes


def naive_us(program: Program, tracks: Sequence[Sequence[Event]]) -> float:
    """Evaluating every audience on every event, as an engine without relevance does (mean per event)."""
    spent, count = 0.0, 0
    for number, track in enumerate(tracks, start=1):
        profile = _new_profile(number, track[0].at)
        for event in track:
            profile.timeline.setdefault((event.kind, event.name), []).append(event)
        view = View(profile)
        started = time.thread_time()
        for audience_id in program.trees:
            program.holds(audience_id, view, track[-1].at)
        spent += time.thread_time() - started
        count += 1
    return spent / count * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=400)
    parser.add_argument("--audiences", type=int, nargs="+", default=[100, 1000, 5000])
    parser.add_argument("--idle-days", type=int, default=30)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    events = workload.generate(max(arguments.users, 1000))
    tracks = [list(workload.events_of(events, user)) for user in range(arguments.users)]
    print(
        f"{arguments.users} users, {sum(map(len, tracks))} events, look-back {LOOK_BACK_DAYS} days; microseconds, bytes"
    )
    print(
        "audiences  mean    p50    p99  first-time mean  changes/event  naive/mean  pack  unpack  item p50  item mean"
        "  wakes  idle wakes"
    )
    for count in arguments.audiences:
        program = compile_program(1, workload.portfolio(count), LOOK_BACK_DAYS)
        measured = Measured()
        gc.collect()
        play(program, tracks, measured, arguments.idle_days, arguments.repeats)
        report(count, measured, naive_us(program, tracks[:40]))


def report(count: int, measured: Measured, naive: float) -> None:
    # A user's first event meets a profile that was never evaluated: all audiences are, once. It counts.
    ordered = sorted(measured.evaluate)
    mean = statistics.fmean(ordered)
    print(
        f"{count:9d} {mean:6.1f} {ordered[len(ordered) // 2]:6.1f} {ordered[int(len(ordered) * 0.99)]:6.0f}"
        f" {statistics.fmean(measured.first_time):16.1f}"
        f" {measured.changes / len(ordered):14.2f} {naive / mean:11.0f} {statistics.fmean(measured.pack):5.0f}"
        f" {statistics.fmean(measured.unpack):7.0f} {statistics.median(measured.sizes):9.0f}"
        f" {statistics.fmean(measured.sizes):10.0f} {measured.wakes:6d}"
        f" {measured.idle_wakes / max(measured.wakes, 1):10.1%}"
    )


if __name__ == "__main__":
    main()
