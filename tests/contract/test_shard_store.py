"""What every store of shards promises, and where S3 keeps them."""

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import boto3
import pytest

from audience_core.domain.archive import ArchiveShard, Manifest, ShardStore, erased_key, require_as_written
from audience_core.errors import DamagedShardError, NotFoundError, StaleVersionError, UnavailableError
from audience_core.persistence.memory.shards import MemoryShardStore
from audience_core.persistence.shards import S3ShardStore
from tests.support.control import ACCOUNT, NOW, OTHER_ACCOUNT

type Change = Callable[[str, bytes | None], None]


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"shards-{uuid4()}"
    boto3.client("s3", region_name=aws).create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["s3", "s3, in ranges", "memory"])
def store_and_change(request: pytest.FixtureRequest) -> tuple[ShardStore, Change]:
    """A store, and what replaces or deletes (None) a file of the folder "a/00000"."""
    if request.param == "memory":
        memory = MemoryShardStore()

        def change(name: str, content: bytes | None) -> None:
            files = memory.files[ACCOUNT, "a/00000"]
            files.pop(name) if content is None else files.update({name: content})

        return memory, change
    if request.param == "s3, in ranges":
        request.getfixturevalue("monkeypatch").setattr("audience_core.persistence.shards._RANGE", 2)
    bucket, region = request.getfixturevalue("bucket"), request.getfixturevalue("aws")
    client = boto3.client("s3", region_name=region)

    def change_object(name: str, content: bytes | None) -> None:
        key = f"shards/{ACCOUNT}/a/00000/{name}"
        if content is None:
            client.delete_object(Bucket=bucket, Key=key)
        else:
            client.put_object(Bucket=bucket, Key=key, Body=content)

    return S3ShardStore(bucket, region), change_object


@pytest.fixture
def store(store_and_change: tuple[ShardStore, Change]) -> ShardStore:
    return store_and_change[0]


def a_shard(store: ShardStore, folder: Path, number: int = 0) -> ArchiveShard:
    """A shard of two small files, stored."""
    folder.mkdir()
    (folder / "events.parquet").write_bytes(b"events")
    (folder / "ids.parquet").write_bytes(b"ids")
    name = f"a/{number:05d}"
    return ArchiveShard(
        number=number, folder=name, users=2, events=3, first_at=5, last_at=9, files=store.upload(ACCOUNT, name, folder)
    )


def test_an_archive_that_was_never_compacted_is_empty(store: ShardStore) -> None:
    assert store.manifest(ACCOUNT) == Manifest() == store.manifest(ACCOUNT, 0)


def test_the_latest_manifest_and_earlier_ones_are_found_in_their_account_alone(
    store: ShardStore, tmp_path: Path
) -> None:
    first = Manifest(version=1, count=2, shards=(a_shard(store, tmp_path / "a"),), committed_at=NOW, read_until=7)
    second = Manifest(version=2, erased={erased_key(-5): 8}, retired={"a/00000": 9})
    store.commit(ACCOUNT, first)
    store.commit(ACCOUNT, second)

    assert (store.manifest(ACCOUNT), store.manifest(ACCOUNT, 1)) == (second, first)
    assert store.manifest(OTHER_ACCOUNT).version == 0
    with pytest.raises(NotFoundError):
        store.manifest(ACCOUNT, 3)


def test_a_version_is_committed_once(store: ShardStore) -> None:
    store.commit(ACCOUNT, Manifest(version=1, read_until=1))

    with pytest.raises(StaleVersionError):
        store.commit(ACCOUNT, Manifest(version=1, read_until=2))

    assert store.manifest(ACCOUNT).read_until == 1


def test_files_come_back_as_they_were_written(store: ShardStore, tmp_path: Path) -> None:
    shard = a_shard(store, tmp_path / "a")
    (tmp_path / "b").mkdir()

    store.download(ACCOUNT, shard, ["events.parquet"], tmp_path / "b")

    assert [(each.name, each.read_bytes()) for each in (tmp_path / "b").iterdir()] == [("events.parquet", b"events")]


def test_a_file_is_fetched_as_it_was_written(store: ShardStore, tmp_path: Path) -> None:
    shard = a_shard(store, tmp_path / "a")

    read = [bytes(store.fetch(ACCOUNT, shard, name)) for name in ("events.parquet", "ids.parquet")]

    assert read == [b"events", b"ids"]


@pytest.mark.parametrize(
    ("content", "what"),
    [(None, "is missing"), *((each, "is not as it was written") for each in (b"evints", b"event", b"events.", b""))],
)
def test_a_damaged_file_is_named(
    store_and_change: tuple[ShardStore, Change], tmp_path: Path, content: bytes | None, what: str
) -> None:
    store, change = store_and_change
    shard = a_shard(store, tmp_path / "a")

    change("events.parquet", content)

    with pytest.raises(DamagedShardError, match=f"shard 0: a/00000/events.parquet {what}"):
        require_as_written(shard, "events.parquet", store.fetch(ACCOUNT, shard, "events.parquet"))
    with pytest.raises(DamagedShardError, match=what):
        store.download(ACCOUNT, shard, ["events.parquet"], tmp_path)


def test_folders_are_listed_and_removed(store: ShardStore, tmp_path: Path) -> None:
    a_shard(store, tmp_path / "a", 0)
    a_shard(store, tmp_path / "b", 1)

    assert store.folders(ACCOUNT) == {"a/00000", "a/00001"}
    for _ in range(2):
        store.remove(ACCOUNT, "a/00000")
    assert store.folders(ACCOUNT) == {"a/00001"}
    assert store.folders(OTHER_ACCOUNT) == frozenset()


def test_athena_is_pointed_at_the_files_of_the_latest_commit(bucket: str, aws: str, tmp_path: Path) -> None:
    store = S3ShardStore(bucket, aws)
    shards = [a_shard(store, tmp_path / name, number) for number, name in enumerate("ab")]
    store.commit(ACCOUNT, Manifest(version=1, shards=(shards[0],)))
    store.commit(ACCOUNT, Manifest(version=2, shards=tuple(shards)))

    stored = boto3.client("s3", region_name=aws).get_object(Bucket=bucket, Key=f"athena/events/{ACCOUNT}/symlink.txt")

    folder = f"s3://{bucket}/shards/{ACCOUNT}/a"
    assert stored["Body"].read().decode().splitlines() == [
        f"{folder}/00000/events.parquet",
        f"{folder}/00001/events.parquet",
    ]


def test_a_store_that_does_not_answer_is_an_error(aws: str, tmp_path: Path) -> None:
    store = S3ShardStore("no-such-bucket", aws)

    for call in (
        lambda: store.manifest(ACCOUNT),
        lambda: store.manifest(ACCOUNT, 2),
        lambda: store.commit(ACCOUNT, Manifest(version=1)),
        lambda: a_shard(store, tmp_path / "a"),
    ):
        with pytest.raises(UnavailableError):
            call()
