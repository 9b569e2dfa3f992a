"""Plays random stories of a connection (`tests/support/sequences.py`) until a partner ends up wrong.

make stories                                        # a thousand, half of them against each kind of partner
make stories ARGS="--stories 20 --first-seed 7"
"""

import argparse
import sys
import time
from collections import Counter

from audience_core.outputs.registry import CONNECTORS
from tests.support.lists import LISTS, ListPartner
from tests.support.partners import FaultyPartner, serving
from tests.support.sequences import Story


def play(seed: int) -> Story:
    """Even seeds: a partner that knows members; odd ones: one that knows identities alone."""
    partner: FaultyPartner = ListPartner() if seed % 2 else FaultyPartner(secrets=())
    with serving(partner):
        story = Story(seed, partner)
        story.play()
    return story


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stories", type=int, default=1000)
    parser.add_argument("--first-seed", type=int, default=1)
    options = parser.parse_args()
    # A connector that only tests have.
    CONNECTORS["lists"] = LISTS
    began, seen = time.monotonic(), Counter[str]()
    for seed in range(options.first_seed, options.first_seed + options.stories):
        try:
            seen.update(play(seed).summary())
        except AssertionError as error:
            sys.exit(f"seed {seed}: {error}")
    print(f"{options.stories} stories ended right in {time.monotonic() - began:.0f} s")
    print(", ".join(f"{name} {count:,}" for name, count in sorted(seen.items())))


if __name__ == "__main__":
    main()
