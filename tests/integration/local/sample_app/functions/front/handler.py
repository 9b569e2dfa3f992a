"""Answers HTTP requests and direct invocations: greets, queues, fails, or imports what it is told to."""

import importlib
import os
from typing import Any

import boto3
from greeting import greet


class KnownTroubleError(Exception):
    """An error whose type a caller relies on."""


def handle(event: dict[str, Any], _: object) -> Any:
    if "fail" in event:
        raise KnownTroubleError(event["fail"])
    if "import" in event:
        return importlib.import_module(event["import"]).__name__
    if event.get("routeKey") == "POST /v2/events":
        boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE_URL"], MessageBody=event["body"])
        return {"statusCode": 202}
    who = event.get("requestContext", {}).get("authorizer", {}).get("lambda", {}).get("who", "stranger")
    return {"statusCode": 200, "body": greet(who)}
