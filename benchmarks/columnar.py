"""What a run of audiences over a shard costs, against decoding its columns and against other engines.

Each contender is a process of its own, measured whole: start, imports, work and end. They take turns, so that a busy
machine slows all of them alike, and ratios are medians over the rounds. Every module is compiled beforehand, as the
layers are (layers/*/Makefile).
"""

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks import asked, shards

ROOT = Path(__file__).parents[1]
EVENTS = "events.parquet"
# Contender -> (module, events file; what to decode). Those with a plus read our file, by event name, which helps them.
CONTENDERS = {
    "ours": ("ours", EVENTS),
    "handler": ("handler", EVENTS),
    "decode": ("decode", asked.NAMED),
    "decode_read": ("decode", asked.READ),
    "polars_names+": ("polars_names", EVENTS),
    "duckdb_each": ("duckdb_each", shards.PEERS_EVENTS),
    "duckdb_each+": ("duckdb_each", EVENTS),
    "duckdb_scan": ("duckdb_scan", shards.PEERS_EVENTS),
    "clickhouse_each": ("clickhouse_each", shards.PEERS_EVENTS),
    "clickhouse_each+": ("clickhouse_each", EVENTS),
}
QUICK = ("ours", "handler", "decode", "decode_read", "polars_names+")
# An environment of its own: ClickHouse's library alone is larger than all others together.
BENCH_PYTHON = ROOT / ".tools" / "bench" / "bin" / "python"
BYTECODE = ROOT / ".local" / "bytecode"


class Run(NamedTuple):
    """One whole process (seconds, MiB), its seconds after the imports, and a digest of its members if it has any."""

    wall: float
    cpu: float
    peak: float
    work_wall: float
    work_cpu: float
    digest: str | None


def run(python: str, contender: str, folder: Path, audiences: int) -> Run:
    module, source = CONTENDERS[contender]
    started = time.perf_counter()
    process = subprocess.Popen(
        [python, "-m", f"benchmarks.peers.{module}", str(folder), str(audiences), source],
        stdout=subprocess.PIPE,
        env=_environment(),
        cwd=ROOT,
    )
    printed = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{contender} failed")
    answer = json.loads(printed)
    seconds, cpu = answer["seconds"], usage.ru_utime + usage.ru_stime
    return Run(wall, cpu, usage.ru_maxrss / 1024, seconds["wall"], seconds["cpu"], answer.get("digest"))


def compile_modules(pythons: Mapping[str, str]) -> None:
    """Import what each contender imports, once, so that none of them compiles a module while it is measured."""
    for contender, python in pythons.items():
        imports = f"import benchmarks.peers.{CONTENDERS[contender][0]}"
        subprocess.run([python, "-c", imports], check=True, env=_environment(), cwd=ROOT)


def _environment() -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), str(ROOT / "layers" / "audience_core")])
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # Without plugins, as the functions of the template.
    own = {"PYTHONPATH": path, "PYTHONPYCACHEPREFIX": str(BYTECODE), "PYDANTIC_DISABLE_PLUGINS": "__all__"}
    return kept | own


def compare(
    pythons: Mapping[str, str], folder: Path, audiences: int, rounds: int, slow_rounds: int
) -> dict[str, list[Run]]:
    """The runs of each contender; in each round they take turns."""
    asked.write(folder, audiences)
    found: dict[str, list[Run]] = {contender: [] for contender in pythons}
    for number in range(rounds):
        for contender, python in pythons.items():
            if number < slow_rounds or contender in QUICK:
                found[contender].append(run(python, contender, folder, audiences))
    return found


def report(audiences: int, found: Mapping[str, Sequence[Run]]) -> None:
    """Medians; a ratio is the median of those of the rounds, and how many times our time the contender took."""
    print(f"\n{audiences} audiences: whole processes, and after imports")
    print(
        "contender         rounds  wall s  x ours   cpu s  x ours  work wall  x ours  work cpu  x ours  peak MiB  same"
    )
    ours = found["ours"]
    for contender, runs in found.items():
        figures = [
            f"{statistics.median(figure(each) for each in runs):{width}.2f} {_ratio(runs, ours, figure):7.2f}"
            for figure, width in ((_wall, 7), (_cpu, 7), (_work_wall, 10), (_work_cpu, 9))
        ]
        peak = max(each.peak for each in runs)
        digests = {each.digest for each in runs}
        same = "-" if digests == {None} else "yes" if digests == {ours[0].digest} else "NO"
        print(f"{contender:17} {len(runs):6d} {' '.join(figures)} {peak:9.0f}  {same}")


def _ratio(runs: Sequence[Run], ours: Sequence[Run], figure: Callable[[Run], float]) -> float:
    return statistics.median(figure(a) / figure(b) for a, b in zip(runs, ours, strict=False))


_wall, _cpu = attrgetter("wall"), attrgetter("cpu")
_work_wall, _work_cpu = attrgetter("work_wall"), attrgetter("work_cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=250_000)
    parser.add_argument("--audiences", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--slow-rounds", type=int, default=2, help="of the engines that take seconds")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--folder", type=Path, default=ROOT / ".local" / "benchmarks")
    parser.add_argument("--bench-python", default=str(BENCH_PYTHON), help="the Python that has chdb")
    arguments = parser.parse_args()
    folder = arguments.folder / f"shard-{arguments.users}"
    if not (folder / shards.PEERS_EVENTS).exists():
        # Elsewhere: a child begins with the memory of its parent, and its peak would be the generator's.
        subprocess.run(
            [sys.executable, "-m", "benchmarks.shards", str(folder), "--users", str(arguments.users)],
            check=True,
            cwd=ROOT,
        )
    events = pq.read_metadata(folder / EVENTS).num_rows
    bytes_each = (folder / EVENTS).stat().st_size / events
    machine = f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"
    print(f"{datetime.now(UTC):%Y-%m-%d}, {machine}; load {os.getloadavg()[0]:.1f}")
    print(f"{events} events of {bytes_each:.2f} B, {arguments.users} users")
    pythons = {
        contender: arguments.bench_python if contender.startswith("clickhouse") else sys.executable
        for contender in dict.fromkeys(["ours", *arguments.contenders])
    }
    compile_modules(pythons)
    for count in arguments.audiences:
        report(count, compare(pythons, folder, count, arguments.rounds, arguments.slow_rounds))


if __name__ == "__main__":
    main()
