"""What every store of run files promises."""

import json

import boto3
import pytest

from audience_core.domain.control_stores import RunFiles
from audience_core.errors import UnavailableError
from audience_core.persistence.memory.jobs import MemoryRunFiles
from audience_core.persistence.run_files import S3RunFiles

LINES = [{"first": 0, "last": 15}, {"first": 16, "last": 31}]


def test_a_file_has_an_object_a_line(aws: str) -> None:
    boto3.client("s3", region_name=aws).create_bucket(Bucket="run-files")
    stores: list[RunFiles] = [MemoryRunFiles(), S3RunFiles("run-files", aws)]

    buckets = [store.put_lines("jobs/7/backfill-1/1.jsonl", LINES) for store in stores]

    assert buckets == ["memory", "run-files"]
    stored = boto3.client("s3", region_name=aws).get_object(Bucket="run-files", Key="jobs/7/backfill-1/1.jsonl")
    assert [json.loads(line) for line in stored["Body"].read().splitlines()] == LINES
    assert stores[0].files["jobs/7/backfill-1/1.jsonl"] == LINES  # type: ignore[attr-defined]  # the memory twin's


def test_a_file_that_is_not_stored_is_an_error(aws: str) -> None:
    with pytest.raises(UnavailableError):
        S3RunFiles("no-such-bucket", aws).put_lines("a.jsonl", LINES)
