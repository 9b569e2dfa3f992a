"""What every store of logos promises; of S3's also what its signed addresses let through."""

import uuid
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import requests

from audience_core.domain.ids import AccountId
from audience_core.domain.sharing_stores import LogoFiles
from audience_core.errors import NotFoundError
from audience_core.persistence.logo_files import S3LogoFiles
from audience_core.persistence.memory.sharing import MemoryLogoFiles

ACCOUNT, OTHER = AccountId(7), AccountId(8)


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"logos-{uuid.uuid4()}"
    boto3.client("s3", region_name=aws).create_bucket(Bucket=name)
    return name


@pytest.fixture(params=["s3", "memory"])
def store(request: pytest.FixtureRequest) -> LogoFiles:
    if request.param == "memory":
        return MemoryLogoFiles()
    return S3LogoFiles(request.getfixturevalue("bucket"), request.getfixturevalue("aws"))


def put(store: LogoFiles, account_id: AccountId, upload_id: str, content: bytes) -> None:
    upload = store.upload(account_id, upload_id, len(content))
    if isinstance(store, MemoryLogoFiles):
        store.files[f"{account_id}/{upload_id}"] = content
    else:
        answer = requests.put(upload.url, data=content, headers=dict(upload.headers), timeout=10)
        assert answer.status_code == 200, answer.text


def test_what_was_sent_is_read_by_its_account_up_to_the_limit(store: LogoFiles) -> None:
    put(store, ACCOUNT, "u-1", b"0123456789")

    assert store.sent(ACCOUNT, "u-1", 100) == store.sent(ACCOUNT, "u-1", 10) == b"0123456789"
    assert store.sent(ACCOUNT, "u-1", 4) == b"01234"
    with pytest.raises(NotFoundError):
        store.sent(OTHER, "u-1", 100)
    with pytest.raises(NotFoundError):
        store.sent(ACCOUNT, "u-2", 100)


def test_what_was_sent_can_be_forgotten(store: LogoFiles) -> None:
    put(store, ACCOUNT, "u-1", b"x")

    for _ in range(2):
        store.forget(ACCOUNT, "u-1")

    with pytest.raises(NotFoundError):
        store.sent(ACCOUNT, "u-1", 100)


def test_an_empty_file_is_empty(store: LogoFiles) -> None:
    put(store, ACCOUNT, "u-1", b"")

    assert store.sent(ACCOUNT, "u-1", 100) == b""


def test_checked_logos_are_kept_by_account_and_content(store: LogoFiles) -> None:
    key = store.keep(ACCOUNT, b"a logo")

    assert store.keep(ACCOUNT, b"a logo") == key
    assert len({key, store.keep(ACCOUNT, b"another"), store.keep(OTHER, b"a logo")}) == 3
    assert key in store.link(key, 60)


def test_a_logo_is_seen_at_its_link_as_an_image_whatever_it_is(bucket: str, aws: str) -> None:
    store = S3LogoFiles(bucket, aws)

    answer = requests.get(store.link(store.keep(ACCOUNT, b"a logo"), 60), timeout=10)

    assert (answer.content, answer.headers["Content-Type"]) == (b"a logo", "image/png")


def test_an_upload_is_signed_for_its_length_and_type_and_minutes(bucket: str, aws: str) -> None:
    upload = S3LogoFiles(bucket, aws).upload(ACCOUNT, "u-1", 123)

    query = parse_qs(urlsplit(upload.url).query)
    assert set(query["X-Amz-SignedHeaders"][0].split(";")) == {"content-length", "content-type", "host"}
    assert (query["X-Amz-Expires"], upload.seconds) == (["600"], 600)
    assert upload.headers == {"Content-Type": "image/png", "Content-Length": "123"}
