"""The ingest endpoints over real tables and queues, called by hand and by the published Python client."""

import json
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3
import pytest

from audience_core import wiring
from audience_core.domain.definition import EventKind
from audience_core.domain.event import EventBatch, Identity
from audience_core.domain.messages import AcceptedBatch, PipelineMessage
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.queues import SqsEventQueue, decode, unpack
from audience_core.persistence.requests import DynamoRateStore, DynamoRequestStore
from audience_core.persistence.workspaces import DynamoWorkspaceStore
from audience_core.pipeline.wire.batch import read_batch
from functions.authorize_input import handler as authorizer
from functions.ingest_api import handler
from tests.support.control import ACCOUNT, INPUT, WORKSPACE, an_account, an_input
from tests.support.http_api import a_context
from tests.support.http_gateway import Gateway, http_event, serving

KEY, SECRET = "us1-00000000000000000001", "secret"
WHO = {"account_id": str(ACCOUNT), "workspace_id": WORKSPACE, "input_id": INPUT}
EVENTS = Path("events")
CLIENT = Path("tests/support/published_client.py")


class World:
    """The parts of AWS that ingest uses, in memory, and one input that may call it."""

    def __init__(self, region: str) -> None:
        self._sqs = boto3.client("sqs", region_name=region)
        # Tests share the AWS in memory.
        self.queue_url = self._sqs.create_queue(QueueName=f"events-{uuid4()}")["QueueUrl"]
        requests = _new_table(region)
        self.stores = SimpleNamespace(
            accounts=DynamoAccountStore(_new_table(region), region),
            workspaces=DynamoWorkspaceStore(_new_table(region), region),
            requests=DynamoRequestStore(requests, region),
            rates=DynamoRateStore(requests, region),
            events=SqsEventQueue(self.queue_url, region),
        )
        self.stores.workspaces.save_input(an_input(key=KEY, secret_sha256=sha256(SECRET.encode()).hexdigest()))

    def open_account(self, batches_per_second: int = 270) -> None:
        self.stores.accounts.create(an_account(batches_per_second=batches_per_second))

    def queued(self) -> list[PipelineMessage]:
        messages: list[PipelineMessage] = []
        while received := self._sqs.receive_message(QueueUrl=self.queue_url, MaxNumberOfMessages=10).get("Messages"):
            messages += [each for message in received for each in unpack(message["Body"])]
        return messages

    def batches(self) -> list[EventBatch]:
        return [read_batch(message) for message in self.queued() if isinstance(message, AcceptedBatch)]


@pytest.fixture
def world(aws: str, monkeypatch: pytest.MonkeyPatch) -> World:
    world = World(aws)
    monkeypatch.setattr(wiring, "stores", lambda: world.stores)
    # The function keeps accounts for a minute; every test has its own.
    handler.account_of.cache_clear()
    return world


def _new_table(region: str) -> str:
    name = f"table-{uuid4()}"
    boto3.client("dynamodb", region_name=region).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def post(path: str, body: Any) -> Any:
    raw = body if isinstance(body, str | bytes) else json.dumps(body)
    return handler.lambda_handler(http_event("POST", path, raw, authorizer=WHO), a_context())


def errors(answer: Any) -> Any:
    return json.loads(answer["body"])["errors"]


def test_an_accepted_batch_is_answered_with_an_empty_202(world: World) -> None:
    world.open_account()

    answer = post("/v2/events", {"source_request_id": "r-1", "user_identities": {"email": "a@b.co"}})

    assert (answer["statusCode"], answer["body"]) == (202, "")
    assert answer["headers"]["X-mp-rate-limit-percentage-used"] == "0"
    (message,) = world.queued()
    assert isinstance(message, AcceptedBatch)
    assert (message.source.account_id, message.source.workspace_id, message.source.input_id) == (
        ACCOUNT,
        WORKSPACE,
        INPUT,
    )
    assert message.batch_id == "r-1"


def test_a_body_may_come_in_base64(world: World) -> None:
    world.open_account()

    assert post("/v2/events", '{"user_attributes":{"city":"Zürich"}}'.encode())["statusCode"] == 202
    assert world.batches()[0].attributes == {"city": "Zürich"}


def test_a_repeated_request_is_accepted_and_discarded(world: World) -> None:
    world.open_account()

    statuses = [post("/v2/events", {"source_request_id": "r-1"})["statusCode"] for _ in range(2)]

    assert statuses == [202, 202]
    assert len(world.queued()) == 1


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{", "The request body is not valid JSON."),
        (b"\xff\xfe", "The request body is not valid JSON."),
        ("", "The request body is not valid JSON."),
        ("[]", "A batch must be a JSON object."),
        ({"events": [{"event_name": "bare"}]}, 'Required event field "event_type" is missing or empty.'),
    ],
)
def test_a_malformed_batch_is_answered_with_what_is_wrong(world: World, body: Any, message: str) -> None:
    world.open_account()

    answer = post("/v2/events", body)

    assert answer["statusCode"] == 400
    assert errors(answer) == [{"code": "BAD_REQUEST", "message": message}]
    assert world.queued() == []


def test_a_request_that_is_too_large_is_answered_with_413(world: World) -> None:
    world.open_account()

    answer = post("/v2/bulkevents", "[" + " " * 256 * 1024 + "]")

    assert answer["statusCode"] == 413
    assert errors(answer)[0]["code"] == "REQUEST_TOO_LARGE"


def test_bulk_keeps_what_is_sound(world: World) -> None:
    world.open_account()

    answer = post("/v2/bulkevents", [{"source_request_id": "r-1"}, {"mpid": "x"}, {"source_request_id": "r-2"}])

    assert answer["statusCode"] == 202
    assert {batch.batch_id for batch in world.batches()} == {"r-1", "r-2"}


def test_history_is_marked_as_such(world: World) -> None:
    world.open_account()
    old = {"event_type": "session_start", "data": {"timestamp_unixtime_ms": 1_700_000_000_000}}

    answer = post("/v2/bulkevents/historical", [{"events": [old]}, {"events": []}])

    assert answer["statusCode"] == 202
    assert [message.is_historical for message in world.queued() if isinstance(message, AcceptedBatch)] == [True]


def test_an_account_over_its_rate_is_told_to_wait(world: World) -> None:
    world.open_account(batches_per_second=2)

    answer = post("/v2/bulkevents", [{}, {}, {}])

    assert answer["statusCode"] == 429
    assert answer["headers"]["Retry-After"] == "1"
    assert answer["headers"]["X-mp-rate-limit-exceeded"] == "account"
    assert errors(answer)[0]["code"] == "TOO_MANY_REQUESTS"
    assert world.queued() == []


def test_when_the_queue_fails_the_client_is_asked_to_send_again(world: World) -> None:
    world.open_account()
    queue = world.stores.events
    world.stores.events = SqsEventQueue(f"{world.queue_url}-gone")

    refused = post("/v2/events", {"source_request_id": "r-1"})
    world.stores.events = queue
    accepted = post("/v2/events", {"source_request_id": "r-1"})

    assert (refused["statusCode"], refused["headers"]["Retry-After"]) == (503, "1")
    assert accepted["statusCode"] == 202
    assert [batch.batch_id for batch in world.batches()] == ["r-1"]


def test_an_unknown_path_is_not_found(world: World) -> None:
    assert post("/v2/nothing", {})["statusCode"] == 404


def test_nothing_of_a_user_is_logged(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    world.open_account()

    post("/v2/events", {"user_identities": {"email": "nell@trail.example"}, "user_attributes": {"tier": {"x": "gold"}}})
    post("/v2/bulkevents", [{"mpid": "nell-id"}])

    printed = capsys.readouterr()
    assert not any(text in printed.out + printed.err for text in ("nell", "gold", "tier"))


@pytest.mark.parametrize("name", ["ingest_single", "ingest_bulk", "ingest_historical"])
def test_the_sample_requests_are_accepted(world: World, name: str) -> None:
    world.open_account()
    event = json.loads((EVENTS / f"{name}.json").read_text())

    assert handler.lambda_handler(event, a_context())["statusCode"] == 202
    assert world.queued()


@pytest.mark.parametrize("path", sorted(EVENTS.glob("process_*.json")), ids=lambda path: path.stem)
def test_the_sample_messages_can_be_read(path: Path) -> None:
    messages = [decode(record["body"]) for record in json.loads(path.read_text())["Records"]]

    assert messages
    assert all(read_batch(message).events for message in messages if isinstance(message, AcceptedBatch))


@pytest.fixture
def base_url(world: World) -> Iterator[str]:
    with serving(Gateway(handler.lambda_handler, authorizer.lambda_handler)) as url:
        yield url


def run_client(base_url: str, scenario: str, secret: str = SECRET) -> Any:
    """In a process of its own: a 429 blocks all later calls of the process it came to."""
    done = subprocess.run(
        [sys.executable, str(CLIENT), base_url, KEY, secret, scenario],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_published_client_uploads_a_batch_once(world: World, base_url: str) -> None:
    world.open_account()

    outcomes = run_client(base_url, "full")

    assert [outcome["status"] for outcome in outcomes] == [202, 202]
    (batch,) = world.batches()
    assert batch.mpid == -(2**62)
    assert set(batch.identities) == {
        Identity("customer_id", "hiker-77"),
        Identity("email", "nell@trail.example"),
        Identity("ios_advertising_id", "2b1f6f2c-8a0e-4a3e-9b62-7a1a6f2f0c55"),
    }
    assert batch.attributes == {"tier": "gold", "age": 41, "parks": ["Yosemite", "Zion"]}
    assert batch.consents == {("gdpr", "marketing"): True}
    assert [(event.kind, event.name) for event in batch.events] == [
        (EventKind.SESSION_START, ""),
        (EventKind.CUSTOM, "Play Video"),
        (EventKind.COMMERCE, "purchase"),
        (EventKind.CRASH, ""),
        (EventKind.SESSION_END, ""),
    ]
    assert batch.events[2].attributes["$total_amount"] == 84.5


def test_the_published_client_uploads_in_bulk(world: World, base_url: str) -> None:
    world.open_account()

    assert [outcome["status"] for outcome in run_client(base_url, "bulk")] == [202]
    assert {batch.batch_id for batch in world.batches()} == {"full-1", "second"}


def test_the_published_clients_bare_events_are_refused_alone_and_left_out_in_bulk(world: World, base_url: str) -> None:
    world.open_account()

    alone, bulk = run_client(base_url, "bare")

    assert alone["status"] == 400
    assert json.loads(alone["body"])["errors"] == [
        {"code": "BAD_REQUEST", "message": 'Required event field "event_type" is missing or empty.'}
    ]
    assert bulk["status"] == 202
    assert [batch.events for batch in world.batches()] == [()]


def test_the_published_client_hears_how_long_to_wait(world: World, base_url: str) -> None:
    world.open_account(batches_per_second=0)

    outcomes = run_client(base_url, "throttled")

    assert [outcome["status"] for outcome in outcomes] == [429, 429, 429]
    assert outcomes[0]["headers"]["X-mp-rate-limit-exceeded"] == "account"
    assert world.queued() == []


def test_the_published_client_with_a_wrong_secret_is_forbidden(world: World, base_url: str) -> None:
    world.open_account()

    assert [outcome["status"] for outcome in run_client(base_url, "bulk", secret="wrong")] == [403]


def test_a_request_without_credentials_is_unauthorized(base_url: str) -> None:
    gateway = Gateway(handler.lambda_handler, authorizer.lambda_handler)

    assert gateway.answer("POST", "/v2/events", {}, b"{}").status == 401


def test_a_credential_reaches_only_its_own_account(world: World) -> None:
    world.open_account()
    gateway = Gateway(handler.lambda_handler, authorizer.lambda_handler)
    credential = b64encode(f"{KEY}:{SECRET}".encode()).decode()
    headers = {"Authorization": f"Basic {credential}", "Content-Type": "application/json"}

    answer = gateway.answer("POST", "/v2/events", headers, b'{"account_id": 8, "source_request_id": "r-1"}')

    assert answer.status == 202
    assert [batch.source.account_id for batch in world.batches()] == [ACCOUNT]
