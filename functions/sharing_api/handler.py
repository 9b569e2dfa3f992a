"""HTTP API of sharing: opting in, offers, what is shared and what is received, and the log of it all."""

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
from audience_core.api.etag import required_version
from audience_core.api.idempotency import once
from audience_core.api.principal import principal_of
from audience_core.api.routing import IdempotencyKey, IfMatch, Next, answer, new_api, ok
from audience_core.api.sharing_views import (
    OfferView,
    ReceivedList,
    ReceivedView,
    ReceiverView,
    ReceivingView,
    SharedView,
    SharingLogView,
    TermsView,
    offer_view,
    received_view,
    receiver_view,
    receiving_view,
    shared_view,
    sharing_log_view,
)
from audience_core.api.views import Listing
from audience_core.domain.ids import AudienceId
from audience_core.domain.sharing import LIVE, ArrangementState, Receiving, Side
from audience_core.management import receiving, sharing, sharing_listings
from audience_core.management.receiving import ReceivingEdit
from audience_core.management.sharing import NewOffers, Party
from audience_core.management.sharing_listings import ListingStores
from audience_core.management.sharing_terms import TERMS

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()

Limit = Annotated[int, Query(ge=1, le=100)]


@app.get("/v1/sharing/terms", summary="Read the terms of receiving", tags=["sharing"])
def get_terms() -> TermsView:
    """Whoever receives audiences has accepted the terms of this version."""
    return TermsView(version=TERMS.version, text=TERMS.text)


@app.get("/v1/sharing/receiving", summary="Get whether this account receives audiences", tags=["sharing"])
def get_receiving() -> Response[ReceivingView]:
    return _receiving(receiving.get(wiring_management.sharing(), _party()))


@app.patch("/v1/sharing/receiving", summary="Accept the terms, switch receiving on or off", tags=["sharing"])
def edit_receiving(body: ReceivingEdit, if_match: IfMatch = None) -> Response[ReceivingView]:
    """On needs the current terms and a logo. Off ends everything that is received or offered, for good."""
    version = required_version(if_match)
    return _receiving(receiving.edit(wiring_management.sharing(), _party(), version, body, edge.now()))


@app.get("/v1/sharing/receivers", summary="Find receivers", tags=["sharing"])
def list_receivers(
    q: Annotated[str, Query(max_length=100, description="Only those whose name contains this")] = "",
    limit: Limit = 50,
    after: Next = None,
) -> Listing[ReceiverView]:
    """Other accounts that receive audiences, by name."""
    of, mine, cursors = wiring.stores(), _party().account_id, _cursors(f"receivers {q}")
    page = of.sharing.receivers(q, cursors.decode(after), limit)
    items = tuple(receiver_view(each, of.logos) for each in page.items if each.account_id != mine)
    return Listing(items=items, next=cursors.encode(page.next))


@app.post("/v1/sharing/offers", status_code=201, summary="Offer audiences to receivers", tags=["sharing"])
def create_offers(body: NewOffers, idempotency_key: IdempotencyKey = None) -> Response[Listing[SharedView]]:
    """Each audience to each receiver; none, if one cannot be offered. Nothing is shared before it is accepted."""
    of, party, now = wiring.stores(), _party(), edge.now()

    def make() -> Listing[SharedView]:
        made = sharing.offer(wiring_management.sharing(), party, body, now)
        return Listing(
            items=tuple(map(shared_view, sharing_listings.all_shared(_listings(), made, edge.milliseconds(now))))
        )

    request = edge.create_of(app.current_event.raw_event, party.account_id)
    view = once(of.audiences, request, now, Listing[SharedView], make)
    return Response(HTTPStatus.CREATED, "application/json", view)


@app.get("/v1/sharing/offers", summary="List the offers that wait for an answer", tags=["sharing"])
def list_offers(limit: Limit = 50, after: Next = None) -> Listing[OfferView]:
    """Those to this account, the latest first."""
    cursors, states = _cursors("offers"), {ArrangementState.PENDING}
    position = cursors.decode(after)
    page = wiring.stores().sharing.arrangements(_party().account_id, Side.RECEIVER, states, position, limit)
    return Listing(items=tuple(map(offer_view, page.items)), next=cursors.encode(page.next))


@app.post("/v1/sharing/offers/<offer_id>/accept", summary="Accept an offer", tags=["sharing"])
def accept_offer(offer_id: str) -> ReceivedView:
    """From now on the audience can be connected, split, tagged, and exported where its initiator allows it."""
    party, now = _party(), edge.now()
    accepted = sharing.accept(wiring_management.sharing(), party, offer_id, now)
    found = sharing_listings.one_received(
        _listings(), party.account_id, accepted.arrangement_id, edge.milliseconds(now)
    )
    return received_view(found)


@app.post("/v1/sharing/offers/<offer_id>/reject", summary="Reject an offer", tags=["sharing"])
def reject_offer(offer_id: str) -> OfferView:
    return offer_view(sharing.reject(wiring_management.sharing(), _party(), offer_id, edge.now()))


@app.get("/v1/sharing/shared", summary="List what this account shares", tags=["sharing"])
def list_shared(
    status: Annotated[
        ArrangementState | None, Query(description="Only those of this status; by default pending and accepted ones")
    ] = None,
    audience: Annotated[int | None, Query(description="Only those of this audience")] = None,
    limit: Limit = 50,
    after: Next = None,
) -> Listing[SharedView]:
    """A row for each audience and receiver, the latest offer first; figures are some seconds old."""
    cursors, states = _cursors(f"shared {status} {audience}"), LIVE if status is None else {status}
    audience_id, position = None if audience is None else AudienceId(audience), cursors.decode(after)
    of = _listings(), _party().account_id
    page = sharing_listings.shared(*of, states, audience_id, position, limit, edge.milliseconds(edge.now()))
    return Listing(items=tuple(map(shared_view, page.items)), next=cursors.encode(page.next))


@app.get("/v1/sharing/shared/<shared_id>", summary="Get one shared audience with its receiver", tags=["sharing"])
def get_shared(shared_id: str) -> SharedView:
    of = _listings(), _party().account_id
    return shared_view(sharing_listings.one_shared(*of, shared_id, edge.milliseconds(edge.now())))


@app.delete(
    "/v1/sharing/shared/<shared_id>", status_code=204, summary="Take back an offer, or unshare", tags=["sharing"]
)
def end_shared(shared_id: str) -> Response[None]:
    """No member is forwarded any more; the receiver's partners are told to forget them. It cannot be undone."""
    sharing.unshare(wiring_management.sharing(), _party(), shared_id, edge.now())
    return Response(HTTPStatus.NO_CONTENT)


@app.get("/v1/sharing/received", summary="List what is shared with this account", tags=["sharing"])
def list_received(limit: Limit = 50, after: Next = None) -> ReceivedList:
    """The latest offer first; figures are some seconds old. `pending` counts offers without an answer."""
    cursors, account_id = _cursors("received"), _party().account_id
    position, now_ms = cursors.decode(after), edge.milliseconds(edge.now())
    page = sharing_listings.received(_listings(), account_id, position, limit, now_ms)
    return ReceivedList(
        items=tuple(map(received_view, page.items)),
        next=cursors.encode(page.next),
        pending=wiring.stores().sharing.pending(account_id),
    )


@app.get("/v1/sharing/received/<received_id>", summary="Get one received audience", tags=["sharing"])
def get_received(received_id: str) -> ReceivedView:
    of = _listings(), _party().account_id
    return received_view(sharing_listings.one_received(*of, received_id, edge.milliseconds(edge.now())))


@app.delete(
    "/v1/sharing/received/<received_id>", status_code=204, summary="Give up a received audience", tags=["sharing"]
)
def end_received(received_id: str) -> Response[None]:
    """Its connections go once their partners were told to forget the members. It cannot be undone."""
    sharing.remove(wiring_management.sharing(), _party(), received_id, edge.now())
    return Response(HTTPStatus.NO_CONTENT)


@app.get("/v1/sharing/log", summary="Read the log of sharing, the latest first", tags=["sharing"])
def list_log(limit: Limit = 50, after: Next = None) -> Listing[SharingLogView]:
    """Every step of this account, and those of other parties that concern it."""
    cursors = _cursors("sharing log")
    page = wiring.stores().sharing.log(_party().account_id, cursors.decode(after), limit)
    return Listing(items=tuple(map(sharing_log_view, page.items)), next=cursors.encode(page.next))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _party() -> Party:
    caller = principal_of(app.current_event.raw_event)
    return Party(caller.account_id, caller.client_id)


def _cursors(listing: str) -> Cursors:
    return Cursors(wiring.stores().signing_keys, _party().account_id, listing)


def _listings() -> ListingStores:
    of = wiring.stores()
    return ListingStores(of.audiences, of.outputs, of.summaries, of.sharing)


def _receiving(found: Receiving) -> Response[ReceivingView]:
    return ok(receiving_view(found, wiring.stores().logos))
