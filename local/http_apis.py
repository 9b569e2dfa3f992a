"""Writes an HTTP API's OpenAPI body out as integrations, authorizers and routes, since the emulator ignores bodies."""

import copy
import hashlib
import re
from typing import Any

from local.expand import as_text
from local.templates import Template

EXTENSION = "x-amazon-apigateway-"
Resource = dict[str, Any]


def with_explicit_routes(template: Template) -> Template:
    written = copy.deepcopy(template)
    for logical_id, resource in template["Resources"].items():
        if resource["Type"] == "AWS::ApiGatewayV2::Api" and "Body" in resource["Properties"]:
            written["Resources"].update(_resources(logical_id, resource))
    return written


def _resources(api_id: str, api: Resource) -> dict[str, Resource]:
    body = api["Properties"]["Body"]
    authorizers = {
        name: _authorizer(api_id, name, scheme[EXTENSION + "authorizer"])
        for name, scheme in body.get("components", {}).get("securitySchemes", {}).items()
        if EXTENSION + "authorizer" in scheme
    }
    resources = {api_id: _without_body(api)}
    resources |= {_authorizer_id(api_id, name): resource for name, resource in authorizers.items()}
    for path, methods in body.get("paths", {}).items():
        for method, operation in methods.items():
            if EXTENSION + "integration" in operation:
                integration = operation[EXTENSION + "integration"]
                resources[_integration_id(api_id, integration)] = _integration(api_id, integration)
                resources[_id(api_id, "Route", method + path)] = _route(api_id, method, path, operation, authorizers)
    return resources


def _without_body(api: Resource) -> Resource:
    properties = {name: value for name, value in api["Properties"].items() if name not in ("Body", "FailOnWarnings")}
    body = api["Properties"]["Body"]
    properties.setdefault("Name", body.get("info", {}).get("title", "api"))
    properties["ProtocolType"] = "HTTP"
    if cors := body.get(EXTENSION + "cors"):
        properties["CorsConfiguration"] = {name[0].upper() + name[1:]: value for name, value in cors.items()}
    return {**api, "Properties": properties}


def _authorizer(api_id: str, name: str, given: dict[str, Any]) -> Resource:
    sources = given.get("identitySource", "$request.header.Authorization")
    properties: dict[str, Any] = {
        "ApiId": {"Ref": api_id},
        "Name": name,
        "AuthorizerType": given["type"].upper(),
        "IdentitySource": sources.split(",") if isinstance(sources, str) else sources,
    }
    if given["type"] == "jwt":
        configuration = given["jwtConfiguration"]
        properties["JwtConfiguration"] = {"Issuer": configuration["issuer"], "Audience": configuration["audience"]}
    else:
        properties["AuthorizerUri"] = given["authorizerUri"]
        properties["AuthorizerPayloadFormatVersion"] = str(given.get("authorizerPayloadFormatVersion", "2.0"))
        properties["EnableSimpleResponses"] = bool(given.get("enableSimpleResponses"))
        properties["AuthorizerResultTtlInSeconds"] = int(given.get("authorizerResultTtlInSeconds", 300))
    return {"Type": "AWS::ApiGatewayV2::Authorizer", "Properties": properties}


def _integration(api_id: str, given: dict[str, Any]) -> Resource:
    properties = {
        "ApiId": {"Ref": api_id},
        "IntegrationType": "AWS_PROXY",
        "IntegrationMethod": "POST",
        "IntegrationUri": given["uri"],
        "PayloadFormatVersion": str(given.get("payloadFormatVersion", "2.0")),
        "TimeoutInMillis": int(given.get("timeoutInMillis", 30_000)),
    }
    return {"Type": "AWS::ApiGatewayV2::Integration", "Properties": properties}


def _route(
    api_id: str, method: str, path: str, operation: dict[str, Any], authorizers: dict[str, Resource]
) -> Resource:
    verb = "ANY" if method == EXTENSION + "any-method" else method.upper()
    target = _integration_id(api_id, operation[EXTENSION + "integration"])
    properties: dict[str, Any] = {
        "ApiId": {"Ref": api_id},
        "RouteKey": "$default" if path == "/$default" else f"{verb} {path}",
        "Target": {"Fn::Sub": f"integrations/${{{target}}}"},
    }
    for requirement in operation.get("security", []):
        for name, scopes in requirement.items():
            if name in authorizers:
                kind = authorizers[name]["Properties"]["AuthorizerType"]
                properties["AuthorizationType"] = "JWT" if kind == "JWT" else "CUSTOM"
                properties["AuthorizerId"] = {"Ref": _authorizer_id(api_id, name)}
                properties |= {"AuthorizationScopes": scopes} if scopes else {}
    return {"Type": "AWS::ApiGatewayV2::Route", "Properties": properties}


def _authorizer_id(api_id: str, name: str) -> str:
    return f"{api_id}Authorizer{re.sub('[^A-Za-z0-9]', '', name)}"


def _integration_id(api_id: str, given: dict[str, Any]) -> str:
    return _id(api_id, "Integration", as_text(given))


def _id(api_id: str, kind: str, content: str) -> str:
    """A logical id that stays the same as long as its content does, so that an update changes nothing else."""
    return f"{api_id}{kind}{hashlib.sha256(content.encode()).hexdigest()[:8]}"
