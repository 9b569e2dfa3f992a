"""Kills every function at every call it makes, and expects the same end: `python -m benchmarks.faults [STORY...]`.

The beginning of a story is played once; for each fault the process is copied (`fork`), and the copy plays on. Prints
one line for each difference, and what was tried; exit 1 if there was any.
"""

import argparse
import gc
import logging
import multiprocessing
import os
import sys
import time
import warnings
from contextlib import redirect_stdout
from itertools import islice
from multiprocessing.connection import Connection, wait

from moto import mock_aws

os.environ |= {"AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_DEFAULT_REGION": "us-east-1"}
os.environ.setdefault("POWERTOOLS_METRICS_NAMESPACE", "AudienceManager")
os.environ.setdefault("POWERTOOLS_SERVICE_NAME", "faults")

from tests.support import fault_trials, faults
from tests.support.fault_stories import STORIES
from tests.support.faults import Ending, Fault, Scene, Story

_COPIES = multiprocessing.get_context("fork")
# A copy that has not come to its end by then never will.
_PATIENCE_S = 300
_TOLD_EVERY = 50
_UNDISTURBED = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("stories", nargs="*", metavar="STORY", help=f"of {', '.join(STORIES)}; all by default")
    parser.add_argument("--every", type=int, default=1, help="try every so-manieth fault")
    parser.add_argument("--alike", type=int, default=2, help="disturb so many invocations that make the same calls")
    parser.add_argument("--processes", type=int, default=1, help="so many copies at once")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    return max([_tried(name, given) for name in given.stories or STORIES])


def _tried(name: str, given: argparse.Namespace) -> int:
    """Tell what was tried, and of every difference; 1 if there was any."""
    started, calls, tried, wrong = time.monotonic(), 0, 0, 0
    faults.set_now(time.time_ns() // 1_000_000 - 1000)
    shares = {_started(STORIES[name], place, given) for place in range(given.processes)}
    while shares:
        for share in wait(shares):
            assert isinstance(share, Connection)
            try:
                calls, found = share.recv()
            except EOFError:
                shares.remove(share)
                continue
            tried += 1
            if tried % _TOLD_EVERY == 0:
                print(f"{name}: {tried} faults tried", file=sys.stderr, flush=True)
            wrong += found is not None
            if found is not None:
                print(f"{name}: {found.fault.how} {found.fault.at} {found.call}: {dict(found.found)}", flush=True)
    print(f"{name}: {calls} calls, {tried} faults, {wrong} wrong, {time.monotonic() - started:.0f} s", flush=True)
    return int(wrong > 0 or not tried)


def _started(story: Story, place: int, given: argparse.Namespace) -> Connection:
    """A share of a story's faults; where its findings come from."""
    reading, writing = _COPIES.Pipe(duplex=False)
    _COPIES.Process(target=_share, args=(story, place, given, writing)).start()
    writing.close()
    return reading


def _share(story: Story, place: int, given: argparse.Namespace, told: Connection) -> None:
    # What functions write to their log is of no interest here.
    with redirect_stdout(None), mock_aws(), faults.scene(story.before) as here:
        # Copies are short-lived, and would only find what is there already.
        gc.freeze()
        gc.disable()
        # A wake-up that falls into another second makes a sweep more or less: a call of the shortest is made in all.
        undisturbed = min(
            (_played_on(here, story, Fault()) for _ in range(_UNDISTURBED)), key=lambda end: len(end.calls)
        )
        tried = islice(fault_trials.faults_of(undisturbed, story.of, given.alike), 0, None, given.every)
        for fault in islice(tried, place, None, given.processes):
            found = fault_trials.difference(fault, lambda each: _played_on(here, story, each), undisturbed)
            told.send((len(undisturbed.calls), found))


def _played_on(here: Scene, story: Story, fault: Fault) -> Ending:
    """How a copy of this process ends."""
    reading, writing = _COPIES.Pipe(duplex=False)
    copy = _COPIES.Process(target=_play_on, args=(here, story, fault, writing))
    copy.start()
    writing.close()
    try:
        if not reading.poll(_PATIENCE_S):
            raise TimeoutError(f"no end within {_PATIENCE_S} s")
        found: Ending | Exception = reading.recv()
    finally:
        copy.kill()
        copy.join()
        reading.close()
    if isinstance(found, Exception):
        raise found
    return found


def _play_on(here: Scene, story: Story, fault: Fault, told: Connection) -> None:
    try:
        told.send(faults.ending(here, story.then, fault))
    except Exception as error:
        told.send(RuntimeError(f"{type(error).__name__}: {error}"))
    told.close()


if __name__ == "__main__":
    sys.exit(main())
