"""Files in S3 by which the steps of a state machine hand work to each other."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from audience_core.errors import NotFoundError, UnavailableError
from audience_core.persistence.clients import client


class S3RunFiles:
    def __init__(self, bucket: str, region: str | None = None) -> None:
        self._bucket, self._region = bucket, region

    @cached_property
    def _client(self) -> Any:
        return client("s3", self._region)

    def put_lines(self, name: str, lines: Sequence[Mapping[str, Any]]) -> str:
        """Raise `UnavailableError` when the file may not be stored."""
        content = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines).encode()
        try:
            self._client.put_object(Bucket=self._bucket, Key=name, Body=content, ContentType="application/jsonl")
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of run files does not answer") from error
        return self._bucket

    def lines(self, name: str) -> list[dict[str, Any]]:
        """Raise `UnavailableError` when S3 does not answer."""
        return [json.loads(text) for text in self.texts(name)]

    def texts(self, name: str) -> list[str]:
        """Raise `UnavailableError` when S3 does not answer."""
        try:
            content = self._client.get_object(Bucket=self._bucket, Key=name)["Body"].read()
        except self._client.exceptions.NoSuchKey as error:
            raise NotFoundError(f"there is no file {name}") from error
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of run files does not answer") from error
        return [line for line in content.decode().split("\n") if line]

    def names(self, prefix: str) -> Sequence[str]:
        """Raise `UnavailableError` when S3 does not answer."""
        try:
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket, Prefix=prefix)
            return [each["Key"] for page in pages for each in page.get("Contents", ())]
        except (BotoCoreError, ClientError) as error:
            raise UnavailableError("the store of run files does not answer") from error
