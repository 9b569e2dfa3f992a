"""HTTP API of exports: the members of audiences as files, asked for, watched, cancelled, downloaded."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.openapi.exceptions import (
    RequestUnsupportedContentType,
    RequestValidationError,
)
from aws_lambda_powertools.event_handler.openapi.params import Header, Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.api import edge
from audience_core.api.cursor import Cursors
from audience_core.api.export_views import DownloadView, ExportView, export_view
from audience_core.api.idempotency import once
from audience_core.api.principal import principal_of
from audience_core.api.problem import CONTENT_TYPE
from audience_core.api.views import Listing
from audience_core.domain.ids import AccountId, AudienceId
from audience_core.management import exports
from audience_core.management.exports import LINK_SECONDS, NewExport, Requester

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = APIGatewayHttpResolver(
    enable_validation=True, response_validation_error_http_code=HTTPStatus.INTERNAL_SERVER_ERROR
)

IdempotencyKey = Annotated[
    str | None, Header(alias="Idempotency-Key", max_length=255, description="Makes a repeat give the first answer")
]
Next = Annotated[str | None, Query(alias="next", description="`next` of the page before")]


@app.post("/v1/exports", status_code=201, summary="Export audiences", tags=["exports"])
def create_export(body: NewExport, idempotency_key: IdempotencyKey = None) -> Response[ExportView]:
    """Their members as of this instant, one row an identity, as a ZIP of one file an audience and `manifest.json`."""
    stores, account_id, now = wiring.exports(), _account_id(), edge.now()
    view = once(
        stores.audiences,
        edge.create_of(app.current_event.raw_event, account_id),
        now,
        ExportView,
        lambda: export_view(exports.create(stores, _requester(), body, now)),
    )
    headers = {"Location": f"/v1/exports/{view.id}"}
    return Response(HTTPStatus.CREATED, "application/json", view, headers)


@app.get("/v1/exports", summary="List exports, the latest first", tags=["exports"])
def list_exports(
    audience: Annotated[int | None, Query(description="Only those of this audience")] = None,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Next = None,
) -> Listing[ExportView]:
    cursors = Cursors(wiring.exports().keys, _account_id(), f"exports {audience}")
    start = int(cursors.decode(after) or 0)
    audience_id = None if audience is None else AudienceId(audience)
    found, more = exports.list_all(wiring.exports(), _account_id(), audience_id, start, limit, edge.now())
    position = None if more is None else str(more)
    return Listing(items=tuple(map(export_view, found)), next=cursors.encode(position))


@app.get("/v1/exports/<export_id>", summary="Get an export", tags=["exports"])
def get_export(export_id: str) -> ExportView:
    return export_view(exports.get(wiring.exports(), _account_id(), export_id, edge.now()))


@app.post("/v1/exports/<export_id>/cancel", summary="Stop an export", tags=["exports"])
def cancel_export(export_id: str) -> ExportView:
    """What it has written is removed."""
    return export_view(exports.cancel(wiring.exports(), _account_id(), export_id, edge.now()))


@app.get("/v1/exports/<export_id>/download", summary="Get the address of a finished archive", tags=["exports"])
def download_export(export_id: str) -> DownloadView:
    """Made anew for each call: it is to be used at once."""
    url = exports.download(wiring.exports(), _account_id(), export_id, edge.now())
    return DownloadView(url=url, seconds=LINK_SECONDS)


def explain(error: Exception) -> Response[str]:
    field_errors = error.errors() if isinstance(error, RequestValidationError | RequestUnsupportedContentType) else ()
    problem = edge.explanation(error, field_errors, app.current_event.raw_event)
    return Response(problem.status, CONTENT_TYPE, problem.body, problem.headers)


app.exception_handler(Exception)(explain)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return edge.refusal(event) or app.resolve(event, context)


def _account_id() -> AccountId:
    return principal_of(app.current_event.raw_event).account_id


def _requester() -> Requester:
    event = app.current_event.raw_event
    principal = principal_of(event)
    base = wiring.settings()["PUBLIC_URL"] or f"https://{event['requestContext']['domainName']}"
    return Requester(principal.account_id, principal.client_id, base.rstrip("/"))
