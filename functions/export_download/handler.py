"""Where the link of an e-mail leads: no credential but the link itself, and on to the file."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring_exports
from audience_core.api import edge
from audience_core.api.problem import CONTENT_TYPE
from audience_core.management import exports

# Neither the link nor where it leads is for caches, or for whoever the browser asks next.
PRIVATE = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = APIGatewayHttpResolver(
    enable_validation=True, response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR
)


@app.get(
    "/v1/downloads/<token>",
    summary="Follow the link of an e-mail",
    tags=["exports"],
    responses={302: {"description": "On to the archive, by an address that works for minutes"}},
)
def follow_link(token: str) -> Response[str]:
    """403 when it is not one of ours, 410 when its seven days are over."""
    address = exports.open_link(wiring_exports.exports(), token, edge.now())
    return Response(HTTPStatus.FOUND, "text/plain", "On to the file.\n", {"Location": address, **PRIVATE})


def explain(error: Exception) -> Response[str]:
    field_errors = error.errors() if isinstance(error, RequestValidationError) else ()
    problem = edge.explanation(error, field_errors, app.current_event.raw_event)
    return Response(problem.status, CONTENT_TYPE, problem.body, {**problem.headers, **PRIVATE})


app.exception_handler(Exception)(explain)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
