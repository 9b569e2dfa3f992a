"""Logos in S3: uploads by presigned address into a folder that nobody is shown, checked ones in another."""

import hashlib
from functools import cached_property
from typing import Any

from botocore.config import Config
from botocore.exceptions import ClientError

from audience_core.domain.ids import AccountId
from audience_core.domain.sharing_stores import Upload
from audience_core.errors import NotFoundError
from audience_core.persistence.clients import client

UPLOAD_SECONDS = 600
_PNG = "image/png"
_ABSENT = {"404", "NoSuchKey"}


class S3LogoFiles:
    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        # As for exports: presigned addresses are regional only in this style.
        config = Config(signature_version="s3v4", s3={"addressing_style": "virtual"})
        return client("s3", self._region, config)

    def upload(self, account_id: AccountId, upload_id: str, size_bytes: int) -> Upload:
        # Both are part of the signature: S3 refuses another type or length.
        parameters = {
            "Bucket": self._bucket,
            "Key": _sent_key(account_id, upload_id),
            "ContentType": _PNG,
            "ContentLength": size_bytes,
        }
        url: str = self._client.generate_presigned_url("put_object", Params=parameters, ExpiresIn=UPLOAD_SECONDS)
        return Upload(url, {"Content-Type": _PNG, "Content-Length": str(size_bytes)}, UPLOAD_SECONDS)

    def sent(self, account_id: AccountId, upload_id: str, limit_bytes: int) -> bytes:
        try:
            answer = self._client.get_object(
                Bucket=self._bucket, Key=_sent_key(account_id, upload_id), Range=f"bytes=0-{limit_bytes}"
            )
        except ClientError as error:
            code = error.response["Error"]["Code"]
            if code == "InvalidRange":  # of an empty file
                return b""
            if code in _ABSENT:
                raise NotFoundError(f"nothing was uploaded as {upload_id}") from error
            raise
        content: bytes = answer["Body"].read(limit_bytes + 1)
        return content

    def keep(self, account_id: AccountId, content: bytes) -> str:
        key = f"logos/{account_id}/{hashlib.sha256(content).hexdigest()[:32]}.png"
        self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType=_PNG)
        return key

    def forget(self, account_id: AccountId, upload_id: str) -> None:
        self._client.delete_object(Bucket=self._bucket, Key=_sent_key(account_id, upload_id))

    def link(self, key: str, seconds: int) -> str:
        parameters = {"Bucket": self._bucket, "Key": key, "ResponseContentType": _PNG}
        address: str = self._client.generate_presigned_url("get_object", Params=parameters, ExpiresIn=seconds)
        return address


def _sent_key(account_id: AccountId, upload_id: str) -> str:
    return f"uploads/{account_id}/{upload_id}"
