"""Where partners send browsers back to after a log-in: a public page, since the browser has no credential of ours."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import RequestValidationError
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.api import edge
from audience_core.api.problem import CONTENT_TYPE
from audience_core.management import log_ins

_HTML = "text/html; charset=utf-8"
_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Logged in</title>
<h1>You are logged in</h1>
<p>The output can be used now. Resume its connections if they had a fault. You may close this window.</p>
</html>
"""
# The address of this page holds a code and a state: nobody may keep it or pass it on.
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = APIGatewayHttpResolver(
    enable_validation=True, response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR
)


@app.get(
    "/v1/oauth/callback",
    summary="Finish a log-in at a partner",
    tags=["outputs"],
    responses={200: {"description": "Logged in", "content": {"text/html": {"schema": {"type": "string"}}}}},
)
def finish_log_in(
    state: Annotated[str, Query(max_length=200, description="As the address of the log-in had it; good once")],
    code: Annotated[str | None, Query(max_length=4096, description="From the partner; none when it refused")] = None,
) -> Response[str]:
    """Partners send browsers here; it needs no credential but the state, which is good once, for ten minutes."""
    log_ins.finish(wiring.stores(), wiring.send(), state, code, edge.now())
    return Response(HTTPStatus.OK, _HTML, _PAGE, _HEADERS)


def explain(error: Exception) -> Response[str]:
    field_errors = error.errors() if isinstance(error, RequestValidationError) else ()
    problem = edge.explanation(error, field_errors, app.current_event.raw_event)
    return Response(problem.status, CONTENT_TYPE, problem.body, {**problem.headers, **_HEADERS})


app.exception_handler(Exception)(explain)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return app.resolve(event, context)
