"""Dead letters: found by redrive policies, shown, and sent back."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Run
from tests.unit.cli.fake_sqs import FakeSqs, fake_sqs

EVENTS, EVENTS_DEAD = "audiences-EventsQueue-AB12CD34EF56", "audiences-EventsDeadLetterQueue-AB12CD34EF56"
WAKE, WAKE_DEAD = "audiences-WakeUpsQueue-AB12CD34EF56.fifo", "audiences-WakeUpsDeadLetterQueue-AB12CD34EF56.fifo"


@pytest.fixture
def sqs(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSqs]:
    with fake_sqs() as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        server.add(EVENTS, EVENTS_DEAD)
        server.add(WAKE, WAKE_DEAD)
        server.add("other-EventsQueue-AB12CD34EF56", "other-EventsDeadLetterQueue-AB12CD34EF56")
        yield server


def test_dead_letters_of_the_stack_are_counted(run: Run, sqs: FakeSqs) -> None:
    sqs.put(EVENTS_DEAD, "a")

    result = run("redrive", "--json")

    assert json.loads(result.stdout) == [
        {"queue": "EventsQueue", "dead_letters": 1},
        {"queue": "WakeUpsQueue", "dead_letters": 0},
    ]


def test_a_preview_changes_nothing(run: Run, sqs: FakeSqs) -> None:
    sqs.put(EVENTS_DEAD, "a")

    result = run("redrive", "eventsqueue", "--preview", "5")

    assert [each["body"] for each in json.loads(result.stdout)] == ["a"]
    assert sqs.bodies(EVENTS_DEAD) == ["a"]


def test_nothing_moves_without_consent(run: Run, sqs: FakeSqs) -> None:
    sqs.put(EVENTS_DEAD, "a")

    run("redrive", "EventsQueue", stdin="n\n")

    assert sqs.tasks == []


def test_the_service_moves_the_messages(run: Run, sqs: FakeSqs) -> None:
    sqs.put(EVENTS_DEAD, "a")

    result = run("redrive", "EventsQueue", stdin="y\n")

    assert result.exit_code == 0, result.output
    assert [each["DestinationArn"].rpartition(":")[2] for each in sqs.tasks] == [EVENTS]


def test_without_tasks_messages_are_sent_and_then_deleted(run: Run, sqs: FakeSqs) -> None:
    sqs.has_tasks = False
    for number in range(13):
        sqs.put(EVENTS_DEAD, f"m{number}")

    result = run("redrive", "--all", "--yes")

    assert "sent back: 13" in result.output
    assert sqs.bodies(EVENTS_DEAD) == []
    assert sorted(sqs.bodies(EVENTS)) == sorted(f"m{number}" for number in range(13))


def test_a_fifo_message_keeps_its_group_and_gets_an_id_of_its_own(run: Run, sqs: FakeSqs) -> None:
    sqs.has_tasks = False
    sqs.put(WAKE_DEAD, "a", MessageGroupId="c-1#3", MessageDeduplicationId="seen")

    run("redrive", "WakeUpsQueue", "--yes")

    [sent] = sqs.queues[WAKE]
    assert sent["Attributes"]["MessageGroupId"] == "c-1#3"
    assert sent["Attributes"]["MessageDeduplicationId"] != "seen"


def test_an_unknown_queue_is_named_with_those_there_are(run: Run, sqs: FakeSqs) -> None:
    result = run("redrive", "Nothing")

    assert result.exit_code == 2
    assert "EventsQueue, WakeUpsQueue" in result.output


def test_a_stack_without_queues_is_an_error(run: Run, sqs: FakeSqs) -> None:
    result = run("redrive", "--stack-name", "absent")

    assert result.exit_code == 2
    assert "--stack-name" in result.output


def test_a_dry_run_says_what_would_go_where_and_moves_nothing(run: Run, sqs: FakeSqs) -> None:
    sqs.put(EVENTS_DEAD, '{"type":"batch"}\n{"type":"release"}')
    sqs.put(EVENTS_DEAD, "no message of ours")

    result = run("redrive", "--all", "--dry-run", "--json")

    moves = json.loads(result.stdout)
    assert [(each["queue"], each["messages"], each["to"].rpartition(":")[2]) for each in moves] == [
        ("EventsQueue", 2, EVENTS),
        ("WakeUpsQueue", 0, WAKE),
    ]
    assert moves[0]["kinds"] == ["batch", "release", "unreadable"]
    assert (sqs.tasks, len(sqs.bodies(EVENTS_DEAD))) == ([], 2)
    assert "Would go to" in run("redrive", "eventsqueue", "--dry-run").stdout
