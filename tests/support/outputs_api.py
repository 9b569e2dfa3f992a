"""Outputs and connections as the API is asked for them."""

from typing import Any

from audience_core.domain.output import Fault, FaultKind
from tests.support.control import NOW
from tests.support.http_api import Caller

ANY = {"If-Match": "*"}
FAULT = Fault(kind=FaultKind.AUTHENTICATION, message="401 Unauthorized", at=NOW)


def new(**settings: Any) -> dict[str, Any]:
    return {
        "connector": "webhook",
        "name": "Warehouse",
        "settings": {"url": "https://example.com/members", "token": "t0ken", **settings},
    }


def connected(call: Caller) -> str:
    """Path of a new connection of a new output."""
    output = call("POST", "/v1/outputs", new())
    return call("POST", "/v1/audiences/1/connections", {"output_id": output.body["id"]}).headers["Location"]
