"""DuckDB, one scan for all audiences: `python -m benchmarks.peers.duckdb_scan <folder> <audiences> <events file>`."""

import sys
from pathlib import Path

import duckdb

from benchmarks.peers.questions import Stopwatch, packed, read_audiences, report
from benchmarks.peers.sql import statement
from benchmarks.shards import PEERS_USERS


def main() -> None:
    folder, count, stored = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    stopwatch = Stopwatch()
    events, users = f"'{folder / stored}'", f"'{folder / PEERS_USERS}'"
    audiences = read_audiences(folder, count)
    with duckdb.connect() as connection:
        found = connection.execute(statement(audiences, events, users, ['u."user" AS "user"'])).fetchnumpy()
    seconds, user = stopwatch.seconds(), found["user"]
    truths = {each.audience_id: found[f"a{each.audience_id}"].astype(bool) for each in audiences}
    report(seconds, {audience_id: packed(user[truth], len(user)) for audience_id, truth in truths.items()})


if __name__ == "__main__":
    main()
