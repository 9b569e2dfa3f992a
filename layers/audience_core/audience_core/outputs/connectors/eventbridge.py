"""Puts one event for each change on an Amazon EventBridge bus."""

import json
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, model_validator

from audience_core.domain.event import Identity
from audience_core.domain.ids import Mpid
from audience_core.domain.output import Forward
from audience_core.errors import DeliveryError, RetryableDeliveryError, TerminalDeliveryError
from audience_core.outputs.aws import AwsSettings, json_of, meaning_of, raise_for_aws, signed
from audience_core.outputs.connector import Receipt, Rejection, Subscription, gone
from audience_core.outputs.connectors import webhook_messages
from audience_core.outputs.http import HttpRequest, Send
from audience_core.outputs.setting_types import LocalUrl

IDENTITY_TYPES = frozenset(webhook_messages.USER_IDENTITIES | webhook_messages.DEVICE_IDENTITIES)
BATCH_SIZE = 100
# Of one PutEvents request.
MAX_ENTRIES = 10
MAX_BYTES = 262_144
MEMBERSHIP, SUBSCRIPTION, TEST = "Audience Membership Change", "Audience Subscription Change", "Connection Test"
_EVENT_IDS = uuid.UUID("d1e36e4c-5d0c-4b66-a0b4-5ac53d3ae2b1")
# Codes of an entry that would be refused again.
_REFUSED = frozenset({"InvalidArgument", "MalformedDetail"})

type Entry = dict[str, str]


class EventBridgeSettings(AwsSettings):
    event_bus: Annotated[
        str,
        Field(
            pattern=r"^(arn:aws[a-z-]*:events:[a-z0-9-]+:[0-9]{12}:event-bus/)?[A-Za-z0-9._/-]{1,256}$",
            description="Its ARN; its name alone only with access keys of its account",
            examples=["arn:aws:events:eu-central-1:123456789012:event-bus/marketing"],
        ),
    ]
    endpoint_url: LocalUrl = ""

    @model_validator(mode="after")
    def _is_in_its_region(self) -> "EventBridgeSettings":
        if self.event_bus.startswith("arn:") and self.event_bus.split(":")[3] != self.region:
            raise ValueError("event_bus is in another region than region says")
        return self

    @property
    def url(self) -> str:
        return f"{self.endpoint_url or f'https://events.{self.region}.{self.domain}'}/"


class EventBridgeConnectionSettings(BaseModel):
    """There are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class EventBridgeConnector:
    """The source of every event holds the account, so that bus policies can tell the customers of one stack apart."""

    accepted_identities = IDENTITY_TYPES
    required_identities = frozenset[str]()
    batch_size = BATCH_SIZE

    def __init__(self, settings: EventBridgeSettings, send: Send) -> None:
        self._settings, self._send = settings, send

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        self._announce(subscription, "add")
        return {}

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        self._announce(subscription, "update")
        return {}

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        self._announce(subscription, "remove")

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        if not changes:
            self._put([self._entry(subscription, TEST, {})])
            return Receipt()
        # Removals first, so that an identity that moved to another member stays.
        told = [(c.mpid, self._change(subscription, c, "remove", left)) for c in changes if (left := gone(c))]
        told += [
            (each.mpid, self._change(subscription, each, "add", each.after.identities))
            for each in changes
            if each.after
        ]
        refused = [part[place][0] for part in _parts(told) for place in self._put([entry for _, entry in part])]
        return Receipt(tuple(_rejections(refused, [mpid for mpid, _ in told])))

    def _announce(self, subscription: Subscription, action: str) -> None:
        self._put([self._entry(subscription, SUBSCRIPTION, {"action": action})])

    def _change(
        self, subscription: Subscription, change: Forward, action: str, identities: Sequence[Identity]
    ) -> Entry:
        told = [{"type": each.type, "value": each.value} for each in identities]
        detail = {"action": action, "mpid": str(change.mpid), "version": change.version, "identities": told}
        return self._entry(subscription, MEMBERSHIP, detail)

    def _entry(self, subscription: Subscription, kind: str, detail: Mapping[str, Any]) -> Entry:
        """`id` is worked out from what is said, so that a repeat can be known by it."""
        said = {
            "account_id": subscription.account_id,
            "audience_id": subscription.audience_id,
            "audience_name": subscription.audience_name,
            "connection_id": subscription.connection_id,
            **detail,
        }
        known_by = json.dumps([kind, subscription.revision, said], sort_keys=True)
        return {
            "Source": f"audience-manager.{subscription.account_id}",
            "DetailType": kind,
            "Detail": json.dumps({"id": str(uuid.uuid5(_EVENT_IDS, known_by)), **said}, ensure_ascii=False),
            "EventBusName": self._settings.event_bus,
        }

    def _put(self, entries: Sequence[Entry]) -> Iterable[int]:
        """Indices of the entries that were refused for good.

        Raises:
            RetryableDeliveryError: some entries, or all, failed for now; those taken may be said again.
        """
        headers = {"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": "AWSEvents.PutEvents"}
        request = HttpRequest("POST", self._settings.url, headers, json.dumps({"Entries": list(entries)}).encode())
        response = self._send(signed(request, "events", self._settings))
        raise_for_aws(response)
        answer = json_of(response)
        if not answer.get("FailedEntryCount"):
            return []
        codes = [str(each.get("ErrorCode") or "") for each in answer.get("Entries", ())]
        failures = [_failure(code) for code in codes if code and code not in _REFUSED]
        # Whoever must act is told first; waiting would not help.
        for failure in sorted(failures, key=lambda each: not isinstance(each, TerminalDeliveryError)):
            raise failure
        return [place for place, code in enumerate(codes) if code]


def _rejections(refused: Sequence[Mpid], told: Sequence[Mpid]) -> Iterable[Rejection]:
    """One for each member; partial when another event of the member was taken."""
    left, all_told = Counter(refused), Counter(told)
    return (Rejection(m, "the bus refuses the event", is_partial=left[m] < all_told[m]) for m in sorted(left))


def _failure(code: str) -> DeliveryError:
    return meaning_of(code) or RetryableDeliveryError("the partner took only some of the events")


def _parts(told: Sequence[tuple[Mpid, Entry]]) -> Iterable[Sequence[tuple[Mpid, Entry]]]:
    """As many entries a request as may be, in order."""
    part: list[tuple[Mpid, Entry]] = []
    taken = 0
    for mpid, entry in told:
        size = _size(entry)
        if part and (len(part) == MAX_ENTRIES or taken + size > MAX_BYTES):
            yield part
            part, taken = [], 0
        part.append((mpid, entry))
        taken += size
    if part:
        yield part


def _size(entry: Entry) -> int:
    """Bytes as EventBridge counts them: of source, detail type and detail (its guide, "Calculating ... entry size")."""
    return sum(len(entry[name].encode()) for name in ("Source", "DetailType", "Detail"))
