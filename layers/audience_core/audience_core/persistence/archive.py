"""The raw archive in S3: every accepted batch as the client sent it, and whose it is."""

import gzip
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from hashlib import sha256
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.archive import ArchiveEntry, Erasure, OwnedBatch, RawFile
from audience_core.domain.event import Environment
from audience_core.domain.ids import AccountId, Mpid
from audience_core.errors import UnavailableError
from audience_core.persistence.archive_codec import decode_entry, encode_entry
from audience_core.persistence.clients import client

_STAGED = "staged/"


class S3Archive:
    """Objects `raw/{account}/{environment}/{UTC day}/{hour and minute}-{hash}.jsonl.gz`, by when they were put.

    A line is an entry as `archive_codec` writes it. What is delivered again lies in two objects; compaction takes
    it once. Erasures have a second object, `erasures/{account}/{environment}/{mpid}.{instant}`, so that they are known
    before they are compacted.
    """

    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        return client("s3", self._region)

    def put(self, entries: Sequence[ArchiveEntry], now_ms: int) -> None:
        """Raise `UnavailableError` when some may not be stored."""
        for erasure in (each for each in entries if isinstance(each, Erasure)):
            self._write(f"{_erasures_of(erasure.account_id, erasure.environment)}{erasure.mpid}.{erasure.at}", b"")
        lines: defaultdict[str, set[str]] = defaultdict(set)
        for entry in entries:
            lines[_population(entry)].add(encode_entry(entry))
        for population, texts in lines.items():
            content = _text_of(sorted(texts))
            self._write(f"{population}/{_minute(now_ms)}-{sha256(content).hexdigest()[:32]}.jsonl.gz", content)

    def files(
        self, account_id: AccountId, since_ms: int, environment: Environment = Environment.PRODUCTION
    ) -> Sequence[RawFile]:
        """Raise `UnavailableError` when S3 does not answer."""
        prefix = f"raw/{account_id}/{environment}/"
        pages = self._client.get_paginator("list_objects_v2").paginate(
            Bucket=self._bucket, Prefix=prefix, StartAfter=f"{prefix}{_minute(max(since_ms, 0))}"
        )
        try:
            return [RawFile(each["Key"], each["Size"]) for page in pages for each in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error

    def erased(self, account_id: AccountId) -> Mapping[Mpid, int]:
        """Raise `UnavailableError` when S3 does not answer."""
        prefix, found = _erasures_of(account_id, Environment.PRODUCTION), dict[Mpid, int]()
        for key in self._keys(prefix):
            mpid, at = (int(each) for each in key.removeprefix(prefix).split("."))
            found[Mpid(mpid)] = max(at, found.get(Mpid(mpid), at))
        return found

    def entries(self, name: str) -> list[ArchiveEntry]:
        """Raise `UnavailableError` when S3 does not answer."""
        try:
            content = self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error
        return [decode_entry(line) for line in gzip.decompress(content).decode().split("\n") if line]

    def stage(self, name: str, entries: Sequence[ArchiveEntry]) -> None:
        self._write(f"{_STAGED}{name}", _text_of(map(encode_entry, entries)))

    def staged_names(self, prefix: str) -> Sequence[str]:
        return [key.removeprefix(_STAGED) for key in self._keys(_STAGED + prefix)]

    def staged(self, name: str) -> list[ArchiveEntry]:
        return self.entries(f"{_STAGED}{name}")

    def _keys(self, prefix: str) -> list[str]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
        try:
            return [each["Key"] for page in pages for each in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error

    def _write(self, key: str, content: bytes) -> None:
        # Without a time stamp in it the same content always gives the same bytes.
        compressed = gzip.compress(content, mtime=0)
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=compressed, ContentType="application/gzip")
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error


def _population(entry: ArchiveEntry) -> str:
    if isinstance(entry, OwnedBatch):
        environment = Environment.told_by(entry.batch.body.get("environment"))
        return f"raw/{entry.batch.source.account_id}/{environment}"
    return f"raw/{entry.account_id}/{entry.environment}"


def _erasures_of(account_id: AccountId, environment: Environment) -> str:
    return f"erasures/{account_id}/{environment}/"


def _text_of(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


def _minute(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d/%H%M")
