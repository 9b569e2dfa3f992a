"""Files in S3 by which the steps of a state machine hand work to each other."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from audience_core.errors import UnavailableError


class S3RunFiles:
    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        return boto3.client("s3", region_name=self._region)

    def put_lines(self, name: str, lines: Sequence[Mapping[str, Any]]) -> str:
        """Raise `UnavailableError` when the file may not be stored."""
        content = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        try:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=content, ContentType="application/jsonl")
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of run files does not answer") from error
        return self._bucket
