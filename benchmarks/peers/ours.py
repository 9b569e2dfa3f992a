"""The columnar evaluator: `python -m benchmarks.peers.ours <folder> <audiences>`."""

import sys
from pathlib import Path

from audience_core.evaluation.columnar.evaluate import evaluate
from audience_core.evaluation.columnar.parquet import read_shard
from audience_core.evaluation.columnar.shard import look_back
from benchmarks.peers.questions import NOW, Stopwatch, read_audiences, report


def main() -> None:
    folder, count, stopwatch = Path(sys.argv[1]), int(sys.argv[2]), Stopwatch()
    shard = read_shard(folder)
    members = evaluate(shard, read_audiences(folder, count), NOW, look_back(NOW, 180))
    report(stopwatch.seconds(), members.bits)


if __name__ == "__main__":
    main()
