"""The function on the counts table's stream, over a real table."""

import json
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from audience_core import wiring
from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AudienceId
from audience_core.domain.stores import CountStep
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.summaries import DynamoCountSummaries, count_changes
from functions.summarise_counts import handler
from tests.support.control import ACCOUNT
from tests.support.control_stack import create_table
from tests.support.http_api import a_context

SAMPLE = json.loads((Path("events") / "summarise_counts.json").read_text())
NOW = time.time_ns() // 1_000_000
NOTHING = AudienceCounts(size=0, adds_24h=0, drops_24h=0)


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    table = create_table("counts")
    stores = SimpleNamespace(
        memberships=DynamoMembershipStore("none", table, aws), summaries=DynamoCountSummaries(table, aws)
    )
    monkeypatch.setattr(wiring, "stores", lambda: stores)
    return stores


def figures(stack: SimpleNamespace, *audience_ids: int) -> list[AudienceCounts]:
    return list(stack.summaries.figures(ACCOUNT, [AudienceId(each) for each in audience_ids], NOW).values())


def test_audiences_that_were_counted_are_summarised_and_no_others(stack: SimpleNamespace) -> None:
    for audience_id in (1, 3, 12):
        stack.memberships.count(ACCOUNT, {AudienceId(audience_id): [CountStep(5, "1", NOW, 3, 1)]})

    for _ in range(2):
        handler.lambda_handler(SAMPLE, a_context())

    counted = AudienceCounts(size=2, adds_24h=3, drops_24h=1)
    assert figures(stack, 1, 3, 12) == [counted, NOTHING, counted]


def test_a_failure_is_told_to_the_stream_and_the_repeat_makes_it_good(stack: SimpleNamespace) -> None:
    stack.memberships.count(ACCOUNT, {AudienceId(12): [CountStep(5, "1", NOW, 3, 1)]})
    refresh = stack.summaries.refresh

    def fail(change: Any, now_ms: int) -> None:
        if change.audience_id == 12:
            raise ConnectionError("throttled")
        refresh(change, now_ms)

    stack.summaries.refresh = fail
    with pytest.raises(ConnectionError):
        handler.lambda_handler(SAMPLE, a_context())
    stack.summaries.refresh = refresh
    handler.lambda_handler(SAMPLE, a_context())

    assert figures(stack, 12)[0].size == 2


def test_an_audience_is_refreshed_once_for_many_records() -> None:
    changes = count_changes(SAMPLE["Records"])

    assert [(each.account_id, each.audience_id) for each in changes] == [(7, 1), (7, 12)]
