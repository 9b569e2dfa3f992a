"""What every starter of workflows promises."""

import json
import uuid

import boto3
import pytest

from audience_core.domain.control_stores import Workflows
from audience_core.domain.ids import ConnectionId
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.persistence.workflows import StepFunctionsWorkflows
from tests.support.control import ACCOUNT, OTHER_ACCOUNT

WAIT = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 1, "End": True}}}


def a_state_machine(region: str) -> str:
    created = boto3.client("stepfunctions", region_name=region).create_state_machine(
        name=f"machine-{uuid.uuid4()}", definition=json.dumps(WAIT), roleArn="arn:aws:iam::123456789012:role/states"
    )
    return str(created["stateMachineArn"])


@pytest.fixture(params=["step functions", "memory"])
def workflows(request: pytest.FixtureRequest) -> Workflows:
    if request.param == "memory":
        return MemoryWorkflows()
    region: str = request.getfixturevalue("aws")
    names = ("backfill", "fill_connection", "connect_audiences", "measure_ab_test", "export")
    archive = ("compact_archive", "calculate_lifetime", "send_audience")
    return StepFunctionsWorkflows({name: a_state_machine(region) for name in (*names, *archive)}, region)


def test_starting_twice_starts_one(workflows: Workflows) -> None:
    assert workflows.start_backfill(ACCOUNT, 3) == workflows.start_backfill(ACCOUNT, 3)


def test_every_purpose_has_a_run_of_its_own(workflows: Workflows) -> None:
    names = {
        workflows.start_backfill(ACCOUNT, 3),
        workflows.start_backfill(ACCOUNT, 4),
        workflows.start_connection_fill(ACCOUNT, ConnectionId("c-1"), 1),
        workflows.start_connection_fill(ACCOUNT, ConnectionId("c-1"), 2),
        workflows.start_connection_fill(ACCOUNT, ConnectionId("c-2"), 1),
        workflows.start_backfill(ACCOUNT, 3, token=2),
        workflows.start_connection_fill(ACCOUNT, ConnectionId("c-1"), 1, token=2),
        workflows.start_connecting(ACCOUNT, "connect-1"),
        workflows.start_connecting(ACCOUNT, "connect-2"),
        workflows.start_connecting(ACCOUNT, "connect-1", token=2),
        workflows.start_measurement(ACCOUNT, "outcomes-1"),
        workflows.start_measurement(OTHER_ACCOUNT, "outcomes-1"),
        workflows.start_measurement(ACCOUNT, "outcomes-1", token=2),
        workflows.start_export(ACCOUNT, "e-1"),
        workflows.start_export(ACCOUNT, "e-2"),
        workflows.start_export(ACCOUNT, "e-1", token=2),
        workflows.start_compaction(ACCOUNT, "compaction-3"),
        workflows.start_compaction(ACCOUNT, "compaction-3", token=2),
        workflows.start_lifetime_calculation(ACCOUNT, "lifetime-3"),
        workflows.start_lifetime_calculation(ACCOUNT, "lifetime-4"),
        workflows.start_lifetime_calculation(ACCOUNT, "lifetime-3", token=2),
        workflows.start_sending(ACCOUNT, "send-1"),
        workflows.start_sending(ACCOUNT, "send-2"),
        workflows.start_sending(ACCOUNT, "send-1", token=2),
    }

    assert len(names) == 24


def test_a_backfill_is_under_way_once_it_was_started(workflows: Workflows) -> None:
    workflows.start_backfill(ACCOUNT, 3)

    assert workflows.is_backfill_under_way(ACCOUNT, 3)
    assert not workflows.is_backfill_under_way(ACCOUNT, 4)


def test_a_run_that_died_is_started_again(aws: str) -> None:
    machine = a_state_machine(aws)
    workflows = StepFunctionsWorkflows({"backfill": machine}, aws)
    first = workflows.start_backfill(ACCOUNT, 3)
    execution = f"{machine.replace(':stateMachine:', ':execution:')}:{first}"
    boto3.client("stepfunctions", region_name=aws).stop_execution(executionArn=execution)

    second = workflows.start_backfill(ACCOUNT, 3)

    assert second != first
    assert workflows.start_backfill(ACCOUNT, 3) == second
