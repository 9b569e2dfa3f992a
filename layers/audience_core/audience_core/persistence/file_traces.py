"""What files keep of users, for those who erase them."""

import gzip
from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.archive import ArchiveEntry, OwnedBatch
from audience_core.domain.erasure import RawTraces, Subject
from audience_core.domain.event import Identity
from audience_core.domain.ids import AccountId, InputId, Mpid
from audience_core.domain.messages import Release
from audience_core.errors import UnavailableError
from audience_core.persistence.archive_codec import decode_entry, encode_entry
from audience_core.persistence.clients import client
from audience_core.persistence.result_codec import MEMBERS, without

_STAGED, _RESULTS, _ERASURES, _RAW = "staged", "lifetime", "erasures", "raw"


class S3Traces:
    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        return client("s3", self._region)

    def results(self, account_id: AccountId, mpids: Collection[Mpid]) -> int:
        rewritten = 0
        for key in self._keys(f"{_RESULTS}/{account_id}/"):
            left = without(self._read(key), mpids) if key.endswith(MEMBERS) else None
            if left is not None:
                self._write(key, left)
                rewritten += 1
        return rewritten

    def raw(
        self,
        account_id: AccountId,
        subjects: Sequence[Subject],
        after: str,
        clock: Callable[[], int],
        until_ms: int,
    ) -> RawTraces:
        sweep = _Sweep(frozenset(subject.mpid for subject in subjects))
        key = after
        for key in self._keys(f"{_RAW}/{account_id}/", after):
            entries = [decode_entry(line) for line in gzip.decompress(self._read(key)).decode().split("\n") if line]
            left = [each for each in entries if not sweep.takes(each)]
            if not left:
                self._client.delete_object(Bucket=self._bucket, Key=key)
            elif len(left) < len(entries):
                text = "".join(f"{encode_entry(each)}\n" for each in left)
                self._write(key, gzip.compress(text.encode(), mtime=0))
            if clock() >= until_ms:
                return sweep.told(key)
        return sweep.told(None)

    def staged(self, account_id: AccountId, version: int) -> int:
        found = (f"{_STAGED}/{account_id}/compaction-{number}/" for number in range(version + 1))
        return self._delete(key for prefix in found for key in self._keys(prefix))

    def erasures(self, account_id: AccountId, subject: Subject) -> int:
        return self._delete(self._keys(f"{_ERASURES}/{account_id}/{subject.environment}/{subject.mpid}."))

    def _delete(self, keys: Iterator[str]) -> int:
        removed = 0
        for key in keys:
            self._client.delete_object(Bucket=self._bucket, Key=key)
            removed += 1
        return removed

    def _keys(self, prefix: str, after: str = "") -> Iterator[str]:
        more = {"StartAfter": after} if after else {}
        try:
            pages = self._client.get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=self._bucket, Prefix=prefix, **more):
                yield from (each["Key"] for each in page.get("Contents", ()))
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error

    def _read(self, key: str) -> bytes:
        content: bytes = self._client.get_object(Bucket=self._bucket, Key=key)["Body"].read()
        return content

    def _write(self, key: str, content: bytes) -> None:
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=content, ContentType="application/gzip")
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error


class _Sweep:
    """Finds the entries of some users, and notes what else they led to."""

    def __init__(self, mpids: frozenset[Mpid]) -> None:
        self._mpids, self._removed = mpids, 0
        self._identities: set[Identity] = set()
        self._requests: set[tuple[InputId, str]] = set()

    def takes(self, entry: ArchiveEntry) -> bool:
        if entry.mpid not in self._mpids:
            return False
        self._removed += 1
        if isinstance(entry, OwnedBatch):
            self._identities |= set(entry.granted)
            self._requests.add((entry.batch.source.input_id, entry.batch.batch_id))
        if isinstance(entry, Release):
            self._identities.add(entry.identity)
        return True

    def told(self, then: str | None) -> RawTraces:
        return RawTraces(self._removed, frozenset(self._identities), frozenset(self._requests), then)
