"""ClickHouse in the process, one query per audience.

`python -m benchmarks.peers.clickhouse_each <folder> <audiences> <events file>`.
"""

import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from chdb.session import Session  # type: ignore[import-not-found]  # lives in an environment of its own

from benchmarks.peers.questions import Stopwatch, packed, read_audiences, report
from benchmarks.peers.sql import statement
from benchmarks.shards import PEERS_USERS


def main() -> None:
    folder, count, stored = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    stopwatch = Stopwatch()
    events, users = (f"file('{folder / name}', Parquet)" for name in (stored, PEERS_USERS))
    session = Session()

    def ask(sql: str) -> pa.Table:
        return pa.ipc.open_file(pa.py_buffer(session.query(sql, "Arrow").bytes())).read_all()

    found = {
        each.audience_id: ask(statement([each], events, users, [])).column("user").to_numpy()
        for each in read_audiences(folder, count)
    }
    seconds = stopwatch.seconds()
    size = pq.read_metadata(folder / PEERS_USERS).num_rows
    report(seconds, {audience_id: packed(rows, size) for audience_id, rows in found.items()})


if __name__ == "__main__":
    main()
