"""Compares the evaluators with the oracle on random worlds for as long as asked, and records every seed.

    make soak                                  # a million histories
    make soak ARGS="--histories 20000 --first-seed 7"

A run is reproduced by its seed: `ORACLE_EXAMPLES=<examples> pytest --hypothesis-seed=<seed> tests/unit/evaluation/...`.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
TESTS = ("tests/unit/evaluation/test_against_oracle.py", "tests/unit/evaluation/test_columnar.py")
LOG = ROOT / ".local" / "soak.jsonl"
PER_RUN = 1000
# Property tests over generated worlds in the files above: each draws so many worlds a run.
PROPERTIES = 5


def run(seed: int, examples: int) -> bool:
    """One run with its own seed; whether all agreed."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--hypothesis-seed={seed}", *TESTS]
    started = time.monotonic()
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "ORACLE_EXAMPLES": str(examples)},
        capture_output=True,
        text=True,
        check=False,
    )
    agreed = done.returncode == 0
    record = {"seed": seed, "examples": examples, "agreed": agreed, "seconds": round(time.monotonic() - started, 1)}
    LOG.parent.mkdir(exist_ok=True)
    with LOG.open("a") as log:
        log.write(json.dumps(record) + "\n")
    if not agreed:
        print(done.stdout[-8000:])
    return agreed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--histories", type=int, default=1_000_000, help="random worlds to compare in all")
    parser.add_argument("--first-seed", type=int, default=1)
    arguments = parser.parse_args()
    runs = -(-arguments.histories // (PER_RUN * PROPERTIES))
    for number in range(runs):
        seed = arguments.first_seed + number
        if not run(seed, PER_RUN):
            raise SystemExit(f"disagreement with seed {seed}; see above and {LOG}")
        print(f"seed {seed}: agreed ({(number + 1) * PER_RUN * PROPERTIES:,} of {arguments.histories:,})", flush=True)


if __name__ == "__main__":
    main()
