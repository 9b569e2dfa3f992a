"""The raw archive in S3: every accepted batch as the client sent it."""

import gzip
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, datetime
from hashlib import sha256

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audience_core.domain.event import Environment
from audience_core.domain.messages import AcceptedBatch
from audience_core.errors import UnavailableError
from audience_core.persistence.queues import encode


class S3Archive:
    """Objects `raw/{account}/{environment}/{UTC day received}/{hash}.jsonl.gz`.

    A line is a batch as `queues.encode` writes it. The name is the content's hash, so the same call twice writes the
    same object; a batch that is delivered again in other company lies in two objects, and whoever reads the archive
    takes each (input, batch id) once.
    """

    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket = bucket
        self._client = boto3.client("s3", region_name=region)

    def put(self, batches: Sequence[AcceptedBatch]) -> None:
        """Raise `UnavailableError` when some may not be stored."""
        lines: defaultdict[str, set[str]] = defaultdict(set)
        for batch in batches:
            lines[_folder(batch)].add(encode(batch))
        for folder, texts in lines.items():
            self._store(folder, "".join(f"{text}\n" for text in sorted(texts)).encode())

    def _store(self, folder: str, content: bytes) -> None:
        key = f"{folder}/{sha256(content).hexdigest()[:32]}.jsonl.gz"
        # Without a time stamp in it the same content always gives the same bytes.
        compressed = gzip.compress(content, mtime=0)
        try:
            self._client.put_object(Bucket=self._bucket, Key=key, Body=compressed, ContentType="application/gzip")
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the archive does not answer") from error


def _folder(batch: AcceptedBatch) -> str:
    environment = Environment.told_by(batch.body.get("environment"))
    day = datetime.fromtimestamp(batch.received_at / 1000, UTC).date()
    return f"raw/{batch.source.account_id}/{environment}/{day.isoformat()}"
