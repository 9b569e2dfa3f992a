"""The whole data path over an AWS in memory: real handlers, tables, streams, queues and buckets, driven by hand.

Messages are delivered at least once: one whose handler fails, or is killed, stays in its queue and comes again.
"""

import base64
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import boto3
import pytest
from moto.backends import get_backend as moto_backend

from audience_core import wiring
from audience_core.domain.event import Source
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.messages import AcceptedBatch
from audience_core.outputs.http import HttpSend
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.pipeline.sweep_ledger import sweep_ledger
from functions.backfill_page import handler as backfill_page
from functions.backfill_run import handler as backfill_run
from functions.calculate_run import handler as calculate_run
from functions.calculate_shard import handler as calculate_shard
from functions.compact_part import handler as compact_part
from functions.compact_run import handler as compact_run
from functions.connect_audiences import handler as connect_audiences
from functions.count_members import handler as count_members
from functions.deliver_changes import handler as deliver_changes
from functions.end_sharing import handler as end_sharing
from functions.erase_profile import handler as erase_profile
from functions.export_page import handler as export_page
from functions.export_run import handler as export_run
from functions.export_zip import handler as export_zip
from functions.fan_out_changes import handler as fan_out_changes
from functions.fan_out_shared import handler as fan_out_shared
from functions.fill_connection_page import handler as fill_connection_page
from functions.measure_ab_test import handler as measure_ab_test
from functions.notify_faults import handler as notify_faults
from functions.notify_sharing import handler as notify_sharing
from functions.process_events import handler as process_events
from functions.send_audience import handler as send_audience
from functions.summarise_counts import handler as summarise_counts
from functions.update_subscription import handler as update_subscription
from tests.support.control import ACCOUNT, INPUT, WORKSPACE
from tests.support.control_stack import REGION
from tests.support.machines import Machine
from tests.support.owners import SENDER, Owners
from tests.support.whole_stack import forget_wiring

_INDEXES = {
    "LEDGER": ("GlobalSecondaryIndexes", "dirty", ("dirty_bucket", "dirty_since", "N"), "ALL"),
    "PROFILES": ("GlobalSecondaryIndexes", "due", ("due_shard", "due_at", "N"), "KEYS_ONLY"),
}
_TABLES = (
    "ACCOUNTS", "WORKSPACES", "AUDIENCES", "OUTPUTS", "PROFILES", "IDENTITIES", "CHUNKS", "HISTORY", "MEMBERSHIPS",
    "COUNTS", "LEDGER", "REQUESTS", "MARKS", "JOBS", "SHARING",
)  # fmt: skip
_BUCKETS = ("ARCHIVE_BUCKET", "RUN_FILES_BUCKET", "EXPORTS_BUCKET")
_QUEUES = (
    "EVENTS_QUEUE_URL", "REEVALUATIONS_QUEUE_URL", "SHARED_CHANGES_QUEUE_URL", "EVENTS_DEAD_LETTERS_URL",
    "REEVALUATIONS_DEAD_LETTERS_URL",
)  # fmt: skip
# What the readers of a table's stream are shown.
_VIEWS = {
    "PROFILES": "NEW_AND_OLD_IMAGES", "COUNTS": "KEYS_ONLY", "SHARING": "NEW_IMAGE", "OUTPUTS": "NEW_AND_OLD_IMAGES",
}  # fmt: skip
_MACHINES: Mapping[str, Mapping[str, Callable[..., Any]]] = {
    "compact_archive": {
        "CompactRunFunctionArn": compact_run.lambda_handler,
        "CompactPartFunctionArn": compact_part.lambda_handler,
    },
    "backfill_audience": {
        "BackfillRunFunctionArn": backfill_run.lambda_handler,
        "BackfillPageFunctionArn": backfill_page.lambda_handler,
    },
    "calculate_lifetime": {
        "CalculateRunFunctionArn": calculate_run.lambda_handler,
        "CalculateShardFunctionArn": calculate_shard.lambda_handler,
    },
    "export_audience": {
        "ExportRunFunctionArn": export_run.lambda_handler,
        "ExportPageFunctionArn": export_page.lambda_handler,
        "ExportZipFunctionArn": export_zip.lambda_handler,
    },
    "connect_audiences": {"ConnectAudiencesFunctionArn": connect_audiences.lambda_handler},
    "fill_connection": {
        "UpdateSubscriptionFunctionArn": update_subscription.lambda_handler,
        "FillConnectionPageFunctionArn": fill_connection_page.lambda_handler,
    },
    "send_audience": {"SendAudienceFunctionArn": send_audience.lambda_handler},
    "erase_profile": {"EraseProfileFunctionArn": erase_profile.lambda_handler},
    "measure_ab_test": {"MeasureAbTestFunctionArn": measure_ab_test.lambda_handler},
}
_ATTEMPTS = 30

type Event = dict[str, Any]


# What a run answers whose function was killed, or failed as a whole.
FAILED: Any = object()


class StartedRuns(MemoryWorkflows):
    """Runs that were asked for, each once: state machine and input."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[str, Event]] = []

    def ask(self, machine: str, name: str, given: Event) -> str:
        if name not in self.started:
            self.asked.append((machine, given))
        return self._start(name)

    def start_compaction(self, account_id: AccountId, purpose: str, token: int = 0) -> str:
        return self.ask("compact_archive", f"{purpose}-{token}", {"account_id": account_id, "token": token})

    def start_erasure(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self.ask("erase_profile", f"{job_id}-{token}", _of_job(account_id, job_id, token))

    def start_connecting(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self.ask("connect_audiences", f"{job_id}-{token}", _of_job(account_id, job_id, token))

    def start_measurement(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self.ask("measure_ab_test", f"{job_id}-{token}", _of_job(account_id, job_id, token))

    def start_sending(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self.ask("send_audience", f"{job_id}-{token}", _of_job(account_id, job_id, token))

    def start_lifetime_calculation(self, account_id: AccountId, job_id: str, token: int = 1) -> str:
        return self.ask("calculate_lifetime", f"{job_id}-{token}", _of_job(account_id, job_id, token))

    def start_connection_fill(
        self, account_id: AccountId, connection_id: ConnectionId, version: int, token: int = 1
    ) -> str:
        given = {"account_id": account_id, "connection_id": connection_id, "version": version}
        return self.ask("fill_connection", f"{connection_id}-{version}-{token}", given)


def _of_job(account_id: AccountId, job_id: str, token: int) -> Event:
    return {"account_id": account_id, "job_id": job_id, "token": token}


class DataPath:
    """Args:
    patch: gives the handlers their environment, and takes it back after the test.
    """

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        suffix = uuid.uuid4().hex[:8]
        clients = (boto3.client(name, region_name=REGION) for name in ("dynamodb", "sqs", "s3"))
        self.dynamodb, self.sqs, self.s3 = clients
        self.tables = {f"{name}_TABLE": f"{name.lower()}-{suffix}" for name in _TABLES}
        self.buckets = {name: f"{name.lower().replace('_', '-')}-{suffix}" for name in _BUCKETS}
        self.queues = {name: self._queue(f"{name.lower()}-{suffix}", {}) for name in _QUEUES}
        self.queues["WAKE_UPS_QUEUE_URL"] = self._queue(f"wake-ups-{suffix}.fifo", {"FifoQueue": "true"})
        for name, table in self.tables.items():
            self._table(name.removesuffix("_TABLE"), table)
        for bucket in self.buckets.values():
            self.s3.create_bucket(Bucket=bucket)
        for name, value in {**self.tables, **self.buckets, **self.queues, "AWS_REGION": REGION}.items():
            patch.setenv(name, value)
        self.owners = Owners(REGION)
        patch.setenv("EVENT_BUS", self.owners.bus)
        patch.setenv("SENDER_EMAIL", SENDER)
        # Tests share the AWS in memory.
        patch.setenv("CONSOLE_URL_PARAMETER", f"/data-path-{suffix}/console-url")
        address = {"Name": f"/data-path-{suffix}/console-url", "Value": "https://console.example", "Type": "String"}
        boto3.client("ssm", region_name=REGION).put_parameter(**address)
        patch.setenv("ERASURE_SETTLE_SECONDS", "0")
        patch.setenv("RECONCILE_PAUSE_S", "0")
        patch.setenv("ALLOW_PRIVATE_ENDPOINTS", "true")
        forget_wiring()
        self.workflows = StartedRuns()
        self.stores = replace(wiring.stores(), workflows=self.workflows)
        patch.setattr(wiring, "stores", lambda: self.stores)
        patch.setattr(wiring, "send", lambda: HttpSend(allow_private=True))
        self._places: dict[str, int] = {}
        self.is_reversed = False
        self.is_stream_down = False

    def close(self) -> None:
        """Take away what this stack put into the AWS, so that others find theirs quickly."""
        forget_wiring()
        for table in self.tables.values():
            self.dynamodb.delete_table(TableName=table)

    # Driving ------------------------------------------------------------------------------------------------------

    def accept(self, number: int, received_at: int | None = None, **body: Any) -> None:
        """A batch is in the queue, as ingest puts it there."""
        at = received_at or now_ms()
        body.setdefault("source_request_id", f"request-{number}")
        self.stores.requests.remember(INPUT, [body["source_request_id"]], at)
        message = AcceptedBatch(Source(ACCOUNT, WORKSPACE, INPUT), body["source_request_id"], at, body)
        self.stores.events.send([message])

    def settle(self, run: Callable[..., Any] | None = None) -> None:
        """Until no queue and no stream has anything left.

        Args:
            run: calls a handler with an event, and may kill it.
        """
        call = run or called
        quiet = 0
        for turn in range(_ATTEMPTS):
            if quiet == 2:
                return
            moved = self._drain("EVENTS_QUEUE_URL", process_events.lambda_handler, call)
            if not self.is_stream_down:
                moved += self._stream("PROFILES", fan_out_changes.lambda_handler, call)
                moved += self._stream("PROFILES", count_members.lambda_handler, call)
            moved += self._drain("REEVALUATIONS_QUEUE_URL", process_events.lambda_handler, call)
            moved += self._stream("SHARING", end_sharing.lambda_handler, call)
            moved += self._stream("SHARING", notify_sharing.lambda_handler, call)
            moved += self._stream("OUTPUTS", notify_faults.lambda_handler, call)
            moved += self._drain("SHARED_CHANGES_QUEUE_URL", fan_out_shared.lambda_handler, call)
            moved += self._drain("WAKE_UPS_QUEUE_URL", deliver_changes.lambda_handler, call)
            moved += self._stream("COUNTS", summarise_counts.lambda_handler, call)
            # What a second wake-up within one second was dropped for is found by the sweep.
            at = now_ms() + 120_000 + 1000 * turn
            if moved:
                quiet = 0
                continue
            self._hurry()
            swept = call(lambda event, context: self._sweep(event["at"]), {"at": at})
            quiet = 0 if swept is FAILED or swept else quiet + 1
        raise AssertionError("it does not come to rest")

    def play(self, machine: str, given: Event, run: Callable[..., Any] | None = None) -> None:
        """A state machine from its beginning to its end."""
        handlers = {name: _retrying(handler, run or called) for name, handler in _MACHINES[machine].items()}
        Machine(machine, handlers).run(given, f"run-{uuid.uuid4().hex[:8]}")

    def finish_runs(self, run: Callable[..., Any] | None = None) -> None:
        """Play what was asked for of state machines."""
        asked, self.workflows.asked = self.workflows.asked, []
        for machine, given in asked:
            self.play(machine, given, run)

    def _hurry(self) -> None:
        """Wake-ups that were postponed, because a partner did not answer, come now: nobody waits for minutes here."""
        backend = moto_backend("sqs")["123456789012"][REGION]
        for message in backend.queues[self.queues["WAKE_UPS_QUEUE_URL"].rpartition("/")[2]]._messages:
            message.visible_at = 0

    def _sweep(self, at: int) -> int:
        return sweep_ledger(self.stores.ledger, self.stores.outputs, self.stores.wake_ups, at)

    def _drain(self, queue: str, handler: Callable[..., Any], run: Callable[..., Any]) -> int:
        url, moved = self.queues[queue], 0
        for _ in range(_ATTEMPTS * 10):
            found = self.sqs.receive_message(
                QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=0, MessageSystemAttributeNames=["All"]
            ).get("Messages", [])
            if not found:
                return moved
            if self.is_reversed and queue != "WAKE_UPS_QUEUE_URL":
                found.reverse()
            records = [_sqs_record(message, url) for message in found[: 1 if queue == "WAKE_UPS_QUEUE_URL" else 10]]
            answer = run(handler, {"Records": records})
            failed = {each["itemIdentifier"] for each in _failures(answer)}
            for message in found[: len(records)]:
                if answer is not FAILED and message["MessageId"] not in failed:
                    self.sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                    moved += 1
        raise AssertionError(f"{queue} is not drained")

    def _stream(self, table: str, handler: Callable[..., Any], run: Callable[..., Any]) -> int:
        """Every reader of a stream has a place of its own in it."""
        reader = handler.__module__
        records, after = self._records(table, self._places.get(reader, 0))
        for _ in range(_ATTEMPTS):
            if not records:
                self._places[reader] = after
                return 0
            answer = run(handler, {"Records": records})
            if answer is not FAILED:
                failed = [each["itemIdentifier"] for each in _failures(answer)]
                if not failed:
                    self._places[reader] = after
                    return len(records)
                numbers = [each["dynamodb"]["SequenceNumber"] for each in records]
                records = records[numbers.index(failed[0]) :]
        raise AssertionError(f"the stream of {table} is stuck")

    def _records(self, table: str, place: int) -> tuple[list[Event], int]:
        """Moto keeps them, and gives them to nobody who asks by the API."""
        backend = moto_backend("dynamodb")["123456789012"][REGION]
        shard = backend.tables[self.tables[f"{table}_TABLE"]].stream_shard
        assert shard is not None
        found = [_stream_record(each.to_json()) for each in shard.items[place:]]
        return found, place + len(found)

    # What is stored -----------------------------------------------------------------------------------------------

    def items(self, table: str) -> list[Event]:
        pages = self.dynamodb.get_paginator("scan").paginate(TableName=self.tables[f"{table}_TABLE"])
        return [item for page in pages for item in page["Items"]]

    def objects(self, bucket: str) -> dict[str, bytes]:
        name = self.buckets[bucket]
        keys = [each["Key"] for each in self.s3.list_objects_v2(Bucket=name).get("Contents", [])]
        return {key: self.s3.get_object(Bucket=name, Key=key)["Body"].read() for key in keys}

    def messages(self, queue: str) -> list[str]:
        """Bodies of what lies in a queue, which stays there."""
        found = self.sqs.receive_message(QueueUrl=self.queues[queue], MaxNumberOfMessages=10, VisibilityTimeout=0)
        return [each["Body"] for each in found.get("Messages", [])]

    # Making -------------------------------------------------------------------------------------------------------

    def _queue(self, name: str, attributes: dict[str, str]) -> str:
        url: str = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        return url

    def _table(self, kind: str, name: str) -> None:
        types, more = {"pk": "S", "sk": "S"}, dict[str, Any]()
        if kind in _INDEXES:
            sort, index, (first, second, second_type), projection = _INDEXES[kind]
            types |= {first: "S", second: second_type}
            keys = [{"AttributeName": first, "KeyType": "HASH"}, {"AttributeName": second, "KeyType": "RANGE"}]
            more[sort] = [{"IndexName": index, "KeySchema": keys, "Projection": {"ProjectionType": projection}}]
        if kind in _VIEWS:
            more["StreamSpecification"] = {"StreamEnabled": True, "StreamViewType": _VIEWS[kind]}
        self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in types.items()],
            BillingMode="PAY_PER_REQUEST",
            **more,
        )


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class _Ample:
    """A Lambda context with time enough for everything."""

    function_name, memory_limit_in_mb, aws_request_id = "function", 512, "00000000-0000-0000-0000-000000000000"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:function"

    @staticmethod
    def get_remaining_time_in_millis() -> int:
        return 600_000


def called(handler: Callable[..., Any], event: Event) -> Any:
    """What a handler answers."""
    return handler(event, _Ample())


def _failures(answer: Any) -> list[dict[str, str]]:
    return answer["batchItemFailures"] if answer is not FAILED and answer else []


def _retrying(handler: Callable[..., Any], run: Callable[..., Any]) -> Callable[..., Any]:
    """As a state machine's Retry: one that was killed is called again."""

    def call(event: Event, context: Any) -> Any:
        for _ in range(_ATTEMPTS):
            answer = run(handler, event)
            if answer is not FAILED:
                return answer
        raise AssertionError("killed too often")

    return call


def _sqs_record(message: Mapping[str, Any], url: str) -> Event:
    return {
        "messageId": message["MessageId"],
        "receiptHandle": message["ReceiptHandle"],
        "body": message["Body"],
        "attributes": {**message.get("Attributes", {}), "ApproximateReceiveCount": "1"},
        "messageAttributes": {},
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:123456789012:{url.rpartition('/')[2]}",
        "awsRegion": REGION,
    }


def _stream_record(record: Mapping[str, Any]) -> Event:
    change = dict(record["dynamodb"])
    for image in ("Keys", "NewImage", "OldImage"):
        if image in change:
            change[image] = {name: _in_json(value) for name, value in change[image].items()}
    change["ApproximateCreationDateTime"] = change["ApproximateCreationDateTime"].timestamp()
    return {"eventName": record["eventName"], "eventSource": "aws:dynamodb", "dynamodb": change}


def _in_json(value: Mapping[str, Any]) -> dict[str, Any]:
    return {kind: base64.b64encode(each).decode() if kind == "B" else each for kind, each in value.items()}
