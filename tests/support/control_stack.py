"""The control path's real stores over an AWS in memory."""

import json
import uuid
from types import SimpleNamespace
from typing import Any

import boto3

from audience_core.domain.audience import AudienceCounts
from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.membership import Membership
from audience_core.domain.messages import WakeUp
from audience_core.domain.profile import bucket_of
from audience_core.domain.stores import Page
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.audiences import DynamoAudienceStore
from audience_core.persistence.history import DynamoHistoryStore
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.ledger import DynamoLedgerStore
from audience_core.persistence.log_ins import DynamoLogInStore
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.exports import MemorySigningKeys
from audience_core.persistence.memory.results import MemoryResultStore
from audience_core.persistence.memory.sharing import MemoryLogoFiles
from audience_core.persistence.outputs import DynamoOutputStore
from audience_core.persistence.profiles import DynamoProfileStore
from audience_core.persistence.secrets import SecretsManagerStore
from audience_core.persistence.sharing import DynamoSharingStore
from audience_core.persistence.summaries import DynamoCountSummaries
from audience_core.persistence.workflows import StepFunctionsWorkflows
from audience_core.persistence.workspaces import DynamoWorkspaceStore
from tests.support.control import ACCOUNT, OTHER_ACCOUNT, an_account

REGION = "us-east-1"
_MACHINES = (
    "backfill",
    "fill_connection",
    "connect_audiences",
    "compact_archive",
    "calculate_lifetime",
    "send_audience",
)
_PASS = {"StartAt": "Done", "States": {"Done": {"Type": "Pass", "End": True}}}


class FixedMemberships:
    """Member lists and figures that a test puts in."""

    def __init__(self) -> None:
        self.rows: dict[tuple[AccountId, AudienceId], list[Membership]] = {}
        self.figures: dict[tuple[AccountId, AudienceId], AudienceCounts] = {}

    def members(
        self, account_id: AccountId, audience_id: AudienceId, cursor: str | None, limit: int
    ) -> Page[Membership]:
        start = int(cursor or 0)
        rows = self.rows.get((account_id, audience_id), [])
        rest = len(rows) > start + limit
        return Page(tuple(rows[start : start + limit]), str(start + limit) if rest else None)

    def counts(self, account_id: AccountId, audience_id: AudienceId, now_ms: int) -> AudienceCounts:
        return self.figures.get((account_id, audience_id), AudienceCounts(size=0, adds_24h=0, drops_24h=0))

    def bucket_members(
        self, account_id: AccountId, audience_id: AudienceId, bucket: int, after: Mpid | None, limit: int
    ) -> list[Membership]:
        rows = [each for each in self.rows.get((account_id, audience_id), []) if bucket_of(each.mpid) == bucket]
        return [each for each in rows if after is None or str(each.mpid) > str(after)][:limit]


class WakeUpLog:
    def __init__(self) -> None:
        self.sent: list[WakeUp] = []

    def send(self, wake_ups: list[WakeUp], now_ms: int) -> None:
        self.sent += wake_ups


def control_stack() -> SimpleNamespace:
    """Stores by the names that `wiring.Stores` has; to be emptied before each test."""
    names = ("accounts", "workspaces", "audiences", "outputs", "counts", "chunks", "jobs", "sharing")
    tables = {name: create_table(name) for name in names}
    history, ledger, profiles = create_table("history"), create_ledger_table(), create_profiles_table()
    return SimpleNamespace(
        accounts=DynamoAccountStore(tables["accounts"], REGION),
        workspaces=DynamoWorkspaceStore(tables["workspaces"], REGION),
        audiences=DynamoAudienceStore(tables["audiences"], REGION),
        outputs=DynamoOutputStore(tables["outputs"], REGION),
        summaries=DynamoCountSummaries(tables["counts"], REGION),
        counts=DynamoMembershipStore("no member lists", tables["counts"], REGION),
        secrets=SecretsManagerStore(REGION),
        log_ins=DynamoLogInStore(tables["outputs"], REGION),
        jobs=DynamoJobStore(tables["jobs"], REGION),
        signing_keys=MemorySigningKeys(),
        history=DynamoHistoryStore(history, REGION),
        ledger=DynamoLedgerStore(ledger, REGION),
        profiles=DynamoProfileStore(profiles, tables["chunks"], REGION),
        sharing=DynamoSharingStore(tables["sharing"], REGION),
        logos=MemoryLogoFiles(),
        tables=(*tables.values(), history, ledger, profiles),
    )


def emptied(stack: SimpleNamespace) -> SimpleNamespace:
    """The stack as on its first day: only the accounts `ACCOUNT` and `OTHER_ACCOUNT` exist."""
    for name in stack.tables:
        table = boto3.resource("dynamodb", region_name=REGION).Table(name)
        with table.batch_writer() as batch:
            for item in table.scan()["Items"]:
                batch.delete_item({"pk": item["pk"], "sk": item["sk"]})
    machines = {name: state_machine(name) for name in _MACHINES}
    stack.machines, stack.workflows = machines.values(), StepFunctionsWorkflows(machines, REGION)
    stack.memberships, stack.wake_ups, stack.results = FixedMemberships(), WakeUpLog(), MemoryResultStore()
    for account_id in (ACCOUNT, OTHER_ACCOUNT):
        stack.accounts.create(an_account(account_id=account_id, active_audience_cap=3))
    return stack


def create_table(name: str, region: str = REGION) -> str:
    """A table with the keys pk and sk; its name, which is new each time."""
    unique = f"{name}-{uuid.uuid4()}"
    boto3.client("dynamodb", region_name=region).create_table(
        TableName=unique,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in ("pk", "sk")],
        BillingMode="PAY_PER_REQUEST",
    )
    return unique


def create_profiles_table() -> str:
    """A table of profiles with its index of those due; its name, which is new each time."""
    return _create_indexed_table("profiles", "due", ("due_shard", "due_at"), "KEYS_ONLY")


def create_ledger_table() -> str:
    """A table of deliveries with its index of dirty rows; its name, which is new each time."""
    return _create_indexed_table("ledger", "dirty", ("dirty_bucket", "dirty_since"), "ALL")


def _create_indexed_table(name: str, index: str, keys: tuple[str, str], projection: str) -> str:
    unique = f"{name}-{uuid.uuid4()}"
    types = {"pk": "S", "sk": "S", keys[0]: "S", keys[1]: "N"}
    table, of_index = (
        [{"AttributeName": first, "KeyType": "HASH"}, {"AttributeName": second, "KeyType": "RANGE"}]
        for first, second in (("pk", "sk"), keys)
    )
    projected = {"IndexName": index, "KeySchema": of_index, "Projection": {"ProjectionType": projection}}
    boto3.client("dynamodb", region_name=REGION).create_table(
        TableName=unique,
        KeySchema=table,
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": kind} for name, kind in types.items()],
        GlobalSecondaryIndexes=[projected],
        BillingMode="PAY_PER_REQUEST",
    )
    return unique


def runs(stack: SimpleNamespace) -> dict[str, Any]:
    """Name -> input of every workflow that was started."""
    client = boto3.client("stepfunctions", region_name=REGION)
    found = {}
    for machine in stack.machines:
        for run in client.list_executions(stateMachineArn=machine)["executions"]:
            described = client.describe_execution(executionArn=run["executionArn"])
            found[run["name"]] = json.loads(described["input"])
    return found


def state_machine(name: str) -> str:
    client = boto3.client("stepfunctions", region_name=REGION)
    role = "arn:aws:iam::123456789012:role/states"
    created = client.create_state_machine(name=f"{name}-{uuid.uuid4()}", definition=json.dumps(_PASS), roleArn=role)
    return str(created["stateMachineArn"])
