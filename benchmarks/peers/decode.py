"""The floor: nothing but decoding columns: `python -m benchmarks.peers.decode <folder> <audiences> <what>`.

What to read is a JSON list of (file, row group, columns), which `benchmarks.asked` writes.
"""

import json
import sys
import time
from collections import defaultdict
from pathlib import Path

import pyarrow.parquet as pq


def main() -> None:
    reads = Path(sys.argv[1]) / f"decode-{sys.argv[3]}-{sys.argv[2]}.json"
    wall, cpu = time.perf_counter(), time.process_time()
    groups: defaultdict[str, list[tuple[int, list[str]]]] = defaultdict(list)
    for file, place, columns in json.loads(reads.read_text()):
        groups[file].append((place, columns))
    rows = 0
    for file, wanted in groups.items():
        texts = sorted({column for _, columns in wanted for column in columns if _is_text(column)})
        with pq.ParquetFile(file, read_dictionary=texts, memory_map=True) as source:
            rows += sum(source.read_row_group(place, columns=columns).num_rows for place, columns in wanted)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({"rows": rows, "seconds": seconds}))


def _is_text(column: str) -> bool:
    return column in ("input", "workspace") or column.startswith("text:")


if __name__ == "__main__":
    main()
