"""The HTTP API as the template describes it: its routes, their authorizers, and the functions behind them."""

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from functions.authorize_bearer import handler as authorize_bearer
from functions.authorize_input import handler as authorize_input
from local.templates import Template
from tests.support.http_api import Answer, Handler, a_context, an_event

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_AUTHORIZERS: Mapping[str, Handler] = {
    "Bearer": authorize_bearer.lambda_handler,
    "Input": authorize_input.lambda_handler,
}


@dataclass(frozen=True)
class Route:
    """Args:
    method: ANY for all.
    authorizer: NONE where everybody may pass.
    """

    method: str
    path: str
    authorizer: str
    function: str

    @property
    def methods(self) -> tuple[str, ...]:
        return _METHODS if self.method == "ANY" else (self.method,)

    def leads(self, method: str, path: str) -> bool:
        return method in self.methods and re.fullmatch(re.sub(r"{[^}]+}", "[^/]+", self.path), path) is not None


def routes(template: Template) -> Iterator[Route]:
    for resource in template["Resources"].values():
        properties = resource.get("Properties", {})
        for event in properties.get("Events", {}).values() if resource["Type"].endswith("::Function") else ():
            if event["Type"] == "HttpApi":
                given = event["Properties"]
                authorizer = given.get("Auth", {}).get("Authorizer", "Bearer")
                yield Route(given["Method"], given["Path"], authorizer, properties["CodeUri"].split("/")[-1])


class FrontDoor:
    """Answers a request as API Gateway does: the closest route, its authorizer, its function."""

    def __init__(self, template: Template) -> None:
        # A route without variables goes before one with.
        self.routes = sorted(routes(template), key=lambda route: (route.path.count("{"), route.method == "ANY"))

    def __call__(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        given = {name.lower(): value for name, value in (headers or {}).items()}
        route = next((route for route in self.routes if route.leads(method, path)), None)
        if route is None:
            return Answer(404, {}, {"message": "Not Found"})
        claims: dict[str, Any] | None = None
        if route.authorizer != "NONE":
            if "authorization" not in given:
                return Answer(401, {}, {"message": "Unauthorized"})
            event = {"version": "2.0", "type": "REQUEST", "headers": given}
            decision = _AUTHORIZERS[route.authorizer](event, a_context())
            if not decision["isAuthorized"]:
                return Answer(403, {}, {"message": "Forbidden"})
            claims = decision["context"]
        text = body if isinstance(body, str) or body is None else json.dumps(body)
        handler = importlib.import_module(f"functions.{route.function}.handler")
        return _answer(handler.lambda_handler(an_event(method, path, text, given, query, claims), a_context()))


def _answer(response: Mapping[str, Any]) -> Answer:
    content = response.get("body") or ""
    try:
        body = json.loads(content) if content else None
    except ValueError:
        body = content
    return Answer(response["statusCode"], response.get("headers", {}), body)
