"""Members found by calculations, in S3: for each audience and shard a file of mpids, eight bytes each, ascending."""

import struct
import sys
from array import array
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.stores import Page
from audience_core.errors import NotFoundError, UnavailableError

_BYTES = 8
_GONE = "the members that were found are not kept any more"
_SILENT = "the store of results does not answer"


class S3ResultStore:
    """Objects `lifetime/{account}/{audience}/{calculation}/{shard}.mpids`: signed, big-endian."""

    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        return boto3.client("s3", region_name=self._region)

    def put(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, shard: int, mpids: Sequence[int]
    ) -> None:
        key = f"{_folder(account_id, audience_id, calculation_id)}{shard:05d}.mpids"
        content = array("q", mpids)
        if sys.byteorder == "little":
            content.byteswap()
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content.tobytes())
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError(_SILENT) from error

    def page(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, cursor: str | None, limit: int
    ) -> Page[Mpid]:
        """Raise `UnavailableError` when S3 does not answer."""
        files = self._files(_folder(account_id, audience_id, calculation_id))
        if not files:
            raise NotFoundError(_GONE)
        place, start = (int(part) for part in (cursor or "0:0").split(":"))
        found: list[Mpid] = []
        while place < len(files) and len(found) < limit:
            key, count = files[place]
            taken = self._read(key, start, min(start + limit - len(found), count))
            found += taken
            start += len(taken)
            if start >= count:
                place, start = place + 1, 0
        is_over = not any(count for _, count in files[place:])
        return Page(tuple(found), None if is_over else f"{place}:{start}")

    def shards(self, account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> Sequence[int]:
        """Raise `UnavailableError` when S3 does not answer."""
        folder = _folder(account_id, audience_id, calculation_id)
        return [int(key.removeprefix(folder).partition(".")[0]) for key, _ in self._files(folder)]

    def of_shard(
        self,
        account_id: AccountId,
        audience_id: AudienceId,
        calculation_id: str,
        shard: int,
        start: int,
        limit: int | None = None,
    ) -> Sequence[Mpid]:
        """Raise `UnavailableError` when S3 does not answer."""
        key = f"{_folder(account_id, audience_id, calculation_id)}{shard:05d}.mpids"
        return self._read(key, start, None if limit is None else start + limit)

    def _files(self, folder: str) -> list[tuple[str, int]]:
        """(key, how many mpids), by shard."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
            return [(each["Key"], each["Size"] // _BYTES) for page in pages for each in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError(_SILENT) from error

    def _read(self, key: str, start: int, end: int | None) -> list[Mpid]:
        if end is not None and start >= end:
            return []
        stretch = f"bytes={start * _BYTES}-" + ("" if end is None else str(end * _BYTES - 1))
        try:
            content = self._client.get_object(Bucket=self._bucket, Key=key, Range=stretch)["Body"].read()
        except ClientError as error:
            code = error.response["Error"]["Code"]
            # There is nothing behind the end, and nothing at all in an empty file.
            if code in ("InvalidRange", "416"):
                return []
            if code in ("NoSuchKey", "404"):
                raise NotFoundError(_GONE) from error
            raise UnavailableError(_SILENT) from error
        except BotoCoreError as error:
            raise UnavailableError(_SILENT) from error
        return [Mpid(each) for (each,) in struct.iter_unpack(">q", content)]


def _folder(account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> str:
    return f"lifetime/{account_id}/{audience_id}/{calculation_id}/"
