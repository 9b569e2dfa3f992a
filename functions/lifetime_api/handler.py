"""HTTP API of calculations of lifetime audiences, and of the event archive that they read."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring, wiring_management
from audience_core.api import edge
from audience_core.api.cursor import Cursors
from audience_core.api.idempotency import once
from audience_core.api.lifetime_views import (
    CalculationView,
    CompactionStartView,
    EventArchiveView,
    QuotaView,
    archive_view,
    calculation_view,
    quota_view,
)
from audience_core.api.principal import principal_of
from audience_core.api.routing import IdempotencyKey, Next, account_of, answer, new_api
from audience_core.api.views import Listing
from audience_core.management import calculations, jobs
from audience_core.management.calculations import CalculationStores, NewCalculation

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()


@app.post(
    "/v1/lifetime-calculations", status_code=202, summary="Calculate lifetime audiences", tags=["lifetime audiences"]
)
def start_calculation(body: NewCalculation, idempotency_key: IdempotencyKey = None) -> Response[CalculationView]:
    """All of them in one scan of the archive, for as many credits as the days of all together take."""
    of, caller, now = wiring.stores(), principal_of(app.current_event.raw_event), edge.now()
    stores = CalculationStores(of.accounts, of.audiences, of.shards, of.jobs, of.workflows)
    view = once(
        of.audiences,
        edge.create_of(app.current_event.raw_event, caller.account_id),
        now,
        CalculationView,
        lambda: calculation_view(
            jobs.queued(calculations.start(stores, caller.account_id, body, caller.client_id, now))
        ),
    )
    location = {"Location": f"/v1/lifetime-calculations/{view.id}"}
    return Response(HTTPStatus.ACCEPTED, "application/json", view, location)


@app.get("/v1/lifetime-calculations", summary="List calculations, the latest first", tags=["lifetime audiences"])
def list_calculations(limit: Annotated[int, Query(ge=1, le=100)] = 50, after: Next = None) -> Listing[CalculationView]:
    found = jobs.calculations(wiring_management.jobs(), account_of(app), edge.now())
    cursors = Cursors(wiring.stores().signing_keys, account_of(app), "calculations")
    start = int(cursors.decode(after) or 0)
    more = str(start + limit) if len(found) > start + limit else None
    items = tuple(map(calculation_view, found[start : start + limit]))
    return Listing(items=items, next=cursors.encode(more))


@app.get("/v1/lifetime-calculations/quota", summary="Get the credits", tags=["lifetime audiences"])
def get_quota() -> QuotaView:
    of = wiring.stores()
    return quota_view(calculations.quota(of.accounts, of.jobs, account_of(app), edge.now()))


@app.get("/v1/lifetime-calculations/<calculation_id>", summary="Get a calculation", tags=["lifetime audiences"])
def get_calculation(calculation_id: str) -> CalculationView:
    return calculation_view(jobs.calculation(wiring_management.jobs(), account_of(app), calculation_id, edge.now()))


@app.get("/v1/archive", summary="Get how far the event archive reaches", tags=["lifetime audiences"])
def get_archive() -> EventArchiveView:
    return archive_view(wiring.stores().shards.manifest(account_of(app)))


@app.post(
    "/v1/archive/compactions", status_code=202, summary="Compact the event archive now", tags=["lifetime audiences"]
)
def start_compaction() -> Response[CompactionStartView]:
    """Otherwise it is done every night. One that is under way is not disturbed."""
    purpose = edge.now().strftime("%Y%m%dT%H%M")
    run = wiring.stores().workflows.start_compaction(account_of(app), purpose)
    return Response(HTTPStatus.ACCEPTED, "application/json", CompactionStartView(run=run))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)
