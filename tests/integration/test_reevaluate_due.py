"""From the instant at which time changes a membership to the profile that says so, through the real handlers."""

import json
from types import SimpleNamespace
from typing import Any

import boto3
import pytest

from audience_core import clock, wiring, wiring_evaluation
from audience_core.domain.event import Environment
from audience_core.domain.ids import DAY_MS
from audience_core.domain.profile import BUCKETS, Profile
from audience_core.persistence.identities import DynamoIdentityStore
from audience_core.persistence.marks import DynamoMarkStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.queues import SqsEventQueue, SqsReevaluationQueue
from audience_core.pipeline.process import process
from functions.process_events import handler as processing
from functions.reevaluate_due import handler
from tests.support.control_stack import create_profiles_table, create_table
from tests.support.http_api import a_context, a_sample
from tests.support.population import ACCOUNT, Population, a_batch, at_least, custom_event


class Stack:
    """An account in memory, its profiles in AWS."""

    def __init__(self, region: str) -> None:
        self.sqs = boto3.client("sqs", region_name=region)
        self.url = self.sqs.create_queue(QueueName=create_table("reevaluations"))["QueueUrl"]
        self.population = Population(at_least(1, "view", days=3))
        self.profiles = DynamoProfileStore(create_profiles_table(), create_table("chunks"), region)
        self.pipeline = self.population.pipeline(
            identities=DynamoIdentityStore(create_table("identities"), region),
            profiles=self.profiles,
            events=SqsEventQueue(self.url, region),
        )
        self.stores = SimpleNamespace(
            profiles=self.profiles,
            marks=DynamoMarkStore(create_table("marks"), region),
            reevaluations=SqsReevaluationQueue(self.url, region),
        )

    def take(self, *batches: Any, now: int) -> None:
        process(self.pipeline, batches, now)

    def queued(self) -> list[dict[str, Any]]:
        found = self.sqs.receive_message(QueueUrl=self.url, MaxNumberOfMessages=10).get("Messages", [])
        return [{"messageId": each["MessageId"], "body": each["Body"]} for each in found]

    def everybody(self) -> list[Profile]:
        pages = [self.profiles.page(ACCOUNT, Environment.PRODUCTION, each, None, 100) for each in range(BUCKETS)]
        return [profile for page in pages for profile in page.items]


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch) -> Stack:
    stack = Stack(aws)
    monkeypatch.setattr(wiring, "stores", lambda: stack.stores)
    monkeypatch.setattr(wiring_evaluation, "pipeline", lambda: stack.pipeline)
    return stack


def run() -> dict[str, Any]:
    answer: dict[str, Any] = handler.lambda_handler(a_sample("reevaluate_due"), a_context())
    return answer


def test_a_profile_whose_instant_has_come_is_queued_and_looked_at_once(stack: Stack) -> None:
    now = clock.now_ms()
    leaves_at = now - 1000
    viewed = custom_event("view", leaves_at - 1 - 3 * DAY_MS, "m-1")
    stack.take(a_batch(1, received_at=now - DAY_MS, events=[viewed]), now=now - DAY_MS)

    first, second = run(), run()
    messages = stack.queued()
    answer = processing.lambda_handler({"Records": messages}, a_context())

    assert (first["queued"], second["queued"], len(messages)) == (1, 0, 1)
    assert first["lag_ms"] >= 1000
    assert answer == {"batchItemFailures": []}
    (profile,) = stack.everybody()
    assert [(each.at, each.is_member, each.reason) for each in profile.changes] == [(leaves_at, False, "time")]
    assert run()["lag_ms"] == 0


def test_the_lag_is_a_metric(stack: Stack, capsys: pytest.CaptureFixture[str]) -> None:
    run()

    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert [line["ReevaluationLag"] for line in lines] == [[0.0]]
