"""Kills every function at every call it makes, and expects the same end: `python -m benchmarks.faults [STORY...]`.

`--every N` tries every N-th call. Prints one line for each difference, and what was tried; exit 1 if there was any.
"""

import argparse
import io
import logging
import os
import sys
import time
from collections import Counter
from contextlib import redirect_stdout

from moto import mock_aws

os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "AudienceManager")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "faults")

from tests.support import faults
from tests.support.fault_stories import STORIES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stories", nargs="*", metavar="STORY", help=f"of {', '.join(STORIES)}; all by default")
    parser.add_argument("--every", type=int, default=1, help="try every so-manieth call")
    parser.add_argument("--first", type=int, default=1, help="begin with this call")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    faults.set_now(time.time_ns() // 1_000_000 - 1000)
    with mock_aws():
        return max(_tried(name, given.every, given.first) for name in given.stories or STORIES)


def _tried(name: str, every: int, first: int) -> int:
    started, found = time.monotonic(), Counter[str]()
    # What functions write to their log is of no interest here.
    with redirect_stdout(io.StringIO()):
        expected, log = faults.play(STORIES[name])
    tried = faults.faults_of(len(log), every, first)
    results = faults.compare(name, STORIES[name], tried, expected)
    for fault in tried:
        with redirect_stdout(io.StringIO()):
            difference = next(results)
        found["wrong"] += difference is not None
        if difference is not None:
            print(f"{name}: {fault.how} {fault.at} {difference.call}: {dict(difference.found)}", flush=True)
    seconds = time.monotonic() - started
    print(f"{name}: {len(log)} calls, {len(tried)} faults, {found['wrong']} wrong, {seconds:.0f} s", flush=True)
    return int(found["wrong"] > 0)


if __name__ == "__main__":
    sys.exit(main())
