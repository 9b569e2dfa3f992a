"""An account that may have lifetime audiences: its handlers behind one door, and an archive in AWS in memory."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import boto3

from audience_core.api import edge
from audience_core.domain.archive import ArchiveShard, Manifest
from audience_core.domain.definition import EventKind
from audience_core.domain.event import Environment, Event, Identity
from audience_core.domain.ids import DAY_MS, AccountId, InputId, Mpid
from audience_core.domain.output import DELIVERY_BUCKETS, SubscriptionState
from audience_core.domain.profile import Profile, Seen
from audience_core.evaluation.columnar.kept import EMPTY, merged, write_kept
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.memberships import DynamoMembershipStore
from audience_core.persistence.memory.identities import MemoryIdentityStore
from audience_core.persistence.memory.ingest import MemoryWakeUpQueue
from audience_core.persistence.memory.profiles import MemoryProfileStore
from audience_core.persistence.results import S3ResultStore
from audience_core.persistence.run_files import S3RunFiles
from audience_core.persistence.shards import S3ShardStore
from functions.audiences_api import handler as audiences_handler
from functions.calculate_run import handler as run_handler
from functions.calculate_shard import handler as shard_handler
from functions.jobs_api import handler as jobs_handler
from functions.lifetime_api import handler as lifetime_handler
from functions.outputs_api import handler as outputs_handler
from functions.send_audience import handler as send_handler
from tests.support.control import (
    INPUT,
    WORKSPACE,
    a_workspace,
    an_account,
    an_input,
    an_output,
)
from tests.support.control_stack import REGION, control_stack, create_table, emptied
from tests.support.http_api import Answer, Caller, a_sample
from tests.support.machines import Machine

CALCULATIONS = "/v1/lifetime-calculations"
PREMIUM = AccountId(9)
BOUGHT = {"kind": "custom_event", "name": "buy"}
EVER = {"type": "within_last", "duration": {"amount": 5000, "unit": "days"}}


def definition(**event: Any) -> dict[str, Any]:
    return {"root": {"type": "event", "event": {**BOUGHT, **event}, "window": EVER}}


def everything(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """The HTTP API's routes, as far as these tests need them."""
    path = event["rawPath"]
    handlers: dict[str, Callable[..., dict[str, Any]]] = {
        CALCULATIONS: lifetime_handler.lambda_handler,
        "/v1/archive": lifetime_handler.lambda_handler,
        "/v1/jobs": jobs_handler.lambda_handler,
    }
    if path.endswith(("/connections", "/send")) or path.startswith("/v1/connections"):
        return outputs_handler.lambda_handler(event, context)
    found = (handler for prefix, handler in handlers.items() if path.startswith(prefix))
    return next(found, audiences_handler.lambda_handler)(event, context)


def a_user(mpid: int, *bought_days_ago: int) -> Profile:
    profile, now = Profile(PREMIUM, Environment.PRODUCTION, Mpid(mpid)), edge.milliseconds(edge.now())
    profile.identities = {Identity("email", f"{mpid}@example.com"): now}
    profile.seen[WORKSPACE] = Seen(now - 900 * DAY_MS, now)
    track = [
        Event(EventKind.CUSTOM, "buy", now - ago * DAY_MS, (mpid * 100 + place).to_bytes(8), WORKSPACE, InputId(INPUT))
        for place, ago in enumerate(bought_days_ago)
    ]
    profile.timeline[EventKind.CUSTOM, "buy"] = sorted(track, key=lambda event: event.at)
    return profile


def archive(stack: SimpleNamespace, *users: Profile) -> None:
    """Commit an archive of two shards."""
    version = stack.shards.manifest(PREMIUM).version + 1
    shards = []
    for number in range(2):
        kept = merged(EMPTY, [user for user in users if user.mpid % 2 == number])
        with TemporaryDirectory() as folder:
            write_kept(Path(folder), kept)
            files = stack.shards.upload(PREMIUM, f"made-{version}/{number}", Path(folder))
        first_at, last_at = kept.instants or (None, None)
        shards.append(
            ArchiveShard(
                number=number,
                folder=f"made-{version}/{number}",
                users=len(kept.mpids),
                events=kept.event_count,
                first_at=first_at,
                last_at=last_at,
                files=files,
            )
        )
    stack.shards.commit(PREMIUM, Manifest(version=version, count=2, shards=tuple(shards), committed_at=edge.now()))


def three_buyers(stack: SimpleNamespace) -> None:
    archive(stack, a_user(1, 400), a_user(2, 40, 41), a_user(3, 4), a_user(4, 200))


def a_draft(**given: Any) -> dict[str, Any]:
    defaults = {
        "name": "Buyers",
        "kind": "lifetime",
        "workspaces": [WORKSPACE],
        "inputs": [INPUT],
        "definition": definition(),
    }
    return defaults | given


def created(call: Caller, **given: Any) -> int:
    answer = call("POST", "/v1/audiences", a_draft(**given))
    assert answer.status == 201, answer.body
    return int(answer.body["id"])


def started(call: Caller, *audience_ids: int) -> Answer:
    return call("POST", CALCULATIONS, {"audience_ids": list(audience_ids)})


def run(stack: SimpleNamespace, calculation_id: str, token: int = 1) -> None:
    handlers = {
        "CalculateRunFunctionArn": run_handler.lambda_handler,
        "CalculateShardFunctionArn": shard_handler.lambda_handler,
    }
    given = a_sample("calculate_lifetime") | {"account_id": PREMIUM, "job_id": calculation_id, "token": token}
    Machine("calculate_lifetime", handlers).run(given, f"run-{token}")


def send(stack: SimpleNamespace, job_id: str) -> None:
    """Play the machine; partners acknowledge everything before each look at them."""

    def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
        if event["step"] == "watch":
            for connection in stack.outputs.list_connections(PREMIUM):
                told = {"subscription": SubscriptionState.ACTIVE}
                stack.outputs.save_connection(connection.model_copy(update=told))
                for lane in range(DELIVERY_BUCKETS):
                    stack.ledger.acknowledge(stack.ledger.dirty(PREMIUM, connection.connection_id, lane, 100))
        return send_handler.lambda_handler(event, context)

    given = a_sample("send_audience") | {"account_id": PREMIUM, "job_id": job_id}
    Machine("send_audience", {"SendAudienceFunctionArn": handler}).run(given, f"run-{job_id}")


def members(call: Caller, audience_id: int) -> list[str]:
    answer = call("GET", f"/v1/audiences/{audience_id}/members", limit=2)
    found = answer.body["items"]
    while answer.body["next"]:
        answer = call("GET", f"/v1/audiences/{audience_id}/members", limit=2, next=answer.body["next"])
        found += answer.body["items"]
    return sorted(each["mpid"] for each in found)


def days_ago(days: int) -> str:
    return (edge.now().date() - timedelta(days=days)).isoformat()


def premium_stack() -> SimpleNamespace:
    """To be handed to `opened` before each test."""
    stack = control_stack()
    stack.member_lists = DynamoMembershipStore(create_table("memberships"), create_table("member counts"), REGION)
    return stack


def opened(stack: SimpleNamespace) -> SimpleNamespace:
    """The stack as on its first day, with the account `PREMIUM` and an empty archive."""
    stores = emptied(stack)
    bucket = f"archive-{uuid4()}"
    boto3.client("s3", region_name=REGION).create_bucket(Bucket=bucket)
    stores.bucket, stores.memberships = bucket, stores.member_lists
    stores.shards, stores.results = S3ShardStore(bucket, REGION), S3ResultStore(bucket, REGION)
    stores.run_files = S3RunFiles(bucket, REGION)
    stores.archive, stores.wake_ups = S3Archive(bucket, REGION), MemoryWakeUpQueue()
    stores.identities, stores.profiles = MemoryIdentityStore(), MemoryProfileStore()
    account = an_account(account_id=PREMIUM, has_lifetime_audiences=True, lifetime_credits=3)
    stores.accounts.create(account)
    stores.workspaces.save(a_workspace(account_id=PREMIUM))
    stores.workspaces.save_input(an_input(account_id=PREMIUM, key="premium"))
    stores.outputs.save(an_output(account_id=PREMIUM))
    return stores
