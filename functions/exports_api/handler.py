"""HTTP API of exports: the members of audiences as files, asked for, watched, cancelled, downloaded."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring, wiring_exports
from audience_core.api import edge
from audience_core.api.cursor import Cursors
from audience_core.api.export_views import DownloadView, ExportView, export_view
from audience_core.api.idempotency import once
from audience_core.api.principal import principal_of
from audience_core.api.routing import IdempotencyKey, Next, account_of, answer, new_api
from audience_core.api.views import Listing
from audience_core.domain.ids import AudienceId
from audience_core.management import exports
from audience_core.management.exports import LINK_SECONDS, NewExport, Requester

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()


@app.post("/v1/exports", status_code=201, summary="Export audiences", tags=["exports"])
def create_export(body: NewExport, idempotency_key: IdempotencyKey = None) -> Response[ExportView]:
    """Their members as of this instant, one row an identity, as a ZIP of one file an audience and `manifest.json`."""
    stores, account_id, now = wiring_exports.exports(), account_of(app), edge.now()
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
    cursors = Cursors(wiring_exports.exports().keys, account_of(app), f"exports {audience}")
    start = int(cursors.decode(after) or 0)
    audience_id = None if audience is None else AudienceId(audience)
    found, more = exports.list_all(wiring_exports.exports(), account_of(app), audience_id, start, limit, edge.now())
    position = None if more is None else str(more)
    return Listing(items=tuple(map(export_view, found)), next=cursors.encode(position))


@app.get("/v1/exports/<export_id>", summary="Get an export", tags=["exports"])
def get_export(export_id: str) -> ExportView:
    return export_view(exports.get(wiring_exports.exports(), account_of(app), export_id, edge.now()))


@app.post("/v1/exports/<export_id>/cancel", summary="Stop an export", tags=["exports"])
def cancel_export(export_id: str) -> ExportView:
    """What it has written is removed."""
    return export_view(exports.cancel(wiring_exports.exports(), account_of(app), export_id, edge.now()))


@app.get("/v1/exports/<export_id>/download", summary="Get the address of a finished archive", tags=["exports"])
def download_export(export_id: str) -> DownloadView:
    """Made anew for each call: it is to be used at once."""
    url = exports.download(wiring_exports.exports(), account_of(app), export_id, edge.now())
    return DownloadView(url=url, seconds=LINK_SECONDS)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _requester() -> Requester:
    event = app.current_event.raw_event
    principal = principal_of(event)
    base = wiring.settings()["PUBLIC_URL"] or f"https://{event['requestContext']['domainName']}"
    return Requester(principal.account_id, principal.client_id, base.rstrip("/"))
