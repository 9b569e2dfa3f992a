"""HTTP API of audiences."""

from collections.abc import Callable
from datetime import datetime
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
from audience_core.api.job_views import VersionView, version_view
from audience_core.api.principal import principal_of
from audience_core.api.routing import IdempotencyKey, IfMatch, Next, account_of, answer, new_api
from audience_core.api.views import (
    AudienceList,
    AudienceTags,
    AudienceView,
    HistoryView,
    Listing,
    MemberView,
    Scope,
    TagView,
    audience_row,
    audience_view,
    history_view,
    member_view,
)
from audience_core.domain.audience import Audience, AudienceKind, AudienceStatus
from audience_core.domain.ids import AudienceId, Mpid, WorkspaceId
from audience_core.evaluation.explanation import Explanation
from audience_core.management import audiences, edits, jobs, lifetime, listings, members, sharing
from audience_core.management import dry_run as dry_running
from audience_core.management import explain as explaining
from audience_core.management import preview as previewing
from audience_core.management import tags as tagging
from audience_core.management.audiences import AudienceEdit, Cloning, NewAudience, Restoration
from audience_core.management.dry_run import DryRun
from audience_core.management.listings import Tab
from audience_core.management.ordering import Sort, SortKey
from audience_core.management.preview import Draft, Preview
from audience_core.management.sharing import Party

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()

SORT = f"^-?({'|'.join(SortKey)})$"
MPID = r"^-?[0-9]{1,19}$"


@app.post("/v1/audiences", status_code=201, summary="Create an audience", tags=["audiences"])
def create_audience(body: NewAudience, idempotency_key: IdempotencyKey = None) -> Response[AudienceView]:
    stores, caller, now = wiring.stores(), principal_of(app.current_event.raw_event), edge.now()

    def make() -> AudienceView:
        created = audiences.create(
            stores.accounts,
            stores.audiences,
            stores.workspaces,
            stores.workflows,
            caller.account_id,
            body,
            caller.client_id,
            now,
        )
        return _view(created.audience_id)

    return _created(make, now)


@app.post("/v1/audiences/<audience_id>/clone", status_code=201, summary="Clone an audience", tags=["audiences"])
def clone_audience(
    audience_id: int, body: Cloning | None = None, idempotency_key: IdempotencyKey = None
) -> Response[AudienceView]:
    """A draft with its definition, workspaces, inputs and tags, no external name of its own, and no A/B test."""
    store, caller, now = wiring.stores().audiences, principal_of(app.current_event.raw_event), edge.now()
    original = (caller.account_id, AudienceId(audience_id))

    def make() -> AudienceView:
        return _view(audiences.clone(store, *original, body or Cloning(), caller.client_id, now).audience_id)

    return _created(make, now)


@app.get("/v1/audiences", summary="List audiences", tags=["audiences"])
def list_audiences(
    kind: Annotated[AudienceKind | None, Query(description="Only those of this kind")] = None,
    scope: Annotated[Scope | None, Query(description="Only those of one workspace, or of several")] = None,
    status: Annotated[AudienceStatus | None, Query(description="Only those of this status")] = None,
    tab: Annotated[
        Tab | None, Query(description="Only lifetime ones: drafts and those being calculated, ready, or archived")
    ] = None,
    workspace: Annotated[str | None, Query(description="Only those drawn from this workspace")] = None,
    tag: Annotated[list[str] | None, Query(description="Only those with this tag; repeat it for several")] = None,
    ab_test: Annotated[bool | None, Query(description="Only those that are split for a test, or that are not")] = None,
    q: Annotated[str, Query(max_length=100, description="Only those named like this, or with this id")] = "",
    sort: Annotated[str, Query(pattern=SORT, description="- before it: descending; what has no value is last")] = "id",
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    after: Next = None,
) -> AudienceList:
    """Figures are some seconds old; those of a single audience are exact."""
    stores, now = wiring.stores(), edge.now()
    tags = sorted(edge.repeated(app.current_event.raw_event, "tag"))
    listing = f"audiences {[kind, scope, status, tab, workspace, tags, ab_test, q, sort]}"
    cursors = Cursors(stores.signing_keys, account_of(app), listing)
    found = listings.page(
        stores.accounts,
        stores.audiences,
        stores.outputs,
        stores.summaries,
        account_of(app),
        listings.Filter(
            kind=kind,
            is_multi=None if scope is None else scope is Scope.MULTI,
            status=status,
            tab=tab,
            now=now,
            workspace_id=WorkspaceId(workspace) if workspace else None,
            tags=frozenset(tags),
            text=q,
            has_ab_test=ab_test,
        ),
        Sort.parse(sort),
        cursors.decode(after),
        limit,
        edge.milliseconds(now),
    )
    calculating = jobs.calculating(
        wiring_management.jobs(), account_of(app), [each.audience for each in found.page.items], now
    )
    return AudienceList(
        items=tuple(audience_row(each, calculating.get(each.audience.audience_id), now) for each in found.page.items),
        next=cursors.encode(found.page.next),
        active=found.active,
        active_cap=found.active_cap,
    )


@app.get("/v1/tags", summary="List the tags in use", tags=["audiences"])
def list_tags() -> Listing[TagView]:
    """In the order of the alphabet, all at once."""
    uses = tagging.uses(wiring.stores().audiences, account_of(app))
    return Listing(items=tuple(TagView(tag=tag, audiences=count) for tag, count in uses.items()))


@app.get("/v1/audiences/<audience_id>", summary="Get an audience", tags=["audiences"])
def get_audience(audience_id: int) -> Response[AudienceView]:
    return _ok(AudienceId(audience_id))


@app.patch("/v1/audiences/<audience_id>", summary="Change an audience", tags=["audiences"])
def edit_audience(
    audience_id: int,
    body: AudienceEdit,
    if_match: IfMatch = None,
    dry_run: Annotated[bool, Query(description="Save nothing; tell who would join and leave")] = False,
) -> Response[AudienceView | DryRun]:
    """A new meaning of an active audience is staged: it takes over, all at once, when its members are known.

    Until then the audience keeps its definition and its members.
    """
    of, audience = wiring.stores(), (account_of(app), AudienceId(audience_id))
    if dry_run:
        stores = of.accounts, of.audiences, of.workspaces, of.profiles
        return _plain(dry_running.dry_run(*stores, *audience, optional_version(if_match), body, edge.now()))
    version = required_version(if_match)
    audiences.edit(of.audiences, of.workspaces, of.workflows, *audience, version, body, edge.now())
    return _ok(AudienceId(audience_id))


@app.get("/v1/audiences/<audience_id>/versions", summary="List the versions of a definition", tags=["audiences"])
def list_versions(audience_id: int) -> Listing[VersionView]:
    """Every definition that was live or staged while the audience was active, by number."""
    store, account_id = wiring.stores().audiences, account_of(app)
    audience = store.get(account_id, AudienceId(audience_id))
    versions = {each.number: each for each in store.list_versions(account_id, audience.audience_id)}
    versions[audience.definition_version] = edits.live_version(audience)
    return Listing(items=tuple(version_view(versions[number], audience) for number in sorted(versions)))


@app.post("/v1/audiences/<audience_id>/restore", summary="Go back to a former definition", tags=["audiences"])
def restore_audience(audience_id: int, body: Restoration, if_match: IfMatch = None) -> Response[AudienceView]:
    """As an edit to what that version says, which becomes a new version."""
    of, audience, version = wiring.stores(), (account_of(app), AudienceId(audience_id)), optional_version(if_match)
    stores = of.audiences, of.workspaces, of.workflows
    audiences.restore(*stores, *audience, version, body.version, edge.now())
    return _ok(AudienceId(audience_id))


@app.delete("/v1/audiences/<audience_id>", status_code=204, summary="Delete an audience", tags=["audiences"])
def delete_audience(audience_id: int, if_match: IfMatch = None) -> Response[None]:
    """Sharing it with others ends; it is refused while outputs are connected to it or other audiences read it."""
    stores, version = wiring.stores(), optional_version(if_match)
    caller = principal_of(app.current_event.raw_event)
    audience, client = (caller.account_id, AudienceId(audience_id)), Party(caller.account_id, caller.client_id)

    def end_sharing() -> None:
        sharing.end_all_of(wiring_management.sharing(), client, AudienceId(audience_id), edge.now())

    audiences.delete(stores.audiences, stores.outputs, stores.workflows, *audience, version, end_sharing)
    return Response(HTTPStatus.NO_CONTENT)


@app.post("/v1/audiences/<audience_id>/activate", summary="Start populating an audience", tags=["audiences"])
def activate_audience(audience_id: int, if_match: IfMatch = None) -> Response[AudienceView]:
    stores, version = wiring.stores(), optional_version(if_match)
    audience = (account_of(app), AudienceId(audience_id))
    audiences.activate(
        stores.accounts, stores.audiences, stores.workspaces, stores.workflows, *audience, version, edge.now()
    )
    return _ok(AudienceId(audience_id))


@app.post("/v1/audiences/<audience_id>/deactivate", summary="Make an audience a draft again", tags=["audiences"])
def deactivate_audience(audience_id: int, if_match: IfMatch = None) -> Response[AudienceView]:
    """It loses all its members."""
    stores, version = wiring.stores(), optional_version(if_match)
    audience = (account_of(app), AudienceId(audience_id))
    audiences.deactivate(stores.audiences, stores.workflows, *audience, version, edge.now())
    return _ok(AudienceId(audience_id))


@app.post("/v1/audiences/<audience_id>/archive", summary="Put a lifetime audience away", tags=["audiences"])
def archive_audience(audience_id: int, if_match: IfMatch = None) -> Response[AudienceView]:
    """One that is ready; after 30 days that happens by itself. It can be cloned, and the clone calculated."""
    audience, version = (account_of(app), AudienceId(audience_id)), optional_version(if_match)
    lifetime.archive(wiring.stores().audiences, *audience, version, edge.now())
    return _ok(AudienceId(audience_id))


@app.get("/v1/audiences/<audience_id>/tags", summary="Get the tags of an audience", tags=["audiences"])
def get_tags(audience_id: int) -> Response[AudienceTags]:
    return _tags(wiring_management.own_and_received().get(account_of(app), AudienceId(audience_id)))


@app.put("/v1/audiences/<audience_id>/tags", summary="Replace the tags of an audience", tags=["audiences"])
def put_tags(audience_id: int, body: AudienceTags, if_match: IfMatch = None) -> Response[AudienceTags]:
    """A tag that differs from one of the account's in case alone becomes that one."""
    store, version = wiring_management.own_and_received(), required_version(if_match)
    return _tags(tagging.put(store, account_of(app), AudienceId(audience_id), version, body.tags, edge.now()))


@app.get("/v1/audiences/<audience_id>/members", summary="List the members of an audience", tags=["audiences"])
def list_members(
    audience_id: int,
    at: Annotated[
        datetime | None, Query(description="Those of this past instant (UTC if it has no zone); now by default")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Next = None,
) -> Listing[MemberView]:
    """Of a past instant a page may be short, even empty, though `next` names another."""
    of, audience = wiring.stores(), (account_of(app), AudienceId(audience_id))
    cursors = Cursors(of.signing_keys, account_of(app), f"members {audience_id} {at}")
    stores = members.MemberStores(of.accounts, of.audiences, of.memberships, of.history, of.results, of.jobs)
    page = members.page(stores, *audience, at, edge.now(), cursors.decode(after), limit)
    return Listing(items=tuple(map(member_view, page.items)), next=cursors.encode(page.next))


@app.get("/v1/audiences/<audience_id>/history", summary="List who joined and left, newest first", tags=["audiences"])
def list_history(
    audience_id: int,
    mpid: Annotated[str | None, Query(pattern=MPID, description="Only this user's")] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    after: Next = None,
) -> Listing[HistoryView]:
    of, audience = wiring.stores(), (account_of(app), AudienceId(audience_id))
    cursors = Cursors(of.signing_keys, account_of(app), f"history {audience_id} {mpid}")
    user = None if mpid is None else Mpid(int(mpid))
    page = members.history(of.audiences, of.history, *audience, user, cursors.decode(after), limit)
    return Listing(items=tuple(map(history_view, page.items)), next=cursors.encode(page.next))


@app.post("/v1/audiences/preview", summary="Measure a definition that is not stored", tags=["audiences"])
def preview_audience(body: Draft) -> Preview:
    """Its size with a 95 % interval, some members, whom outputs could be told of, and warnings."""
    of, account_id = wiring.stores(), account_of(app)
    return previewing.preview(
        of.accounts, of.audiences, of.workspaces, of.outputs, of.profiles, account_id, body, edge.now()
    )


@app.get("/v1/audiences/<audience_id>/estimate", summary="Measure an audience by its definition", tags=["audiences"])
def estimate_audience(audience_id: int) -> Preview:
    """As a preview does; a draft has no members, but this tells how many it would have."""
    of, audience = wiring.stores(), (account_of(app), AudienceId(audience_id))
    return previewing.estimate(of.accounts, of.audiences, of.outputs, of.profiles, *audience, edge.now())


@app.get("/v1/audiences/<audience_id>/explain", summary="Say why a user is in an audience or not", tags=["audiences"])
def explain_membership(
    audience_id: int,
    mpid: Annotated[str | None, Query(pattern=MPID, description="The user's profile")] = None,
    customer_id: Annotated[str | None, Query(max_length=256, description="In place of the mpid")] = None,
    at: Annotated[
        datetime | None, Query(description="As of this instant (UTC if it has no zone); now by default")
    ] = None,
) -> Explanation:
    """By what is known of the user now, whatever was known then."""
    of, account_id, now = wiring.stores(), account_of(app), edge.now()
    user = explaining.user_of(of.accounts, of.identities, of.profiles, account_id, mpid, customer_id)
    audience = (account_id, AudienceId(audience_id))
    return explaining.explain(of.accounts, of.audiences, of.profiles, *audience, user, at or now, now)


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _view(audience_id: AudienceId) -> AudienceView:
    of, account_id, now = wiring.stores(), account_of(app), edge.now()
    found = listings.one(of.audiences, of.outputs, of.memberships, account_id, audience_id, edge.milliseconds(now))
    calculating = jobs.calculating(wiring_management.jobs(), account_id, [found.audience], now)
    return audience_view(found, calculating.get(audience_id), now)


def _ok(audience_id: AudienceId) -> Response[Any]:
    view = _view(audience_id)
    return Response(HTTPStatus.OK, "application/json", view, {"ETag": etag(view.version)})


def _plain(body: DryRun) -> Response[AudienceView | DryRun]:
    return Response(HTTPStatus.OK, "application/json", body)


def _created(make: Callable[[], AudienceView], now: datetime) -> Response[AudienceView]:
    stores = wiring.stores()
    request = edge.create_of(app.current_event.raw_event, account_of(app))
    view = once(stores.audiences, request, now, AudienceView, make)
    headers = {"ETag": etag(view.version), "Location": f"/v1/audiences/{view.id}"}
    return Response(HTTPStatus.CREATED, "application/json", view, headers)


def _tags(audience: Audience) -> Response[AudienceTags]:
    tags = AudienceTags(tags=audience.tags)
    return Response(HTTPStatus.OK, "application/json", tags, {"ETag": etag(audience.version)})
