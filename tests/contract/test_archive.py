"""What every archive promises, and where S3 keeps it."""

from uuid import uuid4

import boto3
import pytest

from audience_core.domain.archive import Archive, ArchiveEntry, Erasure, OwnedBatch, RawArchive
from audience_core.domain.event import Environment, Identity, Source
from audience_core.domain.ids import AccountId, Mpid
from audience_core.domain.messages import AcceptedBatch, Release
from audience_core.errors import UnavailableError
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.memory.ingest import MemoryArchive
from tests.support.batches import SOURCE, accepted

MINUTE = 60_000
NOVEMBER_23 = 1_795_478_399_999  # the last millisecond of the day
EMAIL = Identity("email", "a@b.co")


def owned(batch: AcceptedBatch, mpid: int = 5, *granted: Identity) -> OwnedBatch:
    return OwnedBatch(batch, Mpid(mpid), granted)


FIRST = owned(accepted({"mpid": 5}, batch_id="r-1", received_at=NOVEMBER_23), 5, EMAIL)
SECOND = owned(accepted({"mpid": "\udfff"}, batch_id="r-2", received_at=NOVEMBER_23), -(2**63))
RELEASE = Release(SOURCE.account_id, Environment.PRODUCTION, Mpid(5), EMAIL, NOVEMBER_23)
ERASURE = Erasure(SOURCE.account_id, Environment.PRODUCTION, Mpid(5), NOVEMBER_23)


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"archive-{uuid4()}"
    boto3.client("s3", region_name=aws).create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["s3", "memory"])
def archive(request: pytest.FixtureRequest) -> S3Archive | MemoryArchive:
    if request.param == "memory":
        return MemoryArchive()
    return S3Archive(request.getfixturevalue("bucket"), request.getfixturevalue("aws"))


def kept(archive: RawArchive, since_ms: int = 0) -> list[ArchiveEntry]:
    files = archive.files(SOURCE.account_id, since_ms)
    return [entry for file in files for entry in archive.entries(file.name)]


def objects(bucket: str, region: str) -> dict[str, list[ArchiveEntry]]:
    """Key -> entries."""
    client = boto3.client("s3", region_name=region)
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    return {key: S3Archive(bucket, region).entries(key) for key in keys}


def test_entries_are_kept_as_they_were_put(archive: S3Archive | MemoryArchive) -> None:
    entries: list[ArchiveEntry] = [FIRST, SECOND, RELEASE, ERASURE]

    archive.put(entries, NOVEMBER_23)

    assert sorted(kept(archive), key=repr) == sorted(entries, key=repr)


def test_the_same_call_twice_keeps_entries_once(archive: S3Archive | MemoryArchive) -> None:
    archive.put([FIRST, SECOND], NOVEMBER_23)
    archive.put([SECOND, FIRST], NOVEMBER_23)

    assert len(kept(archive)) == 2


def test_nothing_is_kept_of_nothing(archive: S3Archive | MemoryArchive) -> None:
    archive.put([], NOVEMBER_23)

    assert kept(archive) == []


def test_files_since_an_instant_are_found_to_the_minute(archive: S3Archive | MemoryArchive) -> None:
    archive.put([FIRST], NOVEMBER_23 - MINUTE)
    archive.put([SECOND], NOVEMBER_23)
    archive.put([RELEASE], NOVEMBER_23 + 1)

    assert kept(archive, NOVEMBER_23 - MINUTE) == [FIRST, SECOND, RELEASE]
    assert kept(archive, NOVEMBER_23) == [SECOND, RELEASE]
    assert kept(archive, NOVEMBER_23 + 1) == [RELEASE]
    assert kept(archive, NOVEMBER_23 + 2 * MINUTE) == []


def test_files_are_of_production_and_the_account_alone(archive: Archive) -> None:
    other = Source(AccountId(77), SOURCE.workspace_id, SOURCE.input_id)
    development = accepted({"environment": "development"})
    archive.put([owned(development), owned(accepted({}, source=other)), FIRST], NOVEMBER_23)

    assert isinstance(archive, S3Archive | MemoryArchive)
    assert kept(archive) == [FIRST]


def test_erasures_are_known_of_production_and_the_account_alone_the_latest_of_each(
    archive: S3Archive | MemoryArchive,
) -> None:
    def erasure(mpid: int, at: int, environment: Environment = Environment.PRODUCTION) -> Erasure:
        return Erasure(SOURCE.account_id, environment, Mpid(mpid), at)

    others = Erasure(AccountId(77), Environment.PRODUCTION, Mpid(9), 1)
    archive.put([FIRST, erasure(-5, 10), erasure(-5, 9), erasure(6, 7)], NOVEMBER_23)
    archive.put([erasure(8, 1, Environment.DEVELOPMENT), others], NOVEMBER_23)

    assert archive.erased(SOURCE.account_id) == {Mpid(-5): 10, Mpid(6): 7}


def test_an_object_holds_one_account_environment_and_minute(bucket: str, aws: str) -> None:
    other_account = Source(AccountId(8), SOURCE.workspace_id, SOURCE.input_id)
    development = owned(accepted({"environment": "development"}, batch_id="r-3"))
    others = owned(accepted({}, batch_id="r-5", source=other_account))

    S3Archive(bucket, aws).put([FIRST, SECOND, development, others], NOVEMBER_23)
    S3Archive(bucket, aws).put([ERASURE], NOVEMBER_23 + 1)

    raw = {key: held for key, held in objects(bucket, aws).items() if key.startswith("raw/")}
    by_minute = {key.rpartition("-")[0]: set(map(repr, held)) for key, held in raw.items()}
    assert by_minute == {
        "raw/7/production/2026-11-23/2359": {repr(FIRST), repr(SECOND)},
        "raw/7/development/2026-11-23/2359": {repr(development)},
        "raw/7/production/2026-11-24/0000": {repr(ERASURE)},
        "raw/8/production/2026-11-23/2359": {repr(others)},
    }
    assert all(key.endswith(".jsonl.gz") for key in raw)
    assert objects(bucket, aws).keys() - raw.keys() == {f"erasures/7/production/5.{NOVEMBER_23}"}


def test_an_archive_that_does_not_answer_is_an_error(aws: str) -> None:
    archive = S3Archive("no-such-bucket", aws)

    with pytest.raises(UnavailableError):
        archive.put([FIRST], NOVEMBER_23)
    with pytest.raises(UnavailableError):
        archive.files(SOURCE.account_id, 0)
    with pytest.raises(UnavailableError):
        archive.entries("raw/none")
    with pytest.raises(UnavailableError):
        archive.erased(SOURCE.account_id)
