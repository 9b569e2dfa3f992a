"""Drops files of changes into an S3 bucket, one object a batch."""

import csv
import gzip
import hashlib
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated
from urllib.parse import quote, urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from audience_core.domain.output import Forward
from audience_core.outputs.aws import AwsSettings, raise_for_aws, signed
from audience_core.outputs.connector import Receipt, Subscription, gone
from audience_core.outputs.connectors import webhook_messages
from audience_core.outputs.http import HttpRequest, Send
from audience_core.outputs.setting_types import usable_url

IDENTITY_TYPES = frozenset(webhook_messages.USER_IDENTITIES | webhook_messages.DEVICE_IDENTITIES)
BATCH_SIZE = 1000
FLUSH_AFTER_S = 900
HEADER = ("action", "mpid", "identity_type", "identity_value", "at")


def _bare_url(url: str) -> str:
    if url and urlsplit(usable_url(url)).path not in ("", "/"):
        raise ValueError("the URL must have no path")
    return url.rstrip("/")


class S3Settings(AwsSettings):
    bucket: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$")]
    prefix: Annotated[
        str,
        Field(pattern=r"^([A-Za-z0-9_=-][A-Za-z0-9_.=-]*/)*$", max_length=400, description="Of all keys; ends with /"),
    ] = ""
    compress: Annotated[bool, Field(description="Write .csv.gz")] = False
    bucket_owner: Annotated[
        str, Field(pattern=r"^([0-9]{12})?$", description="Write only if this AWS account owns the bucket")
    ] = ""
    endpoint_url: Annotated[
        str,
        AfterValidator(_bare_url),
        Field(max_length=200, description="Of an S3-compatible service; needs access keys"),
    ] = ""

    @model_validator(mode="after")
    def _signs_as_itself_only_at_aws(self) -> "S3Settings":
        # The stack's own credentials go to AWS and to nobody else.
        if self.endpoint_url and self.access_key_id is None:
            raise ValueError("endpoint_url needs access_key_id and secret_access_key")
        return self

    @property
    def bucket_url(self) -> str:
        if self.endpoint_url:
            return f"{self.endpoint_url}/{self.bucket}"
        # A certificate for *.s3 does not cover names with dots.
        if "." in self.bucket:
            return f"https://s3.{self.region}.{self.domain}/{self.bucket}"
        return f"https://{self.bucket}.s3.{self.region}.{self.domain}"


class S3ConnectionSettings(BaseModel):
    """There are none."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class S3Connector:
    """Every key holds the account, so that bucket policies can tell the customers of one stack apart."""

    accepted_identities = IDENTITY_TYPES
    required_identities = frozenset[str]()
    batch_size = BATCH_SIZE

    def __init__(self, settings: S3Settings, send: Send) -> None:
        self._settings, self._send = settings, send

    def subscribe(self, subscription: Subscription, now_ms: int) -> Mapping[str, str]:
        self._describe(subscription, is_active=True)
        return {}

    def update(self, subscription: Subscription, previous: Mapping[str, str], now_ms: int) -> Mapping[str, str]:
        self._describe(subscription, is_active=True)
        return {}

    def unsubscribe(self, subscription: Subscription, now_ms: int) -> None:
        self._describe(subscription, is_active=False)

    def forward(self, subscription: Subscription, changes: Sequence[Forward], now_ms: int) -> Receipt:
        if not changes:
            self._put(f"account={subscription.account_id}/test.txt", b"This output works.\n", "text/plain")
            return Receipt()
        content, kind = _csv(changes, now_ms), "text/csv; charset=utf-8; header=present"
        suffix = "csv"
        if self._settings.compress:
            # Without a time inside, so that the same rows make the same file.
            content, kind, suffix = gzip.compress(content, mtime=0), "application/gzip", "csv.gz"
        self._put(f"{_folder(subscription)}/{_name(subscription, changes)}.{suffix}", content, kind)
        return Receipt()

    def _describe(self, subscription: Subscription, *, is_active: bool) -> None:
        described = {
            "account_id": subscription.account_id,
            "audience_id": subscription.audience_id,
            "audience_name": subscription.audience_name,
            "connection_id": subscription.connection_id,
            "is_active": is_active,
        }
        self._put(f"{_folder(subscription)}/audience.json", json.dumps(described).encode(), "application/json")

    def _put(self, name: str, content: bytes, kind: str) -> None:
        url = f"{self._settings.bucket_url}/{quote(self._settings.prefix + name, safe='/~')}"
        headers = {"Content-Type": kind}
        if self._settings.bucket_owner:
            headers["x-amz-expected-bucket-owner"] = self._settings.bucket_owner
        request = HttpRequest("PUT", url, headers, content)
        raise_for_aws(self._send(signed(request, "s3", self._settings)))


def _folder(subscription: Subscription) -> str:
    return f"account={subscription.account_id}/audience={subscription.audience_id}"


def _name(subscription: Subscription, changes: Sequence[Forward]) -> str:
    """The same for the same changes whenever they are told, so that a repeat takes the place of what it repeats."""
    told = [[each.mpid, each.version, list(_rows(each))] for each in changes]
    return hashlib.sha256(json.dumps([subscription.connection_id, told]).encode()).hexdigest()[:40]


def _csv(changes: Sequence[Forward], now_ms: int) -> bytes:
    """As RFC 4180; all removals first, so that an identity that moved to another member stays."""
    at = datetime.fromtimestamp(now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(HEADER)
    rows = [(action, str(each.mpid), kind, value, at) for each in changes for action, kind, value in _rows(each)]
    writer.writerows(row for row in rows if row[0] == "remove")
    writer.writerows(row for row in rows if row[0] == "add")
    return text.getvalue().encode()


def _rows(change: Forward) -> Iterable[tuple[str, str, str]]:
    after = change.after.identities if change.after else ()
    yield from (("remove", each.type, each.value) for each in gone(change))
    yield from (("add", each.type, each.value) for each in after)
