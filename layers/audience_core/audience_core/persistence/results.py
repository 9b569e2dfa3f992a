"""Members found by calculations, in S3: for each audience and shard a file of mpids, eight bytes each, ascending."""

import struct
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.ids import AccountId, AudienceId, Mpid
from audience_core.domain.stores import Page
from audience_core.errors import NotFoundError, UnavailableError

_BYTES = 8


class S3ResultStore:
    """Objects `lifetime/{account}/{audience}/{calculation}/{shard}.mpids`: signed, big-endian."""

    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        return boto3.client("s3", region_name=self._region)

    def put(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, shard: int, mpids: Sequence[Mpid]
    ) -> None:
        key = f"{_folder(account_id, audience_id, calculation_id)}{shard:05d}.mpids"
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=struct.pack(f">{len(mpids)}q", *mpids))
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of results does not answer") from error

    def page(
        self, account_id: AccountId, audience_id: AudienceId, calculation_id: str, cursor: str | None, limit: int
    ) -> Page[Mpid]:
        """Raise `UnavailableError` when S3 does not answer."""
        files = self._files(_folder(account_id, audience_id, calculation_id))
        if not files:
            raise NotFoundError("the members that were found are not kept any more")
        shard, start = (int(part) for part in (cursor or "0:0").split(":"))
        found: list[Mpid] = []
        while shard < len(files) and len(found) < limit:
            key, count = files[shard]
            taken = self._read(key, start, min(start + limit - len(found), count))
            found += taken
            start += len(taken)
            if start >= count:
                shard, start = shard + 1, 0
        return Page(tuple(found), f"{shard}:{start}" if shard < len(files) else None)

    def _files(self, folder: str) -> list[tuple[str, int]]:
        """(key, how many mpids), by shard."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=folder)
            return [(each["Key"], each["Size"] // _BYTES) for page in pages for each in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of results does not answer") from error

    def _read(self, key: str, start: int, end: int) -> list[Mpid]:
        if start >= end:
            return []
        stretch = f"bytes={start * _BYTES}-{end * _BYTES - 1}"
        try:
            content = self._client.get_object(Bucket=self._bucket, Key=key, Range=stretch)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of results does not answer") from error
        return [Mpid(each) for (each,) in struct.iter_unpack(">q", content)]


def _folder(account_id: AccountId, audience_id: AudienceId, calculation_id: str) -> str:
    return f"lifetime/{account_id}/{audience_id}/{calculation_id}/"
