"""DuckDB, one query per audience: `python -m benchmarks.peers.duckdb_each <folder> <audiences> <events file>`."""

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
    with duckdb.connect() as connection:
        found = {
            each.audience_id: connection.execute(statement([each], events, users, [])).fetchnumpy()["user"]
            for each in read_audiences(folder, count)
        }
        seconds = stopwatch.seconds()
        size = connection.execute(f"SELECT count(*) FROM {users}").fetchall()[0][0]
    report(seconds, {audience_id: packed(rows, size) for audience_id, rows in found.items()})


if __name__ == "__main__":
    main()
