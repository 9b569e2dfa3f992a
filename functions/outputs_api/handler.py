"""HTTP API of the directory of connectors, of outputs, and of connections to them."""

from collections.abc import Callable
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
from audience_core.api.etag import etag, optional_version, required_version
from audience_core.api.idempotency import once
from audience_core.api.job_views import JobView, job_view
from audience_core.api.output_views import (
    AuthorizationView,
    ConnectionView,
    ConnectorView,
    FaultView,
    LookalikeView,
    OutputSecretView,
    OutputTestView,
    OutputView,
    connection_view,
    connector_view,
    fault_view,
    output_secret_view,
    output_test_view,
    output_view,
)
from audience_core.api.reconciliation_view import ReconciliationView, reconciliation_view
from audience_core.api.routing import IdempotencyKey, IfMatch, account_of, answer, created, new_api, ok
from audience_core.api.views import Listing
from audience_core.domain.ids import AudienceId, ConnectionId, OutputId
from audience_core.domain.job import Job
from audience_core.domain.output import Connection, Fault, Output, log_in_page
from audience_core.errors import UnavailableError
from audience_core.management import bulk_connect, connections, jobs, log_ins, outputs, sends
from audience_core.management.bulk_connect import BulkConnection
from audience_core.management.connections import ConnectionEdit, NewConnection
from audience_core.management.outputs import NewOutput, OutputEdit
from audience_core.management.sends import NewSend, SendStores
from audience_core.outputs.lookalike import LookalikeSpec
from audience_core.outputs.registry import CONNECTORS, kind_named
from audience_core.pipeline.convergence import compare

# A page of a comparison is answered well within the 30 s of an HTTP request.
COMPARE_MS = 15_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()


@app.get("/v1/directory", summary="List the connectors", tags=["directory"])
def list_connectors(
    audience: Annotated[
        bool, Query(description="Those that take audiences, which all do; or those that do not")
    ] = True,
) -> Listing[ConnectorView]:
    return Listing(items=tuple(map(connector_view, CONNECTORS.values())) if audience else ())


@app.post("/v1/outputs", status_code=201, summary="Create an output", tags=["outputs"])
def create_output(body: NewOutput, idempotency_key: IdempotencyKey = None) -> Response[OutputSecretView]:
    """The answer holds secrets that were made up: they are shown this once."""
    stores, account_id, now = wiring.stores(), account_of(app), edge.now()
    view = once(
        stores.audiences,
        edge.create_of(app.current_event.raw_event, account_id),
        now,
        OutputSecretView,
        lambda: output_secret_view(*outputs.create(stores.outputs, stores.secrets, account_id, body, now), ()),
        frozenset({"generated"}),
    )
    return created(view, f"/v1/outputs/{view.id}")


@app.get("/v1/outputs", summary="List the outputs, by creation", tags=["outputs"])
def list_outputs() -> Listing[OutputView]:
    store, account_id = wiring.stores().outputs, account_of(app)
    found, connected = store.list(account_id), store.list_connections(account_id)
    return Listing(items=tuple(output_view(each, connected) for each in found))


@app.get("/v1/outputs/<output_id>", summary="Get an output", tags=["outputs"])
def get_output(output_id: str) -> Response[OutputView]:
    store, account_id = wiring.stores().outputs, account_of(app)
    return ok(output_view(store.get(account_id, OutputId(output_id)), store.list_connections(account_id)))


@app.patch("/v1/outputs/<output_id>", summary="Change an output", tags=["outputs"])
def edit_output(output_id: str, body: OutputEdit, if_match: IfMatch = None) -> Response[OutputSecretView]:
    """Changed settings reach all connections of the output."""
    stores, version = wiring.stores(), required_version(if_match)
    account_id = account_of(app)
    edited, made_up = outputs.edit(
        stores.outputs, stores.secrets, stores.workflows, account_id, OutputId(output_id), version, body
    )
    return ok(output_secret_view(edited, made_up, stores.outputs.list_connections(account_id)))


@app.delete("/v1/outputs/<output_id>", status_code=204, summary="Delete an unconnected output", tags=["outputs"])
def delete_output(output_id: str, if_match: IfMatch = None) -> Response[None]:
    stores, version = wiring.stores(), optional_version(if_match)
    outputs.delete(stores.outputs, stores.secrets, account_of(app), OutputId(output_id), version)
    return Response(HTTPStatus.NO_CONTENT)


@app.post("/v1/outputs/<output_id>/test", summary="Try the settings of an output at the partner", tags=["outputs"])
def test_output(output_id: str) -> OutputTestView:
    stores, output = wiring.stores(), (account_of(app), OutputId(output_id))
    fault = outputs.check(stores, wiring.send(), *output, edge.now())
    return output_test_view(_fault_view(stores.outputs.get(*output), fault))


@app.post("/v1/outputs/<output_id>/authorize", summary="Log in at the partner of an output", tags=["outputs"])
def authorize_output(output_id: str) -> AuthorizationView:
    """The address at which to log in. The partner sends the browser back to `/v1/oauth/callback`, which ends it.

    Faults stay until somebody resumes.
    """
    output = (account_of(app), OutputId(output_id))
    return AuthorizationView(
        authorization_url=log_ins.begin(wiring.stores(), *output, _public_url() + "/v1/oauth/callback", edge.now())
    )


@app.post(
    "/v1/outputs/<output_id>/connect-audiences",
    status_code=202,
    summary="Connect many audiences to an output",
    tags=["outputs"],
)
def connect_audiences(
    output_id: str, body: BulkConnection, idempotency_key: IdempotencyKey = None
) -> Response[JobView]:
    """A job that gives each audience a result of its own; what is made is never taken back."""
    stores, account_id, now = wiring.stores(), account_of(app), edge.now()
    of = stores.jobs, stores.outputs, stores.workflows
    view = once(
        stores.audiences,
        edge.create_of(app.current_event.raw_event, account_id),
        now,
        JobView,
        lambda: job_view(jobs.queued(bulk_connect.start(*of, account_id, OutputId(output_id), body, now))),
    )
    return Response(HTTPStatus.ACCEPTED, "application/json", view, {"Location": f"/v1/jobs/{view.id}"})


@app.post(
    "/v1/audiences/<audience_id>/connections", status_code=201, summary="Connect an audience", tags=["connections"]
)
def create_connection(
    audience_id: int, body: NewConnection, idempotency_key: IdempotencyKey = None
) -> Response[ConnectionView]:
    """All its present members are forwarded, and every later change."""
    stores, account_id, now = wiring.stores(), account_of(app), edge.now()
    audience, audiences = (account_id, AudienceId(audience_id)), wiring_management.own_and_received()
    view = once(
        stores.audiences,
        edge.create_of(app.current_event.raw_event, account_id),
        now,
        ConnectionView,
        lambda: _connection_view(connections.create(stores.outputs, audiences, stores.workflows, *audience, body, now)),
    )
    return created(view, f"/v1/connections/{view.id}")


@app.get("/v1/audiences/<audience_id>/connections", summary="List the connections of an audience", tags=["connections"])
def list_connections(audience_id: int) -> Listing[ConnectionView]:
    stores, account_id = wiring.stores(), account_of(app)
    audience = wiring_management.own_and_received().get(account_id, AudienceId(audience_id))
    found = stores.outputs.list_connections(account_id, audience.audience_id)
    return Listing(items=tuple(map(_connection_view, found)))


@app.get("/v1/connections/<connection_id>", summary="Get a connection", tags=["connections"])
def get_connection(connection_id: str) -> Response[ConnectionView]:
    store = wiring.stores().outputs
    return ok(_connection_view(store.get_connection(account_of(app), ConnectionId(connection_id))))


@app.patch("/v1/connections/<connection_id>", summary="Change a connection", tags=["connections"])
def edit_connection(connection_id: str, body: ConnectionEdit, if_match: IfMatch = None) -> Response[ConnectionView]:
    stores, version = wiring.stores(), required_version(if_match)
    audiences = wiring_management.own_and_received()
    connection = (account_of(app), ConnectionId(connection_id))
    return ok(
        _connection_view(
            connections.edit(stores.outputs, audiences, stores.workflows, *connection, version, body, edge.now())
        )
    )


@app.delete("/v1/connections/<connection_id>", status_code=202, summary="Delete a connection", tags=["connections"])
def delete_connection(connection_id: str, if_match: IfMatch = None) -> Response[ConnectionView]:
    """It is gone once the partner was told to forget its members. Delete it again to give a faulted partner up."""
    stores, version = wiring.stores(), optional_version(if_match)
    connection = (account_of(app), ConnectionId(connection_id))
    view = _connection_view(connections.delete(stores.outputs, stores.workflows, *connection, version))
    return Response(HTTPStatus.ACCEPTED, "application/json", view, {"ETag": etag(view.version)})


@app.post("/v1/connections/<connection_id>/resume", summary="Resume a faulted connection", tags=["connections"])
def resume_connection(connection_id: str) -> Response[ConnectionView]:
    """What the partner has missed is sent."""
    stores, now_ms = wiring.stores(), edge.milliseconds(edge.now())
    connection = (account_of(app), ConnectionId(connection_id))
    return ok(
        _connection_view(connections.resume(stores.outputs, stores.wake_ups, stores.workflows, *connection, now_ms))
    )


@app.post(
    "/v1/audiences/<audience_id>/send", status_code=202, summary="Send a lifetime audience", tags=["lifetime audiences"]
)
def send_audience(audience_id: int, body: NewSend, idempotency_key: IdempotencyKey = None) -> Response[JobView]:
    """Its members, as they were calculated last, to outputs that it is connected to; afterwards what has changed.

    A job that gives each connection a result of its own. The connections become active.
    """
    account_id = account_of(app)
    return _sending(lambda of: sends.start(of, account_id, AudienceId(audience_id), body, edge.now()))


@app.post(
    "/v1/connections/<connection_id>/send",
    status_code=202,
    summary="Send a lifetime audience to one output",
    tags=["lifetime audiences"],
)
def send_connection(connection_id: str, idempotency_key: IdempotencyKey = None) -> Response[JobView]:
    account_id = account_of(app)
    return _sending(lambda of: sends.start_one(of, account_id, ConnectionId(connection_id), edge.now()))


@app.get(
    "/v1/connections/<connection_id>/reconciliation",
    summary="Compare a partner with its audience",
    tags=["connections"],
)
def reconcile_connection(
    connection_id: str,
    limit: Annotated[int, Query(ge=0, le=1000, description="Undelivered members to a page; 0 to count alone")] = 100,
    after: Annotated[str | None, Query(alias="next", description="From the page before")] = None,
) -> ReconciliationView:
    """What the partner should have and what it acknowledged, by digest; every member not delivered, with the reason.

    A page ends at `limit` members or after some seconds; the figures are those of all pages up to it.
    """
    stores, account_id, now_ms = wiring.stores(), account_of(app), edge.milliseconds(edge.now())
    cursors = Cursors(stores.signing_keys, account_id, f"reconciliation {connection_id}")
    position = cursors.decode(after)
    connection = stores.outputs.get_connection(account_id, ConnectionId(connection_id))
    found = compare(stores, account_id, connection.connection_id, position, limit, _now_ms, now_ms + COMPARE_MS)
    fault = _fault_view(stores.outputs.get(account_id, connection.output_id), connection.fault)
    return reconciliation_view(connection, fault, found, cursors.encode(found.next))


@app.post(
    "/v1/connections/<connection_id>/lookalike", status_code=201, summary="Have a lookalike made", tags=["connections"]
)
def make_lookalike(connection_id: str, body: LookalikeSpec) -> Response[LookalikeView]:
    """The partner finds people like the members it was told of. Asking for the same again gives the same one."""
    stores = wiring.stores()
    made = connections.make_lookalike(
        stores.outputs, stores.secrets, wiring.send(), account_of(app), ConnectionId(connection_id), body
    )
    view = LookalikeView(remote_id=made.remote_id, name=made.name)
    return Response(HTTPStatus.CREATED, "application/json", view)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _sending(start: Callable[[SendStores], Job]) -> Response[JobView]:
    of = wiring.stores()
    stores = SendStores(of.audiences, of.outputs, of.jobs, of.workflows)
    create = edge.create_of(app.current_event.raw_event, account_of(app))
    view = once(of.audiences, create, edge.now(), JobView, lambda: job_view(jobs.queued(start(stores))))
    return Response(HTTPStatus.ACCEPTED, "application/json", view, {"Location": f"/v1/jobs/{view.id}"})


def _public_url() -> str:
    """Where browsers find this API: as the stack says, or else where this request found it."""
    where = app.current_event.request_context
    stage = "" if where.stage == "$default" else f"/{where.stage}"
    return wiring.settings()["PUBLIC_URL"] or f"https://{where.domain_name}{stage}"


def _connection_view(connection: Connection) -> ConnectionView:
    output = wiring.stores().outputs.get(connection.account_id, connection.output_id)
    return connection_view(connection, kind_named(output.connector), _fault_view(output, connection.fault))


def _fault_view(output: Output, fault: Fault | None) -> FaultView | None:
    if fault is None:
        return None
    page = log_in_page(output, fault)
    return fault_view(fault, _in_console(page) if page else None)


def _in_console(page: str) -> str | None:
    """None while nobody can tell where the console is: what else is known of a fault need not wait for that."""
    try:
        return wiring.console_address().url + page
    except UnavailableError:
        logger.exception("a fault is shown without its link")
        return None


def _now_ms() -> int:
    return edge.milliseconds(edge.now())
