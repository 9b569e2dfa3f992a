"""SQS queues, and the JSON in which messages travel through them."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import batched
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.event import Environment, Identity, Source
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, InputId, Mpid, WorkspaceId
from audience_core.domain.messages import (
    AcceptedBatch,
    Due,
    PipelineMessage,
    Reevaluation,
    Release,
    SharedChange,
    WakeUp,
)
from audience_core.errors import UnavailableError
from audience_core.persistence.clients import client

MAX_ENTRIES = 10
MAX_BYTES = 256 * 1024
MAX_ATTEMPTS = 4
MAX_DELAY_S = 900
# So that a message is done well within the time of a function, whatever else its group holds.
PROFILES_PER_MESSAGE = 50
BILLED_BYTES = 64_000

# SQS refuses these, escaped JSON may hold them; everything else stays as it is, which is shorter.
_NOT_FOR_SQS = re.compile("[\ud800-\udfff\ufffe\uffff]")

type Entry = dict[str, Any]


class SqsEventQueue:
    def __init__(self, queue_url: str, region: str | None = None) -> None:
        self._queue = _Queue(queue_url, region)

    def send(self, messages: Sequence[PipelineMessage]) -> None:
        """Raise `UnavailableError` when some may not be queued."""
        by_account: dict[AccountId, list[PipelineMessage]] = defaultdict(list)
        for message in messages:
            by_account[account_of(message)].append(message)
        # In a standard queue the group asks for fairness and nothing else: docs/decisions/0041-fair-event-queue.md.
        entries = [
            {"MessageBody": body, "MessageGroupId": str(account_id)}
            for account_id, own in by_account.items()
            for body in pack(own)
        ]
        self._queue.send(entries)


class SqsReevaluationQueue:
    """A message holds profiles of about one instant and is hidden until it has come."""

    def __init__(self, queue_url: str, region: str | None = None) -> None:
        self._queue = _Queue(queue_url, region)

    def send(self, due: Sequence[Due], now_ms: int) -> None:
        """Raise `UnavailableError` when some may not be queued."""
        by_delay: dict[int, list[str]] = defaultdict(list)
        for each in due:
            by_delay[_delay_s(each.at, now_ms)].append(encode(Reevaluation(each.account_id, each.mpid)))
        self._queue.send(
            [
                {"MessageBody": "\n".join(lines), "DelaySeconds": delay}
                for delay, of_delay in by_delay.items()
                for lines in batched(of_delay, PROFILES_PER_MESSAGE)
            ]
        )

    def waiting(self) -> int:
        return self._queue.waiting()


def _delay_s(at: int, now_ms: int) -> int:
    """A second late rather than a moment early: a look before its instant would see nothing."""
    return min(max(0, -(-(at - now_ms) // 1000) + 1), MAX_DELAY_S) if at > now_ms else 0


class SqsWakeUpQueue:
    """A FIFO queue: at most one function drains a connection's bucket, or a slot of them, at a time."""

    def __init__(self, queue_url: str, region: str | None = None) -> None:
        self._queue = _Queue(queue_url, region)

    def send(self, wake_ups: Collection[WakeUp], now_ms: int) -> None:
        """Raise `UnavailableError` when some may not be queued."""
        entries = []
        for wake_up in dict.fromkeys(wake_ups):
            lane = f"{wake_up.connection_id}:{wake_up.bucket}"
            # At most one message of a group is being worked on: the queue keeps an output's limit, whoever crashes.
            group = f"{wake_up.account_id}:{wake_up.slot or lane}"
            entries.append(
                {
                    "MessageBody": encode_wake_up(wake_up),
                    "MessageGroupId": group,
                    # One a second is enough: the queue delays each by 2 s (DelaySeconds), so a wake-up dropped as a
                    # repeat in its second is still ahead of the drain that the first one of that second brings.
                    "MessageDeduplicationId": f"{wake_up.account_id}:{lane}:{now_ms // 1000}:{wake_up.is_urgent:d}",
                }
            )
        self._queue.send(entries)


class SqsSharedChangeQueue:
    """A message holds profiles of one account."""

    def __init__(self, queue_url: str, region: str | None = None) -> None:
        self._queue = _Queue(queue_url, region)

    def send(self, changes: Sequence[SharedChange]) -> None:
        """Raise `UnavailableError` when some may not be queued."""
        by_account: dict[AccountId, list[SharedChange]] = defaultdict(list)
        for change in changes:
            by_account[change.account_id].append(change)
        messages = (some for of_account in by_account.values() for some in batched(of_account, PROFILES_PER_MESSAGE))
        self._queue.send([{"MessageBody": encode_shared(some)} for some in messages])


_UNDONE = ("ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible")


class _Queue:
    def __init__(self, queue_url: str, region: str | None) -> None:
        self._url = queue_url
        self._client = client("sqs", region)

    def send(self, entries: Sequence[Entry]) -> None:
        for call in _calls(entries):
            self._send(call)

    def waiting(self) -> int:
        found = self._client.get_queue_attributes(QueueUrl=self._url, AttributeNames=list(_UNDONE))["Attributes"]
        return sum(int(found[name]) for name in _UNDONE)

    def _send(self, entries: list[Entry]) -> None:
        """Part of a call may fail: that part is sent again."""
        left = entries
        for _ in range(MAX_ATTEMPTS):
            try:
                answer = self._client.send_message_batch(QueueUrl=self._url, Entries=left)
            except (BotoCoreError, ClientError) as error:
                raise UnavailableError("the queue does not answer") from error
            failed = {failure["Id"] for failure in answer.get("Failed", ())}
            left = [entry for entry in left if entry["Id"] in failed]
            if not left:
                return
        raise UnavailableError(f"the queue refused {len(left)} messages {MAX_ATTEMPTS} times")


def _calls(entries: Sequence[Entry]) -> Iterator[list[Entry]]:
    """In order, as many to a call as SQS takes."""
    call: list[Entry] = []
    room = MAX_BYTES
    for entry in entries:
        size = len(entry["MessageBody"].encode())
        if call and (len(call) == MAX_ENTRIES or size > room):
            yield call
            call, room = [], MAX_BYTES
        call.append({"Id": str(len(call)), **entry})
        room -= size
    if call:
        yield call


def account_of(message: PipelineMessage) -> AccountId:
    return message.source.account_id if isinstance(message, AcceptedBatch) else message.account_id


def pack(messages: Sequence[PipelineMessage]) -> Iterator[str]:
    """Bodies of one message a line, in order; a body is about as large as SQS bills for one."""
    lines: list[str] = []
    room = BILLED_BYTES
    for message in messages:
        line = encode(message)
        if lines and len(line) >= room:
            yield "\n".join(lines)
            lines, room = [], BILLED_BYTES
        lines.append(line)
        room -= len(line) + 1
    if lines:
        yield "\n".join(lines)


def unpack(body: str) -> list[PipelineMessage]:
    """What `pack` put into one body."""
    return [decode(line) for line in body.split("\n")]


def encode(message: PipelineMessage) -> str:
    """JSON of a message; equal messages give equal text."""
    return dump(fields_of(message))


def decode(text: str) -> PipelineMessage:
    """What `encode` made the text of. Raise `ValueError` for any other text."""
    return message_of(json.loads(text))


def fields_of(message: PipelineMessage) -> dict[str, Any]:
    match message:
        case AcceptedBatch():
            return _of_batch(message)
        case Reevaluation():
            return {"type": "reevaluation", "account_id": message.account_id, "mpid": message.mpid}
        case Release():
            return {
                "type": "release",
                "account_id": message.account_id,
                "environment": message.environment,
                "mpid": message.mpid,
                "identity": [message.identity.type, message.identity.value],
                "at": message.at,
            }


def message_of(fields: Any) -> PipelineMessage:
    """What `fields_of` made the fields of; others besides do no harm. Raise `ValueError` for anything else."""
    match fields:
        case {"type": "batch"}:
            return _to_batch(fields)
        case {"type": "reevaluation", "account_id": account_id, "mpid": mpid}:
            return Reevaluation(AccountId(account_id), Mpid(mpid))
        case {"type": "release", "identity": [identity_type, value]}:
            return Release(
                AccountId(fields["account_id"]),
                Environment(fields["environment"]),
                Mpid(fields["mpid"]),
                Identity(identity_type, value),
                fields["at"],
            )
        case _:
            raise ValueError("not a message of the events queue")


def encode_wake_up(wake_up: WakeUp) -> str:
    lane = {"account_id": wake_up.account_id, "connection_id": wake_up.connection_id, "bucket": wake_up.bucket}
    slot = {} if wake_up.slot is None else {"slot": wake_up.slot}
    cause = {"correlation_id": wake_up.correlation_id} if wake_up.correlation_id else {}
    return dump({**lane, **slot, **cause, **({"is_urgent": True} if wake_up.is_urgent else {})})


def decode_wake_up(text: str) -> WakeUp:
    fields = json.loads(text)
    lane = AccountId(fields["account_id"]), ConnectionId(fields["connection_id"]), fields["bucket"]
    return WakeUp(*lane, fields.get("slot"), fields.get("is_urgent", False), fields.get("correlation_id", ""))


def encode_shared(changes: Sequence[SharedChange]) -> str:
    """Args:
    changes: of one account, one at least.
    """
    rows = [[each.mpid, each.version, list(each.audience_ids), each.correlation_id] for each in changes]
    return dump({"account_id": changes[0].account_id, "changes": rows})


def decode_shared(text: str) -> list[SharedChange]:
    fields = json.loads(text)
    account_id = AccountId(fields["account_id"])
    return [
        SharedChange(account_id, Mpid(mpid), version, tuple(map(AudienceId, audience_ids)), *rest)
        for mpid, version, audience_ids, *rest in fields["changes"]
    ]


def _of_batch(batch: AcceptedBatch) -> dict[str, Any]:
    return {
        "type": "batch",
        "account_id": batch.source.account_id,
        "workspace_id": batch.source.workspace_id,
        "input_id": batch.source.input_id,
        "batch_id": batch.batch_id,
        "received_at": batch.received_at,
        "is_historical": batch.is_historical,
        "body": batch.body,
        **({"correlation_id": batch.correlation_id} if batch.correlation_id else {}),
    }


def _to_batch(fields: dict[str, Any]) -> AcceptedBatch:
    source = Source(AccountId(fields["account_id"]), WorkspaceId(fields["workspace_id"]), InputId(fields["input_id"]))
    content = fields["batch_id"], fields["received_at"], fields["body"], fields["is_historical"]
    return AcceptedBatch(source, *content, fields.get("correlation_id", ""))


def dump(value: dict[str, Any]) -> str:
    """Compact JSON that SQS takes; equal values give equal text."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return _NOT_FOR_SQS.sub(_escaped, text)


def _escaped(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"
