"""What AWS would bill for calls that boto3 and pynamodb make, by the items themselves: units, bytes, requests.

Rules: a strongly consistent read takes a unit per 4 KB begun, any other half of that; a write one per KB begun of the
larger of the item before and after; an index entry is a write of its own, two when its key changes; a local index is no
exception; transactions take double; a refused conditional write takes what the item it met does.
"""

import base64
import math
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from botocore.client import BaseClient
from botocore.exceptions import ClientError

type Item = dict[str, dict[str, Any]]

_KEYS = ("pk", "sk")
_WRITES = {"PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "TransactWriteItems"}


@dataclass(frozen=True, slots=True)
class Index:
    """Args: key: its own key attributes; is_whole: whether it projects every attribute, else keys alone."""

    key: tuple[str, ...]
    is_whole: bool


def value_bytes(value: Mapping[str, Any]) -> int:
    """Size of an attribute value in DynamoDB's JSON (binary values as bytes)."""
    ((kind, held),) = value.items()
    match kind:
        case "S":
            return len(held.encode())
        case "N":
            return (len(held.lstrip("-").replace(".", "")) + 1) // 2 + 1
        case "B":
            return len(held)
        case "SS":
            return sum(len(each.encode()) for each in held)
        case "M":
            return 3 + sum(len(name.encode()) + value_bytes(each) + 1 for name, each in held.items())
        case "L":
            return 3 + sum(value_bytes(each) + 1 for each in held)
        case _:
            return 1


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    return sum(len(name.encode()) + value_bytes(value) for name, value in item.items())


def read_units(size: int) -> int:
    return max(1, math.ceil(size / 4096))


def write_units(old: Item | None, new: Item | None) -> int:
    return max(1, *(math.ceil(item_bytes(each) / 1024) for each in (old, new) if each is not None), 1)


def index_units(index: Index, old: Item | None, new: Item | None) -> int:
    before, after = (_entry(index, each) for each in (old, new))
    if before == after:
        return 0
    if before is None or after is None:
        return write_units(before, after)
    if all(before[name] == after[name] for name in index.key):
        return write_units(before, after)
    return write_units(before, None) + write_units(None, after)


def _entry(index: Index, item: Item | None) -> Item | None:
    if item is None or any(name not in item for name in index.key):
        return None
    return item if index.is_whole else {name: item[name] for name in (*_KEYS, *index.key)}


@dataclass(frozen=True, slots=True)
class Written:
    """A profile before and after a write, as Lambda hands it over."""

    old: Item | None
    new: Item


@dataclass(slots=True)
class Meter:
    """Counts the calls made while it is on.

    Args:
        indexes: table -> its secondary indexes; tables are known by the part of their names before the first hyphen.
        counts: (service or table, what) -> how much.
        spent: seconds of the main thread's CPU inside calls.
    """

    indexes: Mapping[str, Index]
    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    spent: float = 0.0
    stage: str = ""
    is_on: bool = True
    _stream: list[Written] = field(default_factory=list)
    _items: dict[tuple[str, str, str], Item] = field(default_factory=dict)

    @contextmanager
    def watching(self) -> Iterator[None]:
        original = BaseClient._make_api_call
        meter = self

        def call(client: Any, operation: str, given: dict[str, Any]) -> Any:
            began = time.thread_time()
            try:
                service = client.meta.service_model.service_name
                if service != "dynamodb":
                    meter._add(service, operation)
                    return original(client, operation, given)
                return meter._dynamodb(original, client, operation, given)
            finally:
                if threading.current_thread() is threading.main_thread():
                    meter.spent += time.thread_time() - began

        with patch.object(BaseClient, "_make_api_call", call):
            yield

    def written(self) -> list[Written]:
        """The profiles written since this was last asked."""
        found, self._stream = self._stream, []
        return found

    def _add(self, name: str, what: str, many: int = 1) -> None:
        if self.is_on and many:
            self.counts[name, what] += many

    def _call(self, operation: str) -> None:
        self._add("calls", f"{self.stage} {'own' if operation in _WRITES else 'shared'}")

    def _dynamodb(self, original: Any, client: Any, operation: str, given: dict[str, Any]) -> Any:
        self._call(operation)
        try:
            answer = original(client, operation, given)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
                self._refused(given)
            raise
        if operation in _WRITES:
            self._written_by(original, client, operation, given)
        else:
            self._read_by(operation, given, answer)
        return answer

    def _read_by(self, operation: str, given: Mapping[str, Any], answer: Mapping[str, Any]) -> None:
        match operation:
            case "GetItem":
                self._read(given["TableName"], [answer["Item"]] if "Item" in answer else [], given)
            case "Query" | "Scan":
                self._read(given["TableName"], answer.get("Items", []), given)
            case "BatchGetItem":
                for table, asked in given["RequestItems"].items():
                    self._read_each(table, answer["Responses"].get(table, []), len(asked["Keys"]), asked)

    def _written_by(self, original: Any, client: Any, operation: str, given: Mapping[str, Any]) -> None:
        match operation:
            case "PutItem":
                self._wrote(given["TableName"], given["Item"], given["Item"])
            case "UpdateItem" | "DeleteItem":
                self._changed(original, client, given["TableName"], given["Key"])
            case "BatchWriteItem":
                for table, requests in given["RequestItems"].items():
                    self._wrote_each(table, requests)
            case "TransactWriteItems":
                for kind, action in (pair for each in given["TransactItems"] for pair in each.items()):
                    table = action["TableName"]
                    if kind == "Put":
                        self._wrote(table, action["Item"], action["Item"], times=2)
                    else:
                        self._changed(original, client, table, action["Key"], times=2)

    def _wrote_each(self, table: str, requests: list[dict[str, Any]]) -> None:
        for request in requests:
            put = request.get("PutRequest", {}).get("Item")
            self._wrote(table, put or request["DeleteRequest"]["Key"], put)

    def _refused(self, given: dict[str, Any]) -> None:
        table = named(given["TableName"])
        met = self._items.get(_place(table, given.get("Key") or given["Item"]))
        self._add(table, "write_units", write_units(met, None))
        self._add(table, "writes")

    def _read(self, table: str, items: list[Item], given: Mapping[str, Any]) -> None:
        units = read_units(sum(map(item_bytes, items)))
        self._add(named(table), "reads")
        self._add(named(table), "half_read_units", units * (2 if given.get("ConsistentRead") else 1))

    def _read_each(self, table: str, items: list[Item], asked: int, given: Mapping[str, Any]) -> None:
        units = sum(read_units(item_bytes(each)) for each in items) + asked - len(items)
        self._add(named(table), "reads", asked)
        self._add(named(table), "half_read_units", units * (2 if given.get("ConsistentRead") else 1))

    def _changed(self, original: Any, client: Any, table: str, key: Item, times: int = 1) -> None:
        after = original(client, "GetItem", {"TableName": table, "Key": key, "ConsistentRead": True})
        self._wrote(table, key, after.get("Item"), times)

    def _wrote(self, table_name: str, key: Item, new: Item | None, times: int = 1) -> None:
        table = named(table_name)
        place = _place(table, key)
        old = self._items.pop(place, None)
        if new is not None:
            self._items[place] = new
        if table == "profiles" and new is not None:
            self._stream.append(Written(_image(old) if old else None, _image(new)))
        self._add(table, "writes")
        self._add(table, "write_units", times * write_units(old, new))
        self._add(table, "written_bytes", item_bytes(new or {}))
        if index := self.indexes.get(table):
            self._add(f"{table} index", "write_units", times * index_units(index, old, new))


def named(table: str) -> str:
    return table.split("-", 1)[0]


def _place(table: str, item: Item) -> tuple[str, str, str]:
    return table, item["pk"]["S"], item["sk"]["S"]


def _image(item: Item) -> Item:
    return {
        name: {kind: base64.b64encode(held).decode() if kind == "B" else held for kind, held in value.items()}
        for name, value in item.items()
    }
