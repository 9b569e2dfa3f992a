"""What every store of export files promises."""

import urllib.parse
import uuid
from collections.abc import Callable

import boto3
import pytest
import requests
from botocore.exceptions import ClientError

from audience_core.domain.export_stores import ExportFiles
from audience_core.errors import NotFoundError, UnavailableError
from audience_core.persistence.export_files import S3ExportFiles
from audience_core.persistence.memory.exports import MemoryExportFiles

MEGABYTE = 1024 * 1024


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> ExportFiles:
    if request.param == "memory":
        return MemoryExportFiles()
    region: str = request.getfixturevalue("aws")
    return S3ExportFiles(a_bucket(region), region, part_bytes=5 * MEGABYTE)


def a_bucket(region: str) -> str:
    name = f"exports-{uuid.uuid4()}"
    boto3.client("s3", region_name=region).create_bucket(Bucket=name)
    return name


def interrupted(store: ExportFiles, key: str, interrupt: Callable[[], object]) -> None:
    with store.create(key) as sink:
        sink.write(b"x" * 6 * MEGABYTE)
        interrupt()


def fail() -> None:
    raise LookupError


def content(store: ExportFiles, key: str) -> bytes:
    return b"".join(store.read(key))


def test_a_file_is_read_as_it_was_put(store: ExportFiles) -> None:
    store.put("7/a/0001/pieces/0.csv", b"one")
    store.put("7/a/0001/pieces/0.csv", b"two")

    assert (content(store, "7/a/0001/pieces/0.csv"), store.size("7/a/0001/pieces/0.csv")) == (b"two", 3)


def test_what_is_not_there_has_no_size_and_cannot_be_read(store: ExportFiles) -> None:
    assert store.size("7/none") is None
    with pytest.raises(NotFoundError):
        content(store, "7/none")


@pytest.mark.parametrize("sizes", [(), (3,), (4 * MEGABYTE, 4 * MEGABYTE, 5 * MEGABYTE, 1), (11 * MEGABYTE,)])
def test_a_file_of_any_size_is_created_bit_by_bit(store: ExportFiles, sizes: tuple[int, ...]) -> None:
    bits = [bytes([number]) * size for number, size in enumerate(sizes)]

    with store.create("7/a.zip") as sink:
        assert store.size("7/a.zip") is None
        assert [sink.write(bit) for bit in bits] == list(sizes)
        sink.flush()

    assert content(store, "7/a.zip") == b"".join(bits)


def test_nothing_is_left_of_a_file_that_failed(store: ExportFiles) -> None:
    with pytest.raises(LookupError):
        interrupted(store, "7/a.zip", fail)

    assert store.size("7/a.zip") is None
    assert open_uploads(store) == 0


def test_a_file_that_was_given_up_is_never_there(store: ExportFiles) -> None:
    with store.create("7/b/a.zip") as other:
        # AWS answers NoSuchUpload; the AWS in memory does not know the upload either.
        with pytest.raises((NotFoundError, ClientError, KeyError)):
            interrupted(store, "7/a/a.zip", lambda: store.give_up("7/a/"))
        store.give_up("7/a/")
        other.write(b"other")

    assert (store.size("7/a/a.zip"), store.size("7/b/a.zip"), open_uploads(store)) == (None, 5, 0)


def test_files_below_a_folder_are_listed_in_order_and_deleted(store: ExportFiles) -> None:
    keys = [f"7/a/0001/{number:04d}" for number in range(20)]
    for key in [*keys, "7/a/0010/x", "7/ab/x"]:
        store.put(key, b"")

    assert list(store.below("7/a/0001/")) == keys
    store.delete(store.below("7/a/"))
    store.delete(["7/a/0010/x"])
    store.delete(())

    assert list(store.below("7/")) == ["7/ab/x"]


def test_a_file_that_cannot_be_stored_is_an_error(aws: str) -> None:
    with pytest.raises(UnavailableError):
        S3ExportFiles("no-such-bucket", aws).put("7/a", b"")


def test_a_link_brings_the_file_for_a_while_under_its_name(aws: str) -> None:
    store = S3ExportFiles(a_bucket(aws), aws)
    store.put("7/a.zip", b"archive")

    link = store.link("7/a.zip", "Audiences_101500Nov232026_3f2a.zip", 300)

    asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(link).query))
    assert (asked["X-Amz-Algorithm"], asked["X-Amz-Expires"]) == ("AWS4-HMAC-SHA256", "300")
    answer = requests.get(link, timeout=30)
    assert answer.content == b"archive"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="Audiences_101500Nov232026_3f2a.zip"'


def open_uploads(store: ExportFiles) -> int:
    if isinstance(store, MemoryExportFiles):
        return len(store.open)
    assert isinstance(store, S3ExportFiles)
    listed = boto3.client("s3", region_name="us-east-1").list_multipart_uploads(Bucket=store._bucket)
    return len(listed.get("Uploads", ()))
