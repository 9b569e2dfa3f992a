"""Puts the console into the bucket of a stack on AWS: `python -m local.publish STACK`, with your own credentials."""

import json
import mimetypes
import sys
import time
from pathlib import Path
from typing import Any

import boto3

from local import console_build
from local.console import settings

_KEPT = "public, max-age=31536000, immutable"
_ASKED_AGAIN = "no-cache"


def publish(stack: str) -> str:
    """Build, upload, and have the distribution forget the pages it keeps; the console's address.

    Files whose names hold a digest of their content come first and stay: pages that are open go on finding them.
    """
    described = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    outputs = {each["OutputKey"]: each["OutputValue"] for each in described["Outputs"]}
    console_build.build()
    s3, bucket = boto3.client("s3"), outputs["ConsoleBucketName"]
    for file in files(console_build.DIST):
        name = file.relative_to(console_build.DIST).as_posix()
        kept = _KEPT if name.startswith("assets/") else _ASKED_AGAIN
        put(s3, bucket, name, file.read_bytes(), kept)
    put(s3, bucket, "config.json", json.dumps(settings(outputs)).encode(), _ASKED_AGAIN)
    boto3.client("cloudfront").create_invalidation(
        DistributionId=outputs["ConsoleDistributionId"],
        InvalidationBatch={"Paths": {"Quantity": 1, "Items": ["/*"]}, "CallerReference": str(time.time_ns())},
    )
    return str(outputs["ConsoleUrl"])


def files(folder: Path) -> list[Path]:
    """Pages last: whoever gets one finds what it asks for."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return sorted(found, key=lambda path: (path.suffix == ".html", path))


def put(s3: Any, bucket: str, name: str, content: bytes, kept: str) -> None:
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    s3.put_object(Bucket=bucket, Key=name, Body=content, ContentType=kind, CacheControl=kept)


if __name__ == "__main__":
    print(publish(sys.argv[1]))
