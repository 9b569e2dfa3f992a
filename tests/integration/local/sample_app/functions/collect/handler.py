"""Writes down every queue message and stream record it is given; refuses messages that say `poison`."""

import os
from typing import Any

import boto3


def handle(event: dict[str, Any], _: object) -> dict[str, Any]:
    table = boto3.resource("dynamodb").Table(os.environ["TABLE"])
    failures = []
    for record in event["Records"]:
        if record["eventSource"] == "aws:dynamodb":
            table.put_item(Item={"pk": f"seen {record['dynamodb']['Keys']['pk']['S']}", "kind": "streamed"})
        elif record["body"] == "poison":
            failures.append({"itemIdentifier": record["messageId"]})
        else:
            print("queued", record["body"])
            table.put_item(Item={"pk": record["body"], "kind": "queued"})
    return {"batchItemFailures": failures}
