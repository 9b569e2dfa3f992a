"""Writes the benchmark's workload as a shard of the archive, without ever making objects of its events."""

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audience_core.domain.definition import EventKind
from audience_core.domain.profile import RegisterKind
from audience_core.evaluation.columnar.arrays import Integers
from audience_core.evaluation.columnar.columns import Codes, Numbers
from audience_core.evaluation.columnar.parquet import Table, write_shard
from audience_core.evaluation.columnar.shard import MPIDS, SEEN, VALUE, Group, Key
from benchmarks import workload

# The users as other engines like them best: one row each, one column per attribute.
PEERS_USERS = "peers_users.parquet"
# The events as an engine that knows nothing of us would keep them: by user and time.
PEERS_EVENTS = "peers_events.parquet"
_MICROS_PER_CENT = 10_000


def write(folder: Path, users: int) -> int:
    """Write a shard of so many users, and its users once more for other engines; return how many events it has."""
    events = workload.generate(users)
    traits = [workload.traits(each) for each in range(users)]
    write_shard(folder, _events(events), {}, _users(events, traits))
    table = {"user": np.arange(users, dtype=np.int32)} | {name: [each[name] for each in traits] for name in traits[0]}
    pq.write_table(pa.table(table), folder / PEERS_USERS, compression="zstd")
    pq.write_table(_by_user(events), folder / PEERS_EVENTS, compression="zstd")
    return len(events.user)


def _events(events: workload.Events) -> Table:
    order = np.argsort(events.name, kind="stable")
    bounds = np.searchsorted(events.name[order], np.arange(len(workload.EVENT_NAMES) + 1))
    return {
        (EventKind.CUSTOM.value, name): _group(events, order[bounds[place] : bounds[place + 1]])
        for place, name in enumerate(workload.EVENT_NAMES)
    }


def _group(events: workload.Events, rows: Integers) -> Group:
    price = events.price[rows].astype(np.int64)
    return Group(
        len(rows),
        {"user": events.user[rows], "at": events.at[rows], "tie": np.zeros(len(rows), np.int32)},
        {"input": _same(len(rows), workload.INPUT), "workspace": _same(len(rows), workload.WORKSPACE)},
        {
            "category": Codes(events.category[rows].astype(np.int32), workload.CATEGORIES),
            "price": Numbers(np.maximum(price, 0) * _MICROS_PER_CENT, price >= 0),
        },
    )


def _by_user(events: workload.Events) -> pa.Table:
    """The columns that definitions read, named as in the archive."""
    price = pa.array(events.price.astype(np.int64) * _MICROS_PER_CENT, mask=events.price < 0)
    names, categories = (
        pa.DictionaryArray.from_arrays(codes.astype(np.int32), texts)
        for codes, texts in ((events.name, workload.EVENT_NAMES), (events.category, workload.CATEGORIES))
    )
    columns = {"user": events.user, "at": events.at, "name": names, "text:category": categories, "number:price": price}
    return pa.table(columns)


def _same(rows: int, label: str) -> Codes:
    return Codes(np.zeros(rows, np.int32), (label,))


def _users(events: workload.Events, traits: Sequence[Mapping[str, str]]) -> Table:
    users = len(traits)
    user = np.arange(users, dtype=np.int32)
    starts = np.searchsorted(events.user, user)
    ends = np.append(starts[1:], len(events.user)) - 1
    sightings = {"user": user, "first": events.at[starts], "last": events.at[ends]}
    groups: dict[Key, Group] = {
        MPIDS: Group(users, {"mpid": np.arange(1, users + 1, dtype=np.int64) * 7919}),
        (SEEN, workload.WORKSPACE): Group(users, sightings),
    }
    for name, values in (("tier", workload.TIERS), ("country", workload.COUNTRIES)):
        places = {value: place for place, value in enumerate(values)}
        codes = np.array([places[each[name]] for each in traits], np.int32)
        column = {VALUE: Codes(codes, values)}
        groups[RegisterKind.ATTRIBUTE.value, name] = Group(
            users, {"user": user}, {"workspace": _same(users, workload.WORKSPACE)}, column
        )
    return groups


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--users", type=int, default=250_000)
    arguments = parser.parse_args()
    print(f"{write(arguments.folder, arguments.users)} events")


if __name__ == "__main__":
    main()
