"""A shard in memory of profiles at hand: what scenarios and tests ask the columnar evaluator of."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from audience_core.domain.event import Event, by_time
from audience_core.domain.profile import Profile, Register, RegisterKey, RegisterKind, precedence
from audience_core.evaluation.columnar.arrays import Integers
from audience_core.evaluation.columnar.columns import Codes, column_of
from audience_core.evaluation.columnar.parquet import Table
from audience_core.evaluation.columnar.shard import IDENTITY, MPIDS, SEEN, VALUE, Group, Key, MemoryGroups, Shard
from audience_core.evaluation.values import MISSING

# A user's row, an event of the user, and its tie.
type _Row = tuple[int, Event, int]


def shard_of(profiles: Sequence[Profile]) -> Shard:
    return Shard(len(profiles), *(MemoryGroups(table) for table in tables_of(profiles)))


def tables_of(profiles: Sequence[Profile]) -> tuple[Table, Table, Table]:
    """The events, products and users of a shard."""
    tracks = _tracks(profiles)
    events = {key: _events(rows) for key, rows in tracks.items()}
    return events, _products_of(tracks), _users(profiles)


def kept_tables_of(profiles: Sequence[Profile]) -> tuple[Table, Table, Table]:
    """As `tables_of`; the events have their ids, too, as the signed integers `id`."""
    tracks = _tracks(profiles)
    return {key: _with_ids(rows) for key, rows in tracks.items()}, _products_of(tracks), _users(profiles)


def _tracks(profiles: Sequence[Profile]) -> Mapping[Key, list[_Row]]:
    tracks: defaultdict[Key, list[_Row]] = defaultdict(list)
    for user, profile in enumerate(profiles):
        ties: defaultdict[tuple[str, int], int] = defaultdict(int)
        for event in sorted((event for track in profile.timeline.values() for event in track), key=by_time):
            tracks[event.kind.value, event.name].append((user, event, ties[event.kind, event.at]))
            ties[event.kind, event.at] += 1
    return tracks


def _products_of(tracks: Mapping[Key, list[_Row]]) -> Table:
    return {key: _products(rows) for key, rows in tracks.items()}


def _with_ids(rows: list[_Row]) -> Group:
    group = _events(rows)
    ids = np.array([int.from_bytes(event.event_id, signed=True) for _, event, _ in rows], np.int64)
    return replace(group, integers={**group.integers, "id": ids})


def _events(rows: list[_Row]) -> Group:
    events = [event for _, event, _ in rows]
    integers: dict[str, Integers] = {
        "user": np.array([user for user, _, _ in rows], np.int32),
        "at": np.array([event.at for event in events], np.int64),
        "tie": np.array([tie for _, _, tie in rows], np.int32),
    }
    labels = {
        "input": _labels([event.input_id for event in events]),
        "workspace": _labels([event.workspace_id for event in events]),
    }
    return Group(len(rows), integers, labels, _values([event.attributes for event in events]))


def _products(rows: list[_Row]) -> Group:
    pairs = [(row, product) for row, (_, event, _) in enumerate(rows) for product in event.products]
    event = np.array([row for row, _ in pairs], np.int32)
    return Group(len(pairs), {"event": event}, {}, _values([product for _, product in pairs]))


def _users(profiles: Sequence[Profile]) -> Table:
    groups: dict[Key, Group] = {
        MPIDS: Group(len(profiles), {"mpid": np.array([profile.mpid for profile in profiles], np.int64)})
    }
    seen: defaultdict[Key, list[tuple[int, int, int]]] = defaultdict(list)
    registers: defaultdict[Key, list[tuple[int, Register, str]]] = defaultdict(list)
    identities: defaultdict[Key, list[tuple[int, Any]]] = defaultdict(list)
    for user, profile in enumerate(profiles):
        for workspace, sighting in profile.seen.items():
            seen[SEEN, workspace].append((user, sighting.first, sighting.last))
        for key, register in profile.registers.items():
            if not register.is_deleted:
                registers[_key(key)].append((user, register, key.workspace_id))
        for identity in sorted(profile.identities):
            identities[IDENTITY, identity.type].append((user, identity.value))
    groups |= {key: _sightings(rows) for key, rows in seen.items()}
    groups |= {key: _registers(key, rows) for key, rows in registers.items()}
    return groups | {key: _identities(rows) for key, rows in identities.items()}


def _key(key: RegisterKey) -> Key:
    return key.kind.value, key.name.rpartition("/")[2] if key.kind is RegisterKind.DEVICE else key.name


def _sightings(rows: list[tuple[int, int, int]]) -> Group:
    user, first, last = (np.array(column) for column in zip(*rows, strict=True))
    return Group(len(rows), {"user": user.astype(np.int32), "first": first, "last": last})


def _registers(key: Key, rows: list[tuple[int, Register, str]]) -> Group:
    rows = sorted(rows, key=lambda row: (row[0], precedence(row[1]), row[2]))
    values = [register.value for _, register, _ in rows]
    is_place = key[0] == RegisterKind.LOCATION
    columns = _values(values) if is_place else {VALUE: column_of(values)}
    user = np.array([user for user, _, _ in rows], np.int32)
    return Group(len(rows), {"user": user}, {"workspace": _labels([workspace for _, _, workspace in rows])}, columns)


def _identities(rows: list[tuple[int, Any]]) -> Group:
    user, values = zip(*rows, strict=True)
    return Group(len(rows), {"user": np.array(user, np.int32)}, {}, {VALUE: column_of(values)})


def _labels(ids: Sequence[str]) -> Codes:
    distinct = sorted(set(ids))
    return Codes(np.array([distinct.index(each) for each in ids], np.int32), distinct)


def _values(rows: Sequence[Any]) -> dict[str, Any]:
    names = sorted({name for row in rows for name in row})
    return {name: column_of([row.get(name, MISSING) for row in rows]) for name in names}
