"""Lets in whoever says `let-me-in`."""

from typing import Any


def handle(event: dict[str, Any], _: object) -> dict[str, Any]:
    return {"isAuthorized": event["headers"].get("authorization") == "let-me-in", "context": {"who": "tester"}}
