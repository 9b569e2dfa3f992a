"""Lifetime audiences over the whole Online Retail data set, on the local stack: import, compaction, calculation.

The file comes in through `audiences import --historical`; then the real state machine calculates twenty audiences.
Their members must be those of SQL over the file itself and of the naive oracle over what the archive holds.

    python -m benchmarks.lifetime FILE
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from audience_core.domain.archive import FILES, Manifest
from audience_core.domain.audience import Audience
from audience_core.domain.definition import Definition
from audience_core.domain.ids import AccountId, AudienceId, InputId, Mpid, WorkspaceId
from audience_core.domain.profile import Profile
from audience_core.evaluation.columnar.kept import profiles_of, read_kept
from audience_core.persistence.shards import S3ShardStore
from benchmarks import retail
from benchmarks.retail import QUESTIONS, Question
from local.aws import ACCESS_KEY
from local.stack import Stack, ensure_stack
from tests.support.partners import a_partner
from tests.support.shop import Json, Shop

ROOT = Path(__file__).parents[1]
MAPPING = ROOT / "docs" / "examples" / "online-retail.mapping.toml"
PATIENCE_S = 900.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path)
    arguments = parser.parse_args()
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores; load {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder, ensure_stack(Path(folder)) as stack, a_partner() as partner:
        shop = Shop(stack, partner, has_lifetime_audiences=True, lifetime_credits=100)
        with timed("import"):
            events = imported(shop, arguments.file, Path(folder))
        with timed("processing and compaction"):
            compacted(shop, events)
        told = shop.get("/v1/archive")
        print(f"{told['events']:,} events of {told['users']:,} users in {told['shards']} shards")
        ids = [drafted(shop, each) for each in QUESTIONS]
        calculate(shop, ids[:1], "one audience, with cold functions")
        job = calculate(shop, ids, f"{len(ids)} audiences")
        check(stack, shop, arguments.file, ids, job)
        shop.close()


@contextmanager
def timed(what: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - began:.1f} s", flush=True)


def imported(shop: Shop, file: Path, folder: Path) -> int:
    """How many events there are."""
    key, secret = shop.credential
    program = Path(sys.executable).parent / "audiences"
    command = [str(program), "import", str(file), "--mapping", str(MAPPING), "--historical"]
    own = {"AUDIENCES_URL": shop.stack.outputs["ApiUrl"], "AUDIENCES_INPUT_KEY": key, "AUDIENCES_INPUT_SECRET": secret}
    options = ["--resume-file", str(folder / "resume.json"), "--concurrency", "8", "--json"]
    done = subprocess.run(
        [*command, *options],
        env={**os.environ, **own},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode or not done.stdout.startswith("{"):
        raise SystemExit(f"{done.returncode}: {done.stdout} {done.stderr}")
    summary = json.loads(done.stdout)
    print(", ".join(f"{name} {summary[name]:,}" for name in ("rows", "events", "batches", "requests")))
    return int(summary["events"])


def compacted(shop: Shop, events: int) -> None:
    """Compact until the archive holds so many events, as the nights do."""
    until(lambda: waiting(shop) == 0)
    while shop.get("/v1/archive")["events"] != events:
        until(partial(is_over, shop, shop.post("/v1/archive/compactions")["run"]))


def waiting(shop: Shop) -> int:
    names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"]
    queue = shop.stack.outputs["EventsQueueUrl"]
    found = shop.stack.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=names)["Attributes"]
    return sum(int(found[name]) for name in names)


def is_over(shop: Shop, run: str) -> bool:
    client = shop.stack.client("stepfunctions")
    machines = client.list_state_machines()["stateMachines"]
    (arn,) = [each["stateMachineArn"] for each in machines if "CompactArchive" in each["name"]]
    execution = f"{arn.replace(':stateMachine:', ':execution:')}:{run}"
    return bool(client.describe_execution(executionArn=execution)["status"] != "RUNNING")


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE_S
    while not holds():
        if time.monotonic() > end:
            raise SystemExit("it did not come about in time")
        time.sleep(0.2)


def drafted(shop: Shop, question: Question) -> int:
    body = {
        "name": question.name,
        "kind": "lifetime",
        "workspaces": [shop.workspace],
        "inputs": [shop.input["id"]],
        "date_range": question.days.model_dump(mode="json"),
        "definition": {"root": question.root.model_dump(mode="json")},
    }
    return int(shop.post("/v1/audiences", body)["id"])


def calculate(shop: Shop, ids: Sequence[int], what: str) -> Json:
    began = time.perf_counter()
    started = shop.post("/v1/lifetime-calculations", {"audience_ids": list(ids)})
    until(lambda: shop.get(f"/v1/jobs/{started['id']}")["state"] in ("succeeded", "failed"))
    job = shop.get(f"/v1/lifetime-calculations/{started['id']}")
    print(f"{what}: {job['state']} after {time.perf_counter() - began:.1f} s", flush=True)
    return job


def check(stack: Stack, shop: Shop, file: Path, ids: Sequence[int], job: Json) -> None:
    at = int(datetime.fromisoformat(job["at"]).timestamp() * 1000)
    found = {
        question.name: {Mpid(int(each)) for each in shop.members(audience_id)}
        for audience_id, question in zip(ids, QUESTIONS, strict=True)
    }
    retail.compare(str(file), found, population(stack, shop.account_id), a_reader(shop), at)


def population(stack: Stack, account_id: AccountId) -> dict[Mpid, Profile]:
    """What the archive holds, user by user."""
    found: dict[Mpid, Profile] = {}
    with pointed_at(stack):
        store = S3ShardStore(stack.outputs["ArchiveBucketName"], "us-east-1")
        manifest: Manifest = store.manifest(account_id)
        for shard in manifest.shards:
            with tempfile.TemporaryDirectory() as folder:
                store.download(account_id, shard, FILES, Path(folder))
                kept = read_kept(Path(folder))
            found |= profiles_of(kept, account_id, [Mpid(each) for each in kept.mpids.tolist()])
    return found


@contextmanager
def pointed_at(stack: Stack) -> Iterator[None]:
    """Clients that are made meanwhile speak to this stack."""
    own = {"AWS_ENDPOINT_URL": stack.endpoint, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": ACCESS_KEY}
    before = dict(os.environ)
    os.environ.update(own)
    yield
    os.environ.clear()
    os.environ.update(before)


def a_reader(shop: Shop) -> Audience:
    now = datetime.now(UTC)
    return Audience(
        account_id=shop.account_id,
        audience_id=AudienceId(1),
        name="Reader",
        workspaces=(WorkspaceId(shop.workspace),),
        inputs=(InputId(shop.input["id"]),),
        definition=Definition(root=QUESTIONS[0].root),
        created_by="benchmark",
        created_at=now,
        updated_at=now,
    )


if __name__ == "__main__":
    main()
