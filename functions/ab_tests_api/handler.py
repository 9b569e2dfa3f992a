"""HTTP API of A/B tests and their outcomes."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring, wiring_management
from audience_core.api import edge
from audience_core.api.ab_test_views import AbTestView, OutcomesView, ab_test_view, outcomes_view
from audience_core.api.etag import etag, optional_version
from audience_core.api.idempotency import once
from audience_core.api.routing import IdempotencyKey, IfMatch, account_of, answer, new_api
from audience_core.api.views import Listing
from audience_core.domain.audience import Audience
from audience_core.domain.ids import AudienceId
from audience_core.management import ab_tests, measurements, variant_sizes
from audience_core.management.ab_tests import NewAbTest
from audience_core.management.measurements import NewMeasurement

# How long the members of an audience are counted for one answer.
COUNTING_MS = 5_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()


@app.post("/v1/audiences/<audience_id>/ab-test", status_code=201, summary="Split an audience", tags=["A/B tests"])
def create_ab_test(audience_id: int, body: NewAbTest, idempotency_key: IdempotencyKey = None) -> Response[AbTestView]:
    """The split is frozen: to change it, delete the test."""
    stores, now = wiring.stores(), edge.now()
    audience = (account_of(app), AudienceId(audience_id))

    def make() -> AbTestView:
        return _view(ab_tests.create(wiring_management.own_and_received(), *audience, body, now))

    view = once(stores.audiences, edge.create_of(app.current_event.raw_event, audience[0]), now, AbTestView, make)
    headers = {"ETag": etag(view.version), "Location": f"/v1/audiences/{audience_id}/ab-test"}
    return Response(HTTPStatus.CREATED, "application/json", view, headers)


@app.get("/v1/audiences/<audience_id>/ab-test", summary="Get the A/B test of an audience", tags=["A/B tests"])
def get_ab_test(audience_id: int) -> Response[AbTestView]:
    """With the variants and their sizes, which are counted for this answer."""
    view = _view(wiring_management.own_and_received().get(account_of(app), AudienceId(audience_id)))
    return Response(HTTPStatus.OK, "application/json", view, {"ETag": etag(view.version)})


@app.delete("/v1/audiences/<audience_id>/ab-test", status_code=204, summary="Delete an A/B test", tags=["A/B tests"])
def delete_ab_test(audience_id: int, if_match: IfMatch = None) -> Response[None]:
    """Connections of its variants go, too, once their partners were told to forget the members; all others stay."""
    of, audience = wiring.stores(), (account_of(app), AudienceId(audience_id))
    stores = wiring_management.own_and_received(), of.outputs, of.workflows
    ab_tests.delete(*stores, *audience, optional_version(if_match), edge.now())
    return Response(HTTPStatus.NO_CONTENT)


@app.post(
    "/v1/audiences/<audience_id>/ab-test/outcomes",
    status_code=202,
    summary="Count who converted, by variant",
    tags=["A/B tests"],
)
def create_outcomes(
    audience_id: int, body: NewMeasurement, idempotency_key: IdempotencyKey = None
) -> Response[OutcomesView]:
    """A job counts them: ask for the outcomes again until its state is `succeeded`."""
    of, now, audience = wiring.stores(), edge.now(), (account_of(app), AudienceId(audience_id))
    stores = of.accounts, of.audiences, of.workspaces, of.jobs, of.workflows

    def make() -> OutcomesView:
        job = measurements.start(*stores, *audience, body, now)
        return outcomes_view(measurements.get(wiring_management.jobs(), *audience, job.job_id, now))

    view = once(of.audiences, edge.create_of(app.current_event.raw_event, audience[0]), now, OutcomesView, make)
    headers = {"Location": f"/v1/audiences/{audience_id}/ab-test/outcomes/{view.id}"}
    return Response(HTTPStatus.ACCEPTED, "application/json", view, headers)


@app.get("/v1/audiences/<audience_id>/ab-test/outcomes", summary="List outcomes, the latest first", tags=["A/B tests"])
def list_outcomes(audience_id: int) -> Listing[OutcomesView]:
    """Those of tests that were deleted, too."""
    found = measurements.list_all(wiring_management.jobs(), account_of(app), AudienceId(audience_id), edge.now())
    return Listing(items=tuple(map(outcomes_view, found)))


@app.get("/v1/audiences/<audience_id>/ab-test/outcomes/<outcomes_id>", summary="Get outcomes", tags=["A/B tests"])
def get_outcomes(audience_id: int, outcomes_id: str) -> OutcomesView:
    """Users, conversions, rate and lift of each variant, with 95 % intervals, when all is counted."""
    return outcomes_view(
        measurements.get(wiring_management.jobs(), account_of(app), AudienceId(audience_id), outcomes_id, edge.now())
    )


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _view(audience: Audience) -> AbTestView:
    of = wiring.stores()
    return ab_test_view(
        audience, variant_sizes.measure(of.memberships, of.splits, audience, clock.now_ms, clock.now_ms() + COUNTING_MS)
    )
