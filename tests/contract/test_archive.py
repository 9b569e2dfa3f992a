"""What every archive promises, and where S3 keeps it."""

import gzip
from collections.abc import Callable
from uuid import uuid4

import boto3
import pytest

from audience_core.domain.event import Source
from audience_core.domain.ids import AccountId
from audience_core.domain.messages import AcceptedBatch
from audience_core.domain.stores import Archive
from audience_core.errors import UnavailableError
from audience_core.persistence.archive import S3Archive
from audience_core.persistence.memory.ingest import MemoryArchive
from audience_core.persistence.queues import decode
from tests.support.batches import SOURCE, accepted

type Kept = Callable[[], list[AcceptedBatch]]

NOVEMBER_23 = 1_795_478_399_999  # the last millisecond of the day
FIRST = accepted({"mpid": 5}, batch_id="r-1", received_at=NOVEMBER_23)
SECOND = accepted({"mpid": 6}, batch_id="r-2", received_at=NOVEMBER_23)


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"archive-{uuid4()}"
    boto3.client("s3", region_name=aws).create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["s3", "memory"])
def archive_and_kept(request: pytest.FixtureRequest) -> tuple[Archive, Kept]:
    if request.param == "memory":
        memory = MemoryArchive()
        return memory, lambda: memory.batches
    bucket, region = request.getfixturevalue("bucket"), request.getfixturevalue("aws")
    return S3Archive(bucket, region), lambda: [each for batches in objects(bucket, region).values() for each in batches]


def objects(bucket: str, region: str) -> dict[str, list[AcceptedBatch]]:
    """Key -> batches."""
    client = boto3.client("s3", region_name=region)
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=bucket).get("Contents", [])]
    found: dict[str, list[AcceptedBatch]] = {}
    for key in keys:
        lines = gzip.decompress(client.get_object(Bucket=bucket, Key=key)["Body"].read()).decode().splitlines()
        found[key] = [message for line in lines if isinstance(message := decode(line), AcceptedBatch)]
    return found


def test_batches_are_kept_as_they_were_accepted(archive_and_kept: tuple[Archive, Kept]) -> None:
    archive, kept = archive_and_kept

    archive.put([FIRST, SECOND])

    assert sorted(kept(), key=lambda batch: batch.batch_id) == [FIRST, SECOND]


def test_the_same_call_twice_keeps_batches_once(archive_and_kept: tuple[Archive, Kept]) -> None:
    archive, kept = archive_and_kept

    archive.put([FIRST, SECOND])
    archive.put([SECOND, FIRST])

    assert len(kept()) == 2


def test_nothing_is_kept_of_nothing(archive_and_kept: tuple[Archive, Kept]) -> None:
    archive, kept = archive_and_kept

    archive.put([])

    assert kept() == []


def test_an_object_holds_one_account_environment_and_day(bucket: str, aws: str) -> None:
    other_account = Source(AccountId(8), SOURCE.workspace_id, SOURCE.input_id)
    batches = [
        FIRST,
        SECOND,
        accepted({"environment": "development"}, batch_id="r-3", received_at=NOVEMBER_23),
        accepted({}, batch_id="r-4", received_at=NOVEMBER_23 + 1),
        accepted({}, batch_id="r-5", received_at=NOVEMBER_23, source=other_account),
    ]

    S3Archive(bucket, aws).put(batches)

    by_folder = {
        key.rpartition("/")[0]: {batch.batch_id for batch in held} for key, held in objects(bucket, aws).items()
    }
    assert by_folder == {
        "raw/7/production/2026-11-23": {"r-1", "r-2"},
        "raw/7/development/2026-11-23": {"r-3"},
        "raw/7/production/2026-11-24": {"r-4"},
        "raw/8/production/2026-11-23": {"r-5"},
    }
    assert all(key.endswith(".jsonl.gz") for key in objects(bucket, aws))


def test_an_archive_that_does_not_answer_is_an_error(aws: str) -> None:
    with pytest.raises(UnavailableError):
        S3Archive("no-such-bucket", aws).put([FIRST])
