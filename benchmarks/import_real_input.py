"""How fast `audiences import` prepares requests, network left out: rows a second, and memory.

python -m benchmarks.import_real_input FILE [MAPPING]
"""

import argparse
import resource
import time
from pathlib import Path

from audience_cli.importer.mapping import load_mapping
from audience_cli.importer.plan import Plan

ROOT = Path(__file__).parents[1]
MAPPING = ROOT / "docs" / "examples" / "online-retail.mapping.toml"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    parser.add_argument("mapping", type=Path, nargs="?", default=MAPPING)
    arguments = parser.parse_args()
    plan = Plan([arguments.file], load_mapping(arguments.mapping)[0])
    began, began_cpu = time.perf_counter(), time.process_time()
    requests = events = size = 0
    for step in plan.steps():
        requests += 1
        events += step.request.events
        size += len(step.body)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - began_cpu
    peak_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{plan.seen.rows:,} rows, {events:,} events, {requests:,} requests, {size / 1e6:,.1f} MB")
    print(f"{plan.seen.rows / seconds:,.0f} rows/s; {seconds:.1f} s, {cpu_seconds:.1f} s of them on a processor")
    print(f"{peak_mb:,.0f} MB of memory at most")


if __name__ == "__main__":
    main()
