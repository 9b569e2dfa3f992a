"""Buckets and event buses of somebody else's AWS account on loopback; signatures are worked out anew, by hand."""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from tests.support.fake_servers import Answer, FakeServer, Heard

KEY_ID, SECRET, REGION = "AKIAEXAMPLE0000001", "example/secret+key", "eu-central-1"
BUCKET, OWNER = "drop", "123456789012"
BUS = f"arn:aws:events:{REGION}:{OWNER}:event-bus/marketing"
MAX_ENTRIES, MAX_BYTES = 10, 262_144

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/([^/]+)/aws4_request, SignedHeaders=([a-z0-9;-]+), "
    r"Signature=([0-9a-f]{64})"
)


@dataclass(frozen=True)
class Stored:
    content: bytes
    headers: Mapping[str, str]


class AwsPartner(FakeServer):
    """One account: objects by key, and the entries that its bus took. `refused` are error codes by detail text."""

    def __init__(self) -> None:
        super().__init__()
        self.objects: dict[str, Stored] = {}
        self.puts: list[str] = []
        self.events: list[dict[str, str]] = []
        self.failing: dict[str, str] = {}

    def obey(self, heard: Heard) -> Answer:
        is_bus = "x-amz-target" in heard.headers
        if code := refusal(heard, "events" if is_bus else "s3"):
            return aws_error(code, 400) if is_bus else s3_error(code, 403)
        return self._put_events(heard) if is_bus else self._put_object(heard)

    def _put_object(self, heard: Heard) -> Answer:
        bucket, _, key = unquote(heard.path).removeprefix("/").partition("/")
        if heard.method != "PUT" or not key:
            return s3_error("MethodNotAllowed", 405)
        if bucket != BUCKET:
            return s3_error("NoSuchBucket", 404)
        if heard.headers.get("x-amz-expected-bucket-owner", OWNER) != OWNER:
            return s3_error("AccessDenied", 403)
        self.objects[key] = Stored(heard.body, heard.headers)
        self.puts.append(key)
        return Answer(200, b"", {"ETag": '"1"'})

    def _put_events(self, heard: Heard) -> Answer:
        if heard.headers["x-amz-target"] != "AWSEvents.PutEvents":
            return aws_error("UnknownOperationException", 400)
        entries = heard.json["Entries"]
        size = sum(len(e["Source"]) + len(e["DetailType"]) + len(e["Detail"].encode()) for e in entries)
        if not 1 <= len(entries) <= MAX_ENTRIES or size > MAX_BYTES:
            return aws_error("ValidationException", 400)
        told = [self._put_event(each) for each in entries]
        return Answer(200, {"FailedEntryCount": sum("ErrorCode" in each for each in told), "Entries": told})

    def _put_event(self, entry: dict[str, str]) -> dict[str, str]:
        for text, code in self.failing.items():
            if text in entry["Detail"]:
                return {"ErrorCode": code, "ErrorMessage": f"about {entry['Detail']}"}
        if entry["EventBusName"] != BUS:
            return {"ErrorCode": "ResourceNotFoundException", "ErrorMessage": "no such bus"}
        self.events.append(entry)
        return {"EventId": str(len(self.events))}


def aws_error(code: str, status: int) -> Answer:
    return Answer(status, {"__type": f"com.amazon.coral.service#{code}", "message": "secret words"})


def s3_error(code: str, status: int) -> Answer:
    body = f'<?xml version="1.0"?><Error><Code>{code}</Code><Message>secret words</Message></Error>'
    return Answer(status, body.encode())


def refusal(heard: Heard, service: str) -> str:
    """The code of what is wrong with a request's signature; empty when it is good."""
    found = _AUTHORIZATION.fullmatch(heard.headers.get("authorization", ""))
    if not found:
        return "MissingAuthenticationToken"
    key_id, day, region, named_service, names, signature = found.groups()
    if key_id != KEY_ID:
        return "InvalidAccessKeyId" if service == "s3" else "UnrecognizedClientException"
    if (region, named_service) != (REGION, service):
        return "AuthorizationHeaderMalformed"
    stamp = heard.headers["x-amz-date"]
    if not _is_fresh(stamp) or stamp[:8] != day:
        return "RequestTimeTooSkewed"
    body_hash = hashlib.sha256(heard.body).hexdigest()
    if service == "s3" and heard.headers.get("x-amz-content-sha256") != body_hash:
        return "XAmzContentSHA256Mismatch"
    canonical = _canonical(heard, names.split(";"), body_hash)
    scope = f"{day}/{region}/{service}/aws4_request"
    text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    expected = hmac.new(_key(day, region, service), text.encode(), hashlib.sha256).hexdigest()
    return "" if hmac.compare_digest(expected, signature) else "SignatureDoesNotMatch"


def _is_fresh(stamp: str) -> bool:
    sent = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    return abs(datetime.now(UTC) - sent) < timedelta(minutes=15)


def _canonical(heard: Heard, names: list[str], body_hash: str) -> str:
    path = quote(unquote(heard.path), safe="/-_.~")
    pairs = sorted(parse_qsl(urlsplit(heard.target).query, keep_blank_values=True))
    query = "&".join(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in pairs)
    headers = "".join(f"{name}:{' '.join(heard.headers[name].split())}\n" for name in names)
    return "\n".join([heard.method, path, query, headers, ";".join(names), body_hash])


def _key(day: str, region: str, service: str) -> bytes:
    key = f"AWS4{SECRET}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


def client_settings(url: str) -> dict[str, Any]:
    """For boto3's own clients."""
    keys = {"aws_access_key_id": KEY_ID, "aws_secret_access_key": SECRET}
    return {"endpoint_url": url, "region_name": REGION, **keys}
