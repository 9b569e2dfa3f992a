"""Builders of the control path's resources: defaults for all that a test does not care about."""

from datetime import UTC, datetime
from typing import Any

from audience_core.domain.account import Account, Input, Workspace
from audience_core.domain.audience import Audience
from audience_core.domain.definition import Definition, EventCriterion, EventKind, EventSelector
from audience_core.domain.ids import AccountId, AudienceId, ConnectionId, InputId, OutputId, WorkspaceId
from audience_core.domain.output import Connection, Output

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
ACCOUNT = AccountId(7)
OTHER_ACCOUNT = AccountId(8)
WORKSPACE = WorkspaceId("w-000000000001")
INPUT = InputId("i-000000000001")
OUTPUT = OutputId("o-000000000001")
CONNECTION = ConnectionId("c-000000000001")
AUDIENCE = AudienceId(1)
PLAYED = Definition(root=EventCriterion(event=EventSelector(kind=EventKind.CUSTOM, name="Play Video")))


def an_account(**given: Any) -> Account:
    return Account(**{"account_id": ACCOUNT, "name": "Acme"} | given)


def a_workspace(**given: Any) -> Workspace:
    return Workspace(**{"account_id": ACCOUNT, "workspace_id": WORKSPACE, "name": "Shop", "created_at": NOW} | given)


def an_input(**given: Any) -> Input:
    defaults = {
        "account_id": ACCOUNT,
        "workspace_id": WORKSPACE,
        "input_id": INPUT,
        "name": "iOS",
        "key": "us1-00000000000000000001",
        "secret_sha256": "0" * 64,
        "created_at": NOW,
    }
    return Input(**defaults | given)


def an_audience(**given: Any) -> Audience:
    defaults = {
        "account_id": ACCOUNT,
        "audience_id": AUDIENCE,
        "name": "Players",
        "workspaces": (WORKSPACE,),
        "inputs": (INPUT,),
        "definition": PLAYED,
        "created_by": "client-1",
        "created_at": NOW,
        "updated_at": NOW,
    }
    return Audience(**defaults | given)


def an_output(**given: Any) -> Output:
    defaults = {
        "account_id": ACCOUNT,
        "output_id": OUTPUT,
        "connector": "webhook",
        "name": "Our warehouse",
        "settings": {"url": "https://example.com/members"},
        "created_at": NOW,
    }
    return Output(**defaults | given)


def a_connection(**given: Any) -> Connection:
    defaults = {
        "account_id": ACCOUNT,
        "connection_id": CONNECTION,
        "audience_id": AUDIENCE,
        "output_id": OUTPUT,
        "settings": {},
        "created_at": NOW,
    }
    return Connection(**defaults | given)
