"""Groups of a shard cut, put one below the other, and renumbered."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from audience_core.evaluation.columnar.arrays import Integers
from audience_core.evaluation.columnar.columns import Codes, Column, is_present, joined, take, tidied
from audience_core.evaluation.columnar.shard import Group


def chosen_rows(group: Group, rows: Integers) -> Group:
    return Group(
        len(rows),
        {name: column.take(rows) for name, column in group.integers.items()},
        {name: Codes(column.codes.take(rows), column.values) for name, column in group.labels.items()},
        {name: take(column, rows) for name, column in group.values.items()},
    )


def renumbered(products: Group, kept: Integers, events: int) -> Group:
    """The products of the events kept, in their order, naming these by their new rows."""
    if not products.rows:
        return products
    new_row = np.full(events, -1, np.int32)
    new_row[kept] = np.arange(len(kept), dtype=np.int32)
    event = new_row[products.integers["event"]]
    order = np.flatnonzero(event >= 0)
    order = order[np.argsort(event[order], kind="stable")]
    return with_event(chosen_rows(products, order), event[order])


def with_event(products: Group, event: Integers) -> Group:
    return Group(products.rows, {"event": event}, products.labels, products.values)


def stacked(groups: Sequence[Group]) -> Group:
    sizes = [group.rows for group in groups]
    return Group(
        sum(sizes),
        {name: np.concatenate([g.integers[name] for g in groups]) for name in groups[0].integers},
        {name: _joined_labels([g.labels[name] for g in groups]) for name in groups[0].labels},
        {name: joined([g.values.get(name) for g in groups], sizes) for name in _names(groups, lambda g: g.values)},
    )


def tidy(group: Group) -> Group:
    """The same rows, their columns as if they had been made at once: no value twice or unused, no attribute unused."""
    labels = {name: _as_labels(tidied(column)) for name, column in group.labels.items()}
    values = {name: tidied(column) for name, column in sorted(group.values.items()) if is_present(column).any()}
    return Group(group.rows, group.integers, labels, values)


def _as_labels(column: Column) -> Codes:
    assert isinstance(column, Codes)
    return column


def _joined_labels(columns: Sequence[Codes]) -> Codes:
    return _as_labels(joined(columns, [len(each.codes) for each in columns]))


def _names(groups: Sequence[Group], columns: Callable[[Group], Mapping[str, Column]]) -> set[str]:
    return {name for group in groups for name in columns(group)}
