"""A shard as compaction has it: everything that is known of its users, so that more can be merged into it.

Beside the tables that evaluation scans (`shard.Shard`) it has the ids of the events, by which repeats are known, and of
each user what decides which later write wins: both in files of their own, which evaluation never reads.
"""

import json
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from audience_core.domain.archive import FILES
from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event, Identity, by_time
from audience_core.domain.ids import AccountId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, Seen
from audience_core.evaluation.columnar.arrays import Integers
from audience_core.evaluation.columnar.build import kept_tables_of
from audience_core.evaluation.columnar.columns import values_at
from audience_core.evaluation.columnar.groups import chosen_rows, renumbered, stacked, tidy, with_event
from audience_core.evaluation.columnar.parquet import ParquetGroups, Table, write_shard, write_table
from audience_core.evaluation.columnar.shard import MPIDS, Group, Key
from audience_core.evaluation.values import MISSING

_EVENTS, _PRODUCTS, _USERS, _IDS, STATES = FILES
_NO_USERS = np.zeros(0, np.int64)


@dataclass(frozen=True, slots=True)
class Kept:
    """Args:
    mpids: int64[users], ascending; a user's row is its place here.
    events: as in `Shard`, with the integers `id`: the eight bytes of the event id, big-endian and signed.
    products, users: as in `Shard`, `users` without the mpids.
    states: JSON of each user's identities, registers (deleted ones, too) and sightings.
    """

    mpids: Integers
    events: Table
    products: Table
    users: Table
    states: Sequence[str]

    @property
    def instants(self) -> tuple[int, int] | None:
        """Of the first and the last event (UTC ms); None when there is none."""
        columns = [group.integers["at"] for group in self.events.values() if group.rows]
        if not columns:
            return None
        return min(int(each.min()) for each in columns), max(int(each.max()) for each in columns)

    @property
    def event_count(self) -> int:
        return sum(group.rows for group in self.events.values())


EMPTY = Kept(_NO_USERS, {}, {}, {}, ())


def read_kept(folder: Path) -> Kept:
    """All of a shard, from the `FILES` of a folder."""
    events, products, users = (_whole(ParquetGroups.open(folder / name)) for name in (_EVENTS, _PRODUCTS, _USERS))
    ids = _whole(ParquetGroups.open(folder / _IDS))
    with_ids = {
        key: replace(group, integers={**group.integers, "id": ids[key].integers["id"]}) for key, group in events.items()
    }
    states = pq.read_table(folder / STATES)
    traits = {key: group for key, group in users.items() if key != MPIDS}
    return Kept(states["mpid"].to_numpy(), with_ids, products, traits, states["state"].to_pylist())


def write_kept(folder: Path, kept: Kept) -> None:
    """Write the `FILES` of a shard; what is kept in them is the same however it came together."""
    scanned = {key: _without_ids(group) for key, group in kept.events.items()}
    ids = {key: Group(group.rows, {"id": group.integers["id"]}) for key, group in kept.events.items()}
    users = {MPIDS: Group(len(kept.mpids), {"mpid": kept.mpids}), **kept.users}
    write_shard(folder, scanned, kept.products, users)
    write_table(folder / _IDS, ids)
    states = pa.table({"mpid": pa.array(kept.mpids, pa.int64()), "state": pa.array(kept.states, pa.string())})
    pq.write_table(states, folder / STATES, compression="zstd")


@dataclass(frozen=True, slots=True)
class States:
    """What a shard has of its users beside events, read user by user.

    Args:
        mpids: int64[users], ascending.
        states: JSON, as in `Kept`.
    """

    mpids: Integers
    states: pa.ChunkedArray

    def outlines(self, account_id: AccountId, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
        """Those of the users that the shard has, as profiles without events."""
        rows = np.flatnonzero(np.isin(self.mpids, np.array(list(mpids), np.int64)))
        found = {}
        for row in rows.tolist():
            profile = Profile(account_id, Environment.PRODUCTION, Mpid(int(self.mpids[row])))
            _read_state(self.states[row].as_py(), profile)
            found[profile.mpid] = profile
        return found


def read_states(folder: Path) -> States:
    """From the file `STATES` of a folder."""
    table = pq.read_table(folder / STATES)
    return States(table["mpid"].to_numpy(), table["state"])


def profiles_of(kept: Kept, account_id: AccountId, mpids: Collection[Mpid]) -> dict[Mpid, Profile]:
    """Those of the users that the shard has, as profiles with all their events."""
    rows = np.flatnonzero(np.isin(kept.mpids, np.array(list(mpids), np.int64)))
    found: dict[int, Profile] = {}
    for row in rows.tolist():
        found[row] = Profile(account_id, Environment.PRODUCTION, Mpid(int(kept.mpids[row])))
        _read_state(kept.states[row], found[row])
    for key, group in kept.events.items():
        _add_events(found, rows, key, group, kept.products.get(key))
    for profile in found.values():
        for track in profile.timeline.values():
            track.sort(key=by_time)
    return {profile.mpid: profile for profile in found.values()}


def merged(kept: Kept, profiles: Collection[Profile], gone: Collection[Mpid] = ()) -> Kept:
    """The shard with these profiles in place of what it has of their users, and without those that are gone."""
    news = sorted(profiles, key=lambda profile: profile.mpid)
    new_mpids = np.array([profile.mpid for profile in news], np.int64)
    stays = ~np.isin(kept.mpids, np.concatenate([new_mpids, np.array(list(gone), np.int64)]))
    mpids = np.concatenate([kept.mpids[stays], new_mpids])
    order = np.argsort(mpids)
    places = np.empty(len(mpids), np.int64)
    places[order] = np.arange(len(mpids))
    old_places = np.full(len(kept.mpids), -1, np.int64)
    old_places[stays] = places[: int(stays.sum())]
    new_places = places[int(stays.sum()) :]
    events, products, users = kept_tables_of(news)
    all_states = [*(kept.states[row] for row in np.flatnonzero(stays).tolist()), *map(_state_of, news)]
    return Kept(
        mpids[order],
        *_merged_events((kept.events, kept.products, old_places), (events, products, new_places)),
        _merged_users((kept.users, old_places), (users, new_places)),
        [all_states[place] for place in order.tolist()],
    )


type _Tables = tuple[Table, Table, Integers]


def _merged_events(*sources: _Tables) -> tuple[Table, Table]:
    """Args:
    sources: events, products, and the new row of each user, -1 for users who are left out.
    """
    events: dict[Key, Group] = {}
    products: dict[Key, Group] = {}
    for key in sorted({key for source in sources for key in source[0]}):
        parts = [_renamed(source[0][key], source[1].get(key), source[2]) for source in sources if key in source[0]]
        stack = stacked([part[0] for part in parts])
        offsets = np.cumsum([0, *(part[0].rows for part in parts)])
        # Each user is in one source alone, in order: users have to be brought together, nothing else.
        order = np.argsort(stack.integers["user"], kind="stable")
        if len(order):
            events[key] = tidy(chosen_rows(stack, order))
        shifted = [
            with_event(part[1], part[1].integers["event"] + int(offset))
            for part, offset in zip(parts, offsets, strict=False)
            if part[1] is not None and part[1].rows
        ]
        if shifted:
            products[key] = tidy(renumbered(stacked(shifted), order, stack.rows))
    return events, products


def _renamed(events: Group, products: Group | None, places: Integers) -> tuple[Group, Group | None]:
    user = places[events.integers["user"]]
    kept = np.flatnonzero(user >= 0)
    chosen = chosen_rows(events, kept)
    named = replace(chosen, integers={**chosen.integers, "user": user[kept].astype(np.int32)})
    return named, None if products is None else renumbered(products, kept, events.rows)


def _merged_users(*sources: tuple[Table, Integers]) -> Table:
    found: dict[Key, Group] = {}
    for key in sorted({key for table, _ in sources for key in table if key != MPIDS}):
        parts = [_renamed(table[key], None, places)[0] for table, places in sources if key in table]
        stack = stacked(parts)
        if stack.rows:
            found[key] = tidy(chosen_rows(stack, np.argsort(stack.integers["user"], kind="stable")))
    return found


def _whole(groups: ParquetGroups) -> dict[Key, Group]:
    return {key: groups.whole(key) for key in groups.sizes}


def _without_ids(group: Group) -> Group:
    return replace(group, integers={name: column for name, column in group.integers.items() if name != "id"})


# One user ---------------------------------------------------------------------------------------------------------


def _add_events(found: Mapping[int, Profile], users: Integers, key: Key, group: Group, products: Group | None) -> None:
    rows = np.flatnonzero(np.isin(group.integers["user"], users))
    if not len(rows):
        return
    kind, name = EventKind(key[0]), key[1]
    of_event = _products_of(products, rows)
    columns = (group.integers["user"][rows], group.integers["at"][rows], group.integers["id"][rows])
    labels = (values_at(group.labels[each], rows) for each in ("workspace", "input"))
    rest = zip(*(column.tolist() for column in columns), *labels, _attributes(group, rows), strict=True)
    for row, (user, at, event_id, workspace, input_id, attributes) in zip(rows.tolist(), rest, strict=True):
        event = Event(
            kind,
            name,
            at,
            int(event_id).to_bytes(8, signed=True),
            WorkspaceId(str(workspace)),
            InputId(str(input_id)),
            attributes,
            tuple(of_event[row]),
        )
        found[user].timeline.setdefault((kind, name), []).append(event)


def _products_of(products: Group | None, events: Integers) -> Mapping[int, list[dict[str, Any]]]:
    """The products of some events, by their rows."""
    found: defaultdict[int, list[dict[str, Any]]] = defaultdict(list)
    if products is not None:
        rows = np.flatnonzero(np.isin(products.integers["event"], events))
        for event, attributes in zip(
            products.integers["event"][rows].tolist(), _attributes(products, rows), strict=True
        ):
            found[event].append(attributes)
    return found


def _attributes(group: Group, rows: Integers) -> Iterator[dict[str, Any]]:
    columns = [values_at(column, rows) for column in group.values.values()]
    names = list(group.values)
    for place in range(len(rows)):
        values = ((name, column[place]) for name, column in zip(names, columns, strict=True))
        yield {name: value for name, value in values if value is not MISSING}


def _state_of(profile: Profile) -> str:
    state = {
        "identities": sorted([each.type, each.value, at] for each, at in profile.identities.items()),
        "registers": [
            [*key, register.at, register.is_deleted, register.value]
            for key, register in sorted(profile.registers.items())
        ],
        "seen": [[workspace, seen.first, seen.last] for workspace, seen in sorted(profile.seen.items())],
    }
    return json.dumps(state, separators=(",", ":"))


def _read_state(text: str, profile: Profile) -> None:
    state = json.loads(text)
    profile.identities = {Identity(kind, value): at for kind, value, at in state["identities"]}
    profile.registers = {
        RegisterKey(WorkspaceId(workspace), RegisterKind(kind), name): Register(value, at, is_deleted)
        for workspace, kind, name, at, is_deleted, value in state["registers"]
    }
    profile.seen = {WorkspaceId(workspace): Seen(first, last) for workspace, first, last in state["seen"]}
