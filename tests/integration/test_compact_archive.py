"""The archive from the queue to its shards, through the real handlers and the state machine, over AWS in memory."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from uuid import uuid4

import boto3
import duckdb
import pytest

from audience_core import clock, wiring, wiring_archive
from audience_core.domain.account import Account
from audience_core.domain.ids import DAY_MS
from audience_core.domain.job import JobState
from audience_core.domain.messages import AcceptedBatch
from audience_core.persistence.accounts import DynamoAccountStore
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.jobs import DynamoJobStore
from audience_core.persistence.memory.control import MemoryWorkflows
from audience_core.persistence.run_files import S3RunFiles
from audience_core.persistence.shards import S3ShardStore
from audience_core.pipeline.process import process
from functions.compact_part import handler as part
from functions.compact_run import handler as run
from functions.start_compactions import handler as start
from local.templates import read_template
from tests.support.control_stack import create_table
from tests.support.http_api import a_context, a_sample
from tests.support.machines import Machine, MachineFailedError
from tests.support.population import ACCOUNT, NOW, SOURCE, Population, a_batch, custom_event


class Stack:
    """An account in memory whose archive is in AWS."""

    def __init__(self, region: str) -> None:
        self.bucket = f"archive-{uuid4()}"
        boto3.client("s3", region_name=region).create_bucket(Bucket=self.bucket)
        self.population = Population()
        self.population.archive = S3Archive(self.bucket, region)  # type: ignore[assignment]  # as in production
        self.stores = SimpleNamespace(
            accounts=DynamoAccountStore(create_table("accounts"), region),
            archive=self.population.archive,
            shards=S3ShardStore(self.bucket, region),
            jobs=DynamoJobStore(create_table("jobs"), region),
            run_files=S3RunFiles(self.bucket, region),
            workflows=MemoryWorkflows(),
        )
        self.stores.accounts.create(Account(account_id=ACCOUNT, name="Shop"))

    def view(self, number: int, customer: str, days_ago: int = 0, is_historical: bool = False, **more: float) -> None:
        event = custom_event("view", NOW - days_ago * DAY_MS, f"m-{number}", price=number, **more)
        batch = a_batch(number, customer, events=[event])
        message = AcceptedBatch(SOURCE, batch.batch_id, NOW, batch.body, is_historical)
        process(self.population.pipeline(), [message], run_now())

    def compact(self, name: str = "run") -> Machine:
        handlers = {"CompactRunFunctionArn": run.lambda_handler, "CompactPartFunctionArn": part.lambda_handler}
        machine = Machine("compact_archive", handlers)
        machine.run(a_sample("compact_archive"), name)
        return machine

    def files_of_athena(self, table: str, folder: Path) -> list[str]:
        """Local copies of the files that a table of Athena's consists of."""
        client = boto3.client("s3", region_name="us-east-1")
        listed = client.get_object(Bucket=self.bucket, Key=f"athena/{table}/{ACCOUNT}/symlink.txt")["Body"].read()
        copies = []
        for place, address in enumerate(listed.decode().splitlines()):
            shard = folder / str(place)
            shard.mkdir(exist_ok=True)
            copies.append(str(shard / f"{table}.parquet"))
            client.download_file(self.bucket, address.removeprefix(f"s3://{self.bucket}/"), copies[-1])
        return copies


def run_now() -> int:
    """Compaction reads the archive as of the clock."""
    return clock.now_ms()


@pytest.fixture
def stack(aws: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    stack = Stack(aws)
    monkeypatch.setattr(wiring, "stores", lambda: stack.stores)
    wiring_archive.compaction.cache_clear()
    yield stack
    wiring_archive.compaction.cache_clear()


def test_batches_of_today_and_of_the_past_are_in_the_shards_after_a_run(stack: Stack) -> None:
    stack.view(1, "c-1")
    stack.view(2, "c-2", days_ago=900, is_historical=True)

    machine = stack.compact()

    manifest = stack.stores.shards.manifest(ACCOUNT)
    assert (manifest.version, manifest.events, manifest.first_at) == (1, 2, NOW - 900 * DAY_MS)
    (job,) = stack.stores.jobs.list(ACCOUNT)
    assert (job.job_id, job.state) == ("compaction-1", JobState.SUCCEEDED)
    assert machine.visited[-1] == "NothingToDo"
    assert {(each.name, each.progress, each.looked_at) for each in stack.stores.jobs.parts(ACCOUNT, job.job_id)} == {
        ("00000", 1.0, 2)
    }


def test_a_second_run_adds_what_came_since(stack: Stack) -> None:
    stack.view(1, "c-1")
    stack.compact()
    stack.view(2, "c-1")
    stack.view(1, "c-1")

    stack.compact("another run")

    manifest = stack.stores.shards.manifest(ACCOUNT)
    assert (manifest.version, manifest.events, [shard.users for shard in manifest.shards]) == (2, 2, [1])


def test_athena_and_other_engines_read_what_was_sent(stack: Stack, tmp_path: Path) -> None:
    for number, customer in enumerate(["c-1", "c-1", "c-2"], 1):
        stack.view(number, customer, weight=number / 4)
    stack.compact()

    events, users = (stack.files_of_athena(table, tmp_path) for table in ("events", "users"))
    query = f"""
        SELECT mpid, count(*), sum("number:price") / 1000000, sum("number:weight") / 1000000
        FROM read_parquet({events}) JOIN (
            SELECT mpid, row_number() OVER (ORDER BY mpid) - 1 AS "user" FROM read_parquet({users}) WHERE kind = 'mpid'
        ) USING ("user")
        WHERE kind = 'custom_event' AND name = 'view' AND "at" = {NOW} GROUP BY 1
    """
    found = duckdb.connect().execute(query).fetchall()

    mpids = {each.mpid: identity.value for each in stack.population.everybody() for identity in each.identities}
    assert {(mpids[mpid], *rest) for mpid, *rest in found} == {("c-1", 2, 3, 0.75), ("c-2", 1, 3, 0.75)}


def documented_query() -> str:
    """The one that the docs give for Athena."""
    section = Path("docs/archive-layout.md").read_text().split("## Athena")[1]
    return section.split("```sql\n")[1].split("```")[0].strip().removesuffix(";")


def test_the_documented_query_finds_the_users_of_every_shard(
    stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = replace(wiring_archive.compaction(), max_shard_events=2)
    monkeypatch.setattr(wiring_archive, "compaction", cache(lambda: small))
    customers = ["c-1", "c-2", "c-1", "c-3", "c-1", "c-4", "c-3"]
    for number, customer in enumerate(customers, 1):
        stack.view(number, customer)
    stack.compact()
    stack.view(8, "c-2")
    stack.compact("another run")
    database, shards = duckdb.connect(), stack.stores.shards.manifest(ACCOUNT).shards
    for table in ("events", "users"):
        # What Athena knows of itself: the path of each file, and the account that the list of files is of.
        database.execute(
            f"""CREATE VIEW {table} AS SELECT *, filename AS "$path", '{ACCOUNT}' AS account_id
                FROM read_parquet({stack.files_of_athena(table, tmp_path)}, filename = true, union_by_name = true)"""
        )

    found = database.execute(documented_query()).fetchall()

    mpids = {each.mpid: identity.value for each in stack.population.everybody() for identity in each.identities}
    assert {mpids[mpid]: views for mpid, views in found} == Counter([*customers, "c-2"])
    assert len(found) == 4
    assert len(shards) > 1


def test_the_tables_of_athena_have_the_columns_of_the_files(stack: Stack, tmp_path: Path) -> None:
    stack.view(1, "c-1")
    stack.compact()
    types = {"string": "VARCHAR", "int": "INTEGER", "bigint": "BIGINT"}
    resources = read_template(Path("template.yaml"))["Resources"]

    for table in ("events", "users"):
        stored = resources[f"Archive{table.title()}Table"]["Properties"]["TableInput"]["StorageDescriptor"]["Columns"]
        (file,) = stack.files_of_athena(table, tmp_path)
        found = duckdb.connect().execute(f"DESCRIBE SELECT * FROM read_parquet('{file}')").fetchall()
        held = {name: kind for name, kind, *_ in found}
        declared = {each["Name"]: types[each["Type"]] for each in stored}
        # No user of this shard has an attribute.
        assert declared.keys() - held.keys() == ({"rest"} if table == "events" else {"workspace"})
        assert all(held[name] == kind for name, kind in declared.items() if name in held)


def test_a_damaged_shard_ends_the_run_in_an_explained_state(stack: Stack) -> None:
    stack.view(1, "c-1")
    stack.compact()
    (shard,) = stack.stores.shards.manifest(ACCOUNT).shards
    key = f"shards/{ACCOUNT}/{shard.folder}/states.parquet"
    boto3.client("s3", region_name="us-east-1").delete_object(Bucket=stack.bucket, Key=key)
    stack.view(2, "c-1")

    with pytest.raises(MachineFailedError, match=r"states.parquet is missing"):
        stack.compact("another run")

    job = stack.stores.jobs.get(ACCOUNT, "compaction-2")
    assert job.state is JobState.FAILED
    assert f"shard 0: {shard.folder}/states.parquet is missing" in job.error
    assert stack.stores.shards.manifest(ACCOUNT).version == 1


def test_every_night_each_accounts_archive_is_compacted(stack: Stack) -> None:
    stack.stores.accounts.create(Account(account_id=type(ACCOUNT)(8), name="Other"))

    all_of_them = start.lambda_handler({}, a_context())
    one = start.lambda_handler(a_sample("start_compactions"), a_context())

    assert (all_of_them["started"], one["started"]) == (2, 1)
    assert all(each.startswith(("compact-7-", "compact-8-")) for each in stack.stores.workflows.started)
