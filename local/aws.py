"""Clients of the local AWS, which knows one region and any credentials."""

from typing import Any

import boto3
from botocore.config import Config

REGION = "us-east-1"
ACCESS_KEY = "local"


def client(service: str, endpoint: str) -> Any:
    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=ACCESS_KEY,
        aws_secret_access_key=ACCESS_KEY,
        # Version 2 signatures are accepted by the emulator without a look at their expiry.
        config=Config(signature_version="s3v4" if service == "s3" else None, retries={"max_attempts": 2}),
    )
