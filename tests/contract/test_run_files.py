"""What every store of run files promises."""

import json

import boto3
import pytest

from audience_core.domain.control_stores import RunFiles
from audience_core.errors import NotFoundError, UnavailableError
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
    assert stores[0].lines("jobs/7/backfill-1/1.jsonl") == LINES


def test_lines_are_read_as_they_were_written_and_files_found_by_how_their_names_begin(aws: str) -> None:
    boto3.client("s3", region_name=aws).create_bucket(Bucket="run-files-read")
    stores: list[RunFiles] = [MemoryRunFiles(), S3RunFiles("run-files-read", aws)]

    for store in stores:
        for name in ("jobs/7/b/2.jsonl", "jobs/7/b/1.jsonl", "jobs/7/c.jsonl"):
            store.put_lines(name, [{"text": "\udfff \u2028 é", "name": name}])

        assert store.lines("jobs/7/c.jsonl") == [{"text": "\udfff \u2028 é", "name": "jobs/7/c.jsonl"}]
        assert [json.loads(text) for text in store.texts("jobs/7/c.jsonl")] == store.lines("jobs/7/c.jsonl")
        assert store.names("jobs/7/b/") == ["jobs/7/b/1.jsonl", "jobs/7/b/2.jsonl"]
        with pytest.raises(NotFoundError):
            store.lines("jobs/7/d.jsonl")


def test_a_file_that_is_not_stored_is_an_error(aws: str) -> None:
    with pytest.raises(UnavailableError):
        S3RunFiles("no-such-bucket", aws).put_lines("a.jsonl", LINES)
    with pytest.raises(UnavailableError):
        S3RunFiles("no-such-bucket", aws).lines("a.jsonl")
    with pytest.raises(UnavailableError):
        S3RunFiles("no-such-bucket", aws).names("a")
