"""Files of exports in S3: pieces in one request, archives by multipart upload, downloads by presigned address."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from itertools import batched
from typing import Any

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audience_core.errors import NotFoundError, UnavailableError
from audience_core.persistence.clients import client

# A multipart upload has at most 10,000 parts, so an archive at most 160 GB; each but the last needs 5 MB.
PART_BYTES = 16 * 1024 * 1024
_CHUNK_BYTES = 1024 * 1024
_DELETE_AT_ONCE = 1000
_ABSENT = {"404", "NoSuchKey"}


class S3ExportFiles:
    def __init__(self, bucket: str, region: str | None = None, part_bytes: int = PART_BYTES) -> None:
        self._bucket, self._region, self._part_bytes = bucket, region, part_bytes

    @cached_property
    def _client(self) -> Any:
        # Presigned addresses are regional only in this style, and keep their time only with this signature.
        config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
        return client("s3", self._region, config)

    def put(self, key: str, content: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of exports does not answer") from error

    def read(self, key: str) -> Iterator[bytes]:
        try:
            body = self._client.get_object(Bucket=self._bucket, Key=key)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                raise NotFoundError("a file of the export is gone") from error
            raise
        return iter(body.iter_chunks(_CHUNK_BYTES))

    @contextmanager
    def create(self, key: str) -> Iterator["S3Sink"]:
        upload = self._client.create_multipart_upload(Bucket=self._bucket, Key=key, ContentType="application/zip")
        address = {"Bucket": self._bucket, "Key": key, "UploadId": upload["UploadId"]}
        try:
            sink = S3Sink(self._client, address, self._part_bytes)
            yield sink
            self._client.complete_multipart_upload(**address, MultipartUpload={"Parts": sink.finish()})
        except BaseException:
            self._abort(address)
            raise

    def size(self, key: str) -> int | None:
        try:
            return int(self._client.head_object(Bucket=self._bucket, Key=key)["ContentLength"])
        except ClientError as error:
            if error.response["Error"]["Code"] in _ABSENT:
                return None
            raise

    def below(self, folder: str) -> Iterator[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
        return (each["Key"] for page in pages for each in page.get("Contents", ()))

    def delete(self, keys: Iterable[str]) -> None:
        for some in batched(keys, _DELETE_AT_ONCE):
            wanted = {"Objects": [{"Key": key} for key in some], "Quiet": True}
            failed = self._client.delete_objects(Bucket=self._bucket, Delete=wanted).get("Errors")
            if failed:
                raise UnavailableError(f"{len(failed)} files of the export were not deleted: {failed[0]['Code']}")

    def give_up(self, folder: str) -> None:
        pages = self._client.get_paginator("list_multipart_uploads").paginate(Bucket=self._bucket, Prefix=folder)
        for upload in [each for page in pages for each in page.get("Uploads", ())]:
            # Some services list more than was asked for.
            if upload["Key"].startswith(folder):
                self._abort({"Bucket": self._bucket, "Key": upload["Key"], "UploadId": upload["UploadId"]})

    def link(self, key: str, file_name: str, seconds: int) -> str:
        parameters = {
            "Bucket": self._bucket,
            "Key": key,
            "ResponseContentDisposition": f'attachment; filename="{file_name}"',
        }
        address: str = self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        return address

    def _abort(self, address: dict[str, str]) -> None:
        # Somebody else may have given it up.
        with suppress(self._client.exceptions.NoSuchUpload):
            self._client.abort_multipart_upload(**address)


class S3Sink:
    """Gathers what is written into parts of an upload, one in memory at a time."""

    def __init__(self, client: Any, address: dict[str, str], part_bytes: int) -> None:
        self._client, self._address, self._part_bytes = client, address, part_bytes
        self._waiting, self._parts = bytearray(), list[dict[str, Any]]()

    def write(self, data: bytes, /) -> int:
        self._waiting += data
        while len(self._waiting) >= self._part_bytes:
            self._upload(self._part_bytes)
        return len(data)

    def flush(self) -> None:
        """Parts go when they are full."""

    def finish(self) -> list[dict[str, Any]]:
        """Send what is left; all parts, in order."""
        if self._waiting or not self._parts:
            self._upload(len(self._waiting))
        return self._parts

    def _upload(self, size: int) -> None:
        number, body = len(self._parts) + 1, bytes(self._waiting[:size])
        del self._waiting[:size]
        sent = self._client.upload_part(**self._address, PartNumber=number, Body=body)
        self._parts.append({"PartNumber": number, "ETag": sent["ETag"]})
