"""What the HTTP APIs of `/v1` have in common: their resolver, the headers they take, and the answers they give.

Of the layer it alone knows the web framework, which is Powertools'.
"""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core.api import edge
from audience_core.api.etag import etag
from audience_core.api.principal import principal_of
from audience_core.api.problem import CONTENT_TYPE
from audience_core.api.views import Versioned
from audience_core.domain.ids import AccountId

IfMatch = Annotated[str | None, Header(alias="If-Match", description="ETag of the version you change, or *")]
IdempotencyKey = Annotated[
    str | None,
    Header(alias="Idempotency-Key", min_length=1, max_length=255, description="Makes a repeat give the first answer"),
]
Next = Annotated[str | None, Query(alias="next", description="`next` of the page before")]


def new_api() -> APIGatewayHttpResolver:
    """A resolver that validates requests and answers, and tells of every failure as a problem (RFC 9457)."""
    app = APIGatewayHttpResolver(
        enable_validation=True, response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR
    )

    def explain(error: Exception) -> Response[str]:
        invalid = RequestValidationError | RequestUnsupportedContentType
        field_errors = error.errors() if isinstance(error, invalid) else ()
        problem = edge.explanation(error, field_errors, app.current_event.raw_event)
        return Response(problem.status, CONTENT_TYPE, problem.body, problem.headers)

    app.exception_handler(Exception)(explain)
    return app


def answer(app: APIGatewayHttpResolver, event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """What a route says to a caller who may call it, and a refusal to any other."""
    said = edge.refusal(event) or app.resolve(event, context)
    # No content is null to Powertools and to AWS; the gateway of the local AWS only knows an empty text.
    return {**said, "body": said.get("body") or ""}


def account_of(app: APIGatewayHttpResolver) -> AccountId:
    """The caller's, of the request that is being answered."""
    return principal_of(app.current_event.raw_event).account_id


def ok[V: Versioned](view: V) -> Response[V]:
    return Response(HTTPStatus.OK, "application/json", view, {"ETag": etag(view.version)})


def created[V: Versioned](view: V, location: str) -> Response[V]:
    headers = {"ETag": etag(view.version), "Location": location}
    return Response(HTTPStatus.CREATED, "application/json", view, headers)
