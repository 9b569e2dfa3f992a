"""Shards of the archive in S3, and the manifests that say which files make up an archive."""

import mmap
import sys
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cached_property, partial
from hashlib import sha256
from pathlib import Path
from typing import Any, Protocol

from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.archive import SCANNED, ArchivedFile, ArchiveShard, Manifest, damaged, require_as_written
from audience_core.domain.ids import AccountId
from audience_core.errors import NotFoundError, StaleVersionError, UnavailableError
from audience_core.persistence.clients import client

_PIECE = 1 << 20
# S3 gives each request some 50 MB a second; and the processors fill fresh memory side by side.
_RANGE, _RANGES_AT_ONCE = 8 << 20, 4
_GONE = {"NoSuchKey", "404"}
_TOO_SHORT = {"InvalidRange", "416"}
_EXISTS = {"PreconditionFailed", "412", "ConditionalRequestConflict"}


class Stream(Protocol):
    """What a file comes from."""

    def readinto(self, target: memoryview, /) -> int: ...

    def read(self, size: int, /) -> bytes: ...


class S3ShardStore:
    """Objects `shards/{account}/{folder}/{file}`, `manifests/{account}/{version}.json`; and, for Athena alone,

    `athena/{table}/{account}/symlink.txt`: the addresses of that file of all shards, written after each commit.
    """

    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        # Files are checked against the manifest: a second checksum of every byte would tell nothing more.
        own = Config(response_checksum_validation="when_required")
        return client("s3", self._region, own)

    def manifest(self, account_id: AccountId, version: int | None = None) -> Manifest:
        key = self._latest(account_id) if version is None else _manifest_key(account_id, version)
        if key is None or version == 0:
            return Manifest()
        try:
            return Manifest.model_validate_json(self._read(key))
        except ClientError as error:
            if _code(error) in _GONE:
                raise NotFoundError(f"the archive has no version {version}") from error
            raise UnavailableError("the archive does not answer") from error

    def commit(self, account_id: AccountId, manifest: Manifest) -> None:
        key, body = _manifest_key(account_id, manifest.version), manifest.model_dump_json().encode()
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=body, IfNoneMatch="*")
        except ClientError as error:
            if _code(error) in _EXISTS:
                raise StaleVersionError(f"version {manifest.version} of the archive was committed before") from error
            raise UnavailableError("the archive does not answer") from error
        except BotoCoreError as error:
            raise UnavailableError("the archive does not answer") from error
        for name in SCANNED:
            self._point_athena(account_id, manifest, name)

    def upload(self, account_id: AccountId, folder: str, source: Path) -> dict[str, ArchivedFile]:
        found = {}
        for path in sorted(source.iterdir()):
            content = path.read_bytes()
            self._put(f"{_folder_key(account_id, folder)}{path.name}", content)
            found[path.name] = ArchivedFile(size=len(content), sha256=sha256(content).hexdigest())
        return found

    def fetch(self, account_id: AccountId, shard: ArchiveShard, name: str) -> memoryview:
        """Raise `UnavailableError` when S3 does not answer."""
        if name not in shard.files:
            raise damaged(shard, name)
        key = f"{_folder_key(account_id, shard.folder)}{name}"
        try:
            content = whole(partial(self._part, key), shard.files[name].size)
        except ClientError as error:
            if _code(error) in _GONE:
                raise damaged(shard, name, "is missing") from error
            if _code(error) in _TOO_SHORT:
                raise damaged(shard, name) from error
            raise UnavailableError("the archive does not answer") from error
        except BotoCoreError as error:
            raise UnavailableError("the archive does not answer") from error
        if content is None:
            raise damaged(shard, name)
        return content

    def download(self, account_id: AccountId, shard: ArchiveShard, names: Collection[str], target: Path) -> None:
        for name in names:
            content = self.fetch(account_id, shard, name)
            require_as_written(shard, name, content)
            (target / name).write_bytes(content)

    def folders(self, account_id: AccountId) -> frozenset[str]:
        prefix = _folder_key(account_id, "")
        return frozenset(key.removeprefix(prefix).rpartition("/")[0] for key in self._keys(prefix))

    def remove(self, account_id: AccountId, folder: str) -> None:
        for key in self._keys(f"{_folder_key(account_id, folder)}"):
            self._client.delete_object(Bucket=self._bucket, Key=key)

    def _latest(self, account_id: AccountId) -> str | None:
        return max(self._keys(f"manifests/{account_id}/"), default=None)

    def _point_athena(self, account_id: AccountId, manifest: Manifest, name: str) -> None:
        table = name.removesuffix(".parquet")
        addresses = [
            f"s3://{self._bucket}/{_folder_key(account_id, shard.folder)}{name}\n" for shard in manifest.shards
        ]
        self._put(f"athena/{table}/{account_id}/symlink.txt", "".join(addresses).encode())

    def _keys(self, prefix: str) -> Iterator[str]:
        try:
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix):
                yield from (each["Key"] for each in page.get("Contents", ()))
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error

    def _read(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    def _part(self, key: str, first: int, last: int) -> Stream:
        body: Stream = self._client.get_object(Bucket=self._bucket, Key=key, Range=f"bytes={first}-{last}")["Body"]
        return body

    def _put(self, key: str, content: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content)
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error


def whole(part: Callable[[int, int], Stream], size: int) -> memoryview | None:
    """So many bytes in one piece of memory, fetched in ranges at once; None when there are fewer or more.

    Args:
        part: gives the bytes from the first place to the last, both included, or those of them that there are.
    """
    content, starts = _fresh(size), range(0, size, _RANGE)

    def is_filled(start: int) -> bool:
        end = min(start + _RANGE, size)
        # Of the last range one byte more is asked for: there must be none.
        source, place = part(start, end - 1 if end < size else end), start
        while count := source.readinto(content[place : min(place + _PIECE, end)]):
            place += count
        return place == end and (end < size or not source.read(1))

    with ThreadPoolExecutor(_RANGES_AT_ONCE) as pool:
        return content if all(pool.map(is_filled, starts)) else None


def _fresh(size: int) -> memoryview:
    """Memory in large pages, where there are any: to be given small ones takes longer than to fill them."""
    memory = mmap.mmap(-1, max(size, 1), mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if sys.platform == "linux":
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return memoryview(memory)[:size]


def _manifest_key(account_id: AccountId, version: int) -> str:
    return f"manifests/{account_id}/{version:010d}.json"


def _folder_key(account_id: AccountId, folder: str) -> str:
    return f"shards/{account_id}/{folder}/" if folder else f"shards/{account_id}/"


def _code(error: ClientError) -> str:
    code: str = error.response["Error"]["Code"]
    return code
