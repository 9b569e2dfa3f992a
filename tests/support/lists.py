"""A partner that keeps lists of identities and knows nothing of members, and the connector that speaks to it."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any

from pydantic import BaseModel, ConfigDict

from audience_core.domain.output import Forward
from audience_core.outputs.connector import Receipt, Rejection, Subscription, raise_for_status
from audience_core.outputs.http import HttpRequest, Send
from audience_core.outputs.registry import ConnectorKind
from audience_core.pipeline.shared_identities import removed_by
from local.partner import Book
from tests.support.partners import FaultyHandler, FaultyPartner, serving


class ListBook(Book):
    """What is on each list, by the audience's name.

    Args:
        refused: values that no list takes -> the reason.
    """

    def __init__(self) -> None:
        super().__init__()
        self.lists: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
        self.refused: dict[str, str] = {}
        self.heard_types: Counter[str] = Counter()
        self.told: list[tuple[str, str]] = []

    def hear(self, message: dict[str, Any]) -> dict[str, Any]:  # type: ignore[override]  # it answers
        with self._lock:
            return self._take(message)

    def _take(self, message: dict[str, Any]) -> dict[str, Any]:

        members = self.lists.setdefault(message["list"], {})
        for kind, value in message.get("remove", ()):
            self.told.append(("remove", value))
            members.pop((kind, value), None)
        rejected = {}
        for each in message.get("add", ()):
            kind, value = each["identity"]
            self.heard_types[kind] += 1
            self.told.append(("add", value))
            if value in self.refused:
                rejected[value] = self.refused[value]
            else:
                members[kind, value] = each["attributes"]
        return {"rejected": rejected}


class ListHandler(FaultyHandler):
    def obey(self, message: dict[str, Any]) -> None:
        self.answer(HTTPStatus.OK, self.server.book.hear(message) or {})  # type: ignore[func-returns-value]


class ListPartner(FaultyPartner):
    book: ListBook

    def __init__(self) -> None:
        super().__init__(ListBook(), ())

    @property
    def handler(self) -> type[BaseHTTPRequestHandler]:
        return ListHandler

    def values(self, name: str = "Fans") -> set[str]:
        return {value for _, value in self.book.lists.get(name, {})}


def obeying_in_part(handler: FaultyHandler, message: dict[str, Any]) -> None:
    """Break down after the removals and the first half of the additions."""
    added = message.get("add", [])
    handler.server.book.hear({**message, "add": added[: len(added) // 2]})
    handler.answer(HTTPStatus.INTERNAL_SERVER_ERROR, {})


class ListSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: str


class NoSettings(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ListConnector:
    accepted_identities = frozenset({"email", "customer_id"})
    required_identities: frozenset[str] = frozenset()
    batch_size = 3

    def __init__(self, settings: ListSettings, send: Send) -> None:
        self._url, self._send = settings.url, send

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        self._post(subscription, {})
        return {}

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        return self.subscribe(subscription, now_ms)

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        self._post(subscription, {})

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        removed = [[i.type, i.value] for change in changes for i in removed_by(change)]
        added = [
            {"identity": [i.type, i.value], "attributes": dict(change.after.attributes)}
            for change in changes
            if change.after
            for i in change.after.identities
        ]
        refused = self._post(subscription, {"remove": removed, "add": added})["rejected"]
        return Receipt(tuple(_rejections(changes, refused)))

    def _post(self, subscription: Subscription, content: dict[str, Any]) -> dict[str, Any]:
        body = json.dumps({"list": subscription.audience_name, **content}).encode()
        response = self._send(HttpRequest("POST", self._url, {"Content-Type": "application/json"}, body))
        raise_for_status(response)
        answer: dict[str, Any] = json.loads(response.body)
        return answer


def _rejections(changes: Sequence[Forward], refused: Mapping[str, str]) -> Iterator[Rejection]:
    for change in changes:
        given = [i.value for i in change.after.identities] if change.after else []
        reasons = [refused[value] for value in given if value in refused]
        if reasons:
            yield Rejection(change.mpid, reasons[0], is_partial=len(reasons) < len(given))


LISTS = ConnectorKind(
    kind="lists",
    name="Lists",
    description="Lists of identities, for tests.",
    identity_types=ListConnector.accepted_identities,
    accepts_attributes=True,
    output_settings=ListSettings,
    connection_settings=NoSettings,
    open=ListConnector,
)


def a_list_partner() -> AbstractContextManager[ListPartner]:
    return serving(ListPartner())
