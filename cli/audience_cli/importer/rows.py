"""From blocks of columns to rows that say something of a user; rows that cannot be used are counted by reason."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from audience_cli.importer import mapping as m
from audience_cli.importer.sources import Block
from audience_cli.importer.values import Read, UnreadableError, as_number, as_text, number_reader, reader, text_reader

type Table = tuple[tuple[str, Read], ...]
type Lists = tuple[tuple[str, list[Any]], ...]
# Why a value of the filtered column does not pass; None: it does.
type Rejects = Callable[[Any], bool]


@dataclass(slots=True)
class Head:
    """What a group takes from its first row.

    Args:
        event_id: values of the mapping's id columns; empty when position and content identify the event.
    """

    identities: dict[str, str]
    attributes: dict[str, Any]
    device: dict[str, Any]
    name: str | None
    data: dict[str, Any]
    action_data: dict[str, Any]
    custom: dict[str, Any]
    event_id: tuple[Any, ...]


@dataclass(slots=True)
class Row:
    """A usable row.

    Args:
        key: rows of equal keys are one event.
        at: UTC ms; 0 for a row without event.
        head: makes the group's head of this row; called for the first row of a group only.
    """

    number: int
    key: tuple[Any, ...]
    at: int
    is_negative: bool
    product: dict[str, Any] | None
    head: Callable[[], Head]


@dataclass
class RowReader:
    """Applies a mapping to the blocks of one file.

    Args:
        latest: UTC ms; rows later than this (after `shift_ms`) are left out, as the historical endpoint demands.
        skipped: reason -> rows.
    """

    mapping: m.Mapping
    instants: frozenset[str]
    shift_ms: int = 0
    latest: int | None = None
    skipped: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        event = self.mapping.event
        self._filters = tuple((each.column, _rejects(each), describe(each)) for each in self.mapping.filter)
        identities = self._table(self.mapping.identities)
        self._identities = tuple((name, text_reader(read)) for name, read in identities)
        self._attributes = self._table(self.mapping.attributes)
        self._device = self._table(self.mapping.device)
        self._at = self._read(event.timestamp) if event else None
        self._name = text_reader(self._read(event.name)) if event and event.name else None
        self._sign = number_reader(event.sign.column) if event and event.sign else None
        self._products = self._table(event.products) if event else ()
        self._tables = tuple(self._table(each) for each in _event_tables(event))
        self._key_columns = event.group_by if event else ()
        self._id_columns = event.id if event else ()

    def _read(self, value: m.Column | m.Constant | m.Multiply) -> Read:
        return reader(value, self.instants, self.mapping.source.time_zone)

    def _table(self, values: Mapping[str, m.Column | m.Constant | m.Multiply]) -> Table:
        return tuple((name, self._read(value)) for name, value in values.items())

    def rows(self, block: Block) -> Iterator[Row]:
        """The block's usable rows, in order."""
        passing = self._passing(block)
        lists = self._lists(block)
        at = self._at(block) if self._at else [0] * block.size
        signs = self._sign(block) if self._sign else [0] * block.size
        keys = self._keys(block)
        products = [_lists(self._products, block)] if self._products else []
        for row in passing:
            reason = block.unreadable.get(row) or self._unusable(at[row], lists, row)
            if reason:
                self.skipped[reason] += 1
                continue
            negative = (signs[row] or 0) < 0
            product = _record(products[0], row) if products else None
            yield Row(block.first + row, (keys[row], negative), at[row], negative, product, HeadOf(lists, row))

    def _lists(self, block: Block) -> "HeadLists":
        return HeadLists(
            identities=_lists(self._identities, block),
            attributes=_lists(self._attributes, block),
            device=_lists(self._device, block),
            name=self._name(block) if self._name else None,
            tables=tuple(_lists(each, block) for each in self._tables),
            event_id=tuple(block.columns[name] for name in self._id_columns),
        )

    def _passing(self, block: Block) -> list[int]:
        rows = list(range(block.size))
        for column, rejects, reason in self._filters:
            values = block.columns[column]
            passing = [row for row in rows if not rejects(values[row])]
            if len(passing) < len(rows):
                self.skipped[reason] += len(rows) - len(passing)
            rows = passing
        return rows

    def _keys(self, block: Block) -> list[Any]:
        if not self._key_columns:
            return list(range(block.first, block.first + block.size))
        return list(zip(*(block.columns[name] for name in self._key_columns), strict=True))

    def _unusable(self, at: int | None, lists: "HeadLists", row: int) -> str | None:
        if at is None:
            return "no time"
        if self.latest is not None and at + self.shift_ms > self.latest:
            return "not older than 72 hours"
        return None if any(values[row] for _, values in lists.identities) else "no identity"


@dataclass(slots=True)
class HeadLists:
    """The columns of a block, converted, from which heads are made."""

    identities: Lists
    attributes: Lists
    device: Lists
    name: list[Any] | None
    tables: tuple[Lists, ...]
    event_id: tuple[list[Any], ...]


@dataclass(slots=True, frozen=True)
class HeadOf:
    """Makes the head of one row when asked to: most rows only add a product to a group."""

    lists: HeadLists
    row: int

    def __call__(self) -> Head:
        lists, row = self.lists, self.row
        data, action_data, custom = (_record(each, row) for each in lists.tables)
        return Head(
            identities={name: values[row] for name, values in lists.identities if values[row]},
            attributes=_record(lists.attributes, row),
            device=_record(lists.device, row),
            name=lists.name[row] if lists.name else None,
            data=data,
            action_data=action_data,
            custom=custom,
            event_id=tuple(values[row] for values in lists.event_id),
        )


def columns_of(mapping: m.Mapping) -> frozenset[str]:
    """Every column the mapping reads."""
    event = mapping.event
    values = [*mapping.identities.values(), *mapping.attributes.values(), *mapping.device.values()]
    names = [each.column for each in mapping.filter]
    if event:
        values += [event.timestamp, *([event.name] if event.name else []), *event.products.values()]
        values += [value for table in _event_tables(event) for value in table.values()]
        names += [*event.group_by, *event.id, *([event.sign.column] if event.sign else [])]
    return frozenset([*names, *(name for value in values for name in _columns_of_value(value))])


def describe(each: m.Filter) -> str:
    """The filter as the summary names it."""
    tests = each.model_dump(exclude_none=True, exclude={"column"}, by_alias=True)
    return f"filter: {each.column} " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in tests.items())


def _columns_of_value(value: m.Column | m.Constant | m.Multiply) -> tuple[str, ...]:
    match value:
        case m.Column(column=name):
            return (name,)
        case m.Multiply(multiply=names):
            return names
        case m.Constant():
            return ()


def _event_tables(event: m.EventMapping | None) -> tuple[dict[str, m.Column | m.Constant | m.Multiply], ...]:
    """Tables that one row of the event fills: its data, the data of its action, its custom attributes."""
    if event is None:
        return ({}, {}, {})
    total = event.total_amount
    action_data = dict(event.action_data)
    if total is not None and not isinstance(total, m.Sum):
        action_data["total_amount"] = total
    return (event.data, action_data, event.attributes)


def _lists(table: Table, block: Block) -> Lists:
    return tuple((name, read(block)) for name, read in table)


def _record(lists: Lists, row: int) -> dict[str, Any]:
    return {name: value for name, values in lists if (value := values[row]) is not None}


def _rejects(each: m.Filter) -> Rejects:
    if each.is_ is not None:
        must_be_null = each.is_ == "null"
        return lambda value: (value is None) != must_be_null
    if each.equals is not None:
        expected = as_text(each.equals)
        return lambda value: value is None or as_text(value) != expected
    if each.one_of is not None:
        allowed = frozenset(map(as_text, each.one_of))
        return lambda value: value is None or as_text(value) not in allowed
    if each.not_one_of is not None:
        forbidden = frozenset(map(as_text, each.not_one_of))
        return lambda value: value is not None and as_text(value) in forbidden
    low = float("-inf") if each.at_least is None else each.at_least
    high = float("inf") if each.at_most is None else each.at_most
    return lambda value: not _is_between(value, low, high)


def _is_between(value: Any, low: float, high: float) -> bool:
    try:
        return value is not None and low <= as_number(value) <= high
    except UnreadableError:
        return False
