"""HTTP API of an account's settings: workspaces, their inputs, and people."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext
from pydantic import BaseModel, ConfigDict

from audience_core import wiring
from audience_core.api import edge
from audience_core.api.etag import optional_version, required_version
from audience_core.api.idempotency import once
from audience_core.api.routing import IdempotencyKey, IfMatch, account_of, answer, created, new_api, ok
from audience_core.api.views import (
    InputCredentialView,
    InputView,
    Listing,
    PersonView,
    WorkspaceView,
    input_credential_view,
    input_view,
    workspace_view,
)
from audience_core.domain.account import InputKind, ResourceName
from audience_core.domain.ids import InputId, WorkspaceId
from audience_core.management import accounts, workspaces
from audience_core.management.workspaces import Rotation

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()


class Named(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: ResourceName


class NewInput(Named):
    kind: InputKind = InputKind.PLATFORM


@app.post("/v1/workspaces", status_code=201, summary="Create a workspace", tags=["workspaces"])
def create_workspace(body: Named, idempotency_key: IdempotencyKey = None) -> Response[WorkspaceView]:
    stores, account_id, now = wiring.stores(), account_of(app), edge.now()
    view = once(
        stores.audiences,
        edge.create_of(app.current_event.raw_event, account_id),
        now,
        WorkspaceView,
        lambda: workspace_view(workspaces.create(stores.workspaces, account_id, body.name, now)),
    )
    return created(view, f"/v1/workspaces/{view.id}")


@app.get("/v1/workspaces", summary="List the workspaces, by creation", tags=["workspaces"])
def list_workspaces() -> Listing[WorkspaceView]:
    return Listing(items=tuple(map(workspace_view, wiring.stores().workspaces.list(account_of(app)))))


@app.get("/v1/workspaces/<workspace_id>", summary="Get a workspace", tags=["workspaces"])
def get_workspace(workspace_id: str) -> Response[WorkspaceView]:
    return ok(workspace_view(wiring.stores().workspaces.get(account_of(app), WorkspaceId(workspace_id))))


@app.patch("/v1/workspaces/<workspace_id>", summary="Rename a workspace", tags=["workspaces"])
def rename_workspace(workspace_id: str, body: Named, if_match: IfMatch = None) -> Response[WorkspaceView]:
    store, version = wiring.stores().workspaces, required_version(if_match)
    return ok(workspace_view(workspaces.rename(store, account_of(app), WorkspaceId(workspace_id), version, body.name)))


@app.delete("/v1/workspaces/<workspace_id>", status_code=204, summary="Delete an unused workspace", tags=["workspaces"])
def delete_workspace(workspace_id: str, if_match: IfMatch = None) -> Response[None]:
    stores, version = wiring.stores(), optional_version(if_match)
    workspaces.delete(stores.workspaces, stores.audiences, account_of(app), WorkspaceId(workspace_id), version)
    return Response(HTTPStatus.NO_CONTENT)


@app.post("/v1/workspaces/<workspace_id>/inputs", status_code=201, summary="Create an input", tags=["inputs"])
def create_input(
    workspace_id: str, body: NewInput, idempotency_key: IdempotencyKey = None
) -> Response[InputCredentialView]:
    """The answer holds the secret: it is shown this once."""
    stores, account_id, now = wiring.stores(), account_of(app), edge.now()
    home = WorkspaceId(workspace_id)
    view = once(
        stores.audiences,
        edge.create_of(app.current_event.raw_event, account_id),
        now,
        InputCredentialView,
        lambda: input_credential_view(
            *workspaces.create_input(stores.workspaces, account_id, home, body.name, body.kind, now)
        ),
        frozenset({"secret"}),
    )
    return created(view, f"/v1/workspaces/{workspace_id}/inputs/{view.id}")


@app.get("/v1/workspaces/<workspace_id>/inputs", summary="List the inputs of a workspace", tags=["inputs"])
def list_inputs(workspace_id: str) -> Listing[InputView]:
    store, account_id = wiring.stores().workspaces, account_of(app)
    workspace = store.get(account_id, WorkspaceId(workspace_id))
    return Listing(items=tuple(map(input_view, store.list_inputs(account_id, workspace.workspace_id))))


@app.get("/v1/workspaces/<workspace_id>/inputs/<input_id>", summary="Get an input", tags=["inputs"])
def get_input(workspace_id: str, input_id: str) -> Response[InputView]:
    store = wiring.stores().workspaces
    return ok(input_view(store.get_input(account_of(app), WorkspaceId(workspace_id), InputId(input_id))))


@app.patch("/v1/workspaces/<workspace_id>/inputs/<input_id>", summary="Rename an input", tags=["inputs"])
def rename_input(workspace_id: str, input_id: str, body: Named, if_match: IfMatch = None) -> Response[InputView]:
    store, version = wiring.stores().workspaces, required_version(if_match)
    place = (account_of(app), WorkspaceId(workspace_id), InputId(input_id))
    return ok(input_view(workspaces.rename_input(store, *place, version, body.name)))


@app.post(
    "/v1/workspaces/<workspace_id>/inputs/<input_id>/rotate",
    summary="Replace the key and secret of an input",
    tags=["inputs"],
)
def rotate_input(workspace_id: str, input_id: str, body: Rotation | None = None) -> Response[InputCredentialView]:
    """The answer holds the new secret: it is shown this once. The one before works beside it for `grace_hours`."""
    store = wiring.stores().workspaces
    place = (account_of(app), WorkspaceId(workspace_id), InputId(input_id))
    return ok(input_credential_view(*workspaces.rotate_input(store, *place, body or Rotation(), edge.now())))


@app.post(
    "/v1/workspaces/<workspace_id>/inputs/<input_id>/revoke-previous",
    summary="Refuse the key that was replaced, before its grace ends",
    tags=["inputs"],
)
def revoke_previous_key(workspace_id: str, input_id: str) -> Response[InputView]:
    """It takes half a minute until every request with it is refused."""
    store = wiring.stores().workspaces
    return ok(
        input_view(workspaces.revoke_previous(store, account_of(app), WorkspaceId(workspace_id), InputId(input_id)))
    )


@app.delete(
    "/v1/workspaces/<workspace_id>/inputs/<input_id>",
    status_code=204,
    summary="Delete an unused input",
    tags=["inputs"],
)
def delete_input(workspace_id: str, input_id: str, if_match: IfMatch = None) -> Response[None]:
    stores, version = wiring.stores(), optional_version(if_match)
    place = (account_of(app), WorkspaceId(workspace_id), InputId(input_id))
    workspaces.delete_input(stores.workspaces, stores.audiences, *place, version)
    return Response(HTTPStatus.NO_CONTENT)


@app.get("/v1/people", summary="List who may sign in, by address", tags=["people"])
def list_people() -> Listing[PersonView]:
    """For admins. An operator invites people, and takes that back."""
    found = accounts.people(wiring.stores().accounts, account_of(app))
    return Listing(items=tuple(PersonView(email=each.client_id, role=each.role) for each in found))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)
