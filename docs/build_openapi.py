"""Writes docs/openapi.json, the description of the /v1 API, from the handlers: `python -m docs.build_openapi`."""

import json
from pathlib import Path
from typing import Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver

from functions.ab_tests_api.handler import app as ab_tests
from functions.audiences_api.handler import app as audiences
from functions.export_download.handler import app as downloads
from functions.exports_api.handler import app as exports
from functions.insights_api.handler import app as insights
from functions.jobs_api.handler import app as jobs
from functions.lifetime_api.handler import app as lifetime
from functions.oauth_callback.handler import app as log_ins
from functions.outputs_api.handler import app as outputs
from functions.profiles_api.handler import app as profiles
from functions.sharing_api.handler import app as sharing
from functions.sharing_logo.handler import app as logos
from functions.workspaces_api.handler import app as workspaces

PATH = Path(__file__).with_name("openapi.json")
_PROBLEM: dict[str, Any] = {
    "type": "object",
    "title": "Problem",
    "description": "RFC 9457 problem details.",
    "required": ["type", "title", "status", "detail", "correlation_id"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "correlation_id": {"type": "string", "description": "Finds the request in the log"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "description": "JSON pointer into the body, or /query/<parameter>"},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}
_FAILED = {
    "description": "It did not work",
    "content": {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}},
}
_OAUTH2 = {
    "type": "oauth2",
    "flows": {"clientCredentials": {"tokenUrl": "/oauth2/token", "scopes": {"audiences/api": "Use the API"}}},
}
_NO_CONTENT = ("204", "302")
# What a signed link opens, and where partners send browsers: without a credential.
_PUBLIC = ("/v1/downloads/{token}", "/v1/oauth/callback")


def build() -> dict[str, Any]:
    """The whole document, in a stable order."""
    paths: dict[str, Any] = {}
    schemas: dict[str, Any] = {"Problem": _PROBLEM}
    control = (workspaces, audiences, ab_tests, outputs, log_ins, jobs, exports, downloads)
    for app in (*control, insights, lifetime, sharing, logos, profiles):
        part = _described(app)
        for path, operations in part["paths"].items():
            paths.setdefault(path, {}).update(operations)
        for name, schema in part["components"]["schemas"].items():
            if schemas.setdefault(name, schema) != schema:
                raise ValueError(f"two different schemas are named {name}")
    for path, operations in paths.items():
        for operation in operations.values():
            _complete(path, operation)
    for name in ("HTTPValidationError", "ResponseValidationError", "ValidationError"):
        schemas.pop(name, None)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Audience Manager",
            "version": "1",
            "description": "See docs/api.md for what all calls share.",
        },
        "security": [{"oauth2": ["audiences/api"]}],
        "paths": dict(sorted(paths.items())),
        "components": {"schemas": dict(sorted(schemas.items())), "securitySchemes": {"oauth2": _OAUTH2}},
    }


def text() -> str:
    return json.dumps(build(), indent=2) + "\n"


def _described(app: APIGatewayHttpResolver) -> dict[str, Any]:
    described: dict[str, Any] = json.loads(app.get_openapi_json_schema(title="Audience Manager", version="1"))
    return described


def _complete(path: str, operation: dict[str, Any]) -> None:
    """Every failure is a problem; what has no content says none; a name is enough of an operation id."""
    if path in _PUBLIC:
        operation["security"] = []
    operation["operationId"] = operation["operationId"].partition("_v1_")[0]
    responses = operation["responses"]
    for status in ("422", "500"):
        responses.pop(status, None)
    responses["default"] = _FAILED
    for status in _NO_CONTENT:
        responses.get(status, {}).pop("content", None)


if __name__ == "__main__":
    PATH.write_text(text())
