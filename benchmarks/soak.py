"""Compares the evaluators with the oracle on random histories for as long as asked, and records every seed.

    make soak                                                # a million histories
    make soak ARGS="--histories 20000 --first-seed 7"
    make soak ARGS="--histories 1 --first-seed 7"            # that seed again, and what failed

Each seed makes a thousand histories, of twenty users under each of fifty portfolios of definitions.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import batched
from pathlib import Path

from tests.support.agreement import Disagreement, Engines, World
from tests.support.soak import HISTORIES, find_disagreement

ROOT = Path(__file__).parent.parent
LOG = ROOT / ".local" / "soak.jsonl"


@dataclass(frozen=True, slots=True)
class Run:
    """A seed played; `seconds` of one processor."""

    seed: int
    histories: int
    seconds: float
    agreed: bool
    case: str = ""


def run(seed: int) -> Run:
    started = time.process_time()
    found = find_disagreement(seed, Engines())
    seconds = round(time.process_time() - started, 2)
    return Run(seed, HISTORIES, seconds, found is None, told(*found) if found else "")


def told(world: World, error: Disagreement) -> str:
    """A failing case as one reads it."""
    lines = [f"user {error.user} of {len(world.histories)}: {error}", f"agenda of {world.agenda_size}"]
    for number, portfolio in enumerate(world.portfolios):
        for audience_id, audience in portfolio.items():
            scope = f"workspaces {audience.workspaces}, inputs {audience.inputs}"
            lines.append(
                f"portfolio {number}, audience {audience_id}, {scope}: {audience.definition.model_dump_json()}"
            )
    lines += [repr(step) for step in world.histories[min(error.user, len(world.histories) - 1)]]
    return "\n".join([*lines, f"columnar asked at {world.moments}"])


def runs(seeds: range, workers: int) -> Iterator[Run]:
    with ProcessPoolExecutor(workers) as pool:
        for some in batched(seeds, workers * 8):
            yield from pool.map(run, some)


def version() -> str:
    command = ("git", "describe", "--always", "--dirty", "--abbrev=12")
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()


def record(done: Run, code: str) -> None:
    facts = {key: value for key, value in asdict(done).items() if value != ""}
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.write(json.dumps(facts | {"version": code}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=1_000_000, help="in all, rounded up to whole seeds")
    parser.add_argument("--first-seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes")
    arguments = parser.parse_args()
    seeds = range(arguments.first_seed, arguments.first_seed - (-arguments.histories // HISTORIES))
    code, started, played, seconds = version(), time.monotonic(), 0, 0.0
    for done in runs(seeds, arguments.workers):
        record(done, code)
        if not done.agreed:
            sys.exit(f"disagreement with seed {done.seed}:\n{done.case}")
        played, seconds = played + done.histories, seconds + done.seconds
        print(f"seed {done.seed} agreed: {played:,} of {len(seeds) * HISTORIES:,} histories", flush=True)
    print(f"{played / seconds:,.0f} histories a second of one processor, {time.monotonic() - started:,.0f} s, {code}")


if __name__ == "__main__":
    main()
