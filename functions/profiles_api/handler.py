"""HTTP API of profiles: looking users up, erasing them, and the receipts of that."""

from http import HTTPStatus
from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring, wiring_management
from audience_core.api import edge
from audience_core.api.cursor import Cursors
from audience_core.api.profile_views import ErasureView, ProfileView, erasure_view, profile_view
from audience_core.api.routing import Next, account_of, answer, new_api
from audience_core.api.views import Listing
from audience_core.domain.event import Identity
from audience_core.domain.ids import Mpid
from audience_core.errors import InvalidInputError, NotFoundError
from audience_core.management import erasures
from audience_core.management.jobs import Report
from audience_core.pipeline.wire.identities import identity_of

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()

MPID = Annotated[str, Path(pattern=r"^-?[0-9]{1,19}$")]
IdentityType = Annotated[str, Query(description="For example email, or customer_id", max_length=256)]
IdentityValue = Annotated[str, Query(description="As a client would send it", min_length=1, max_length=4096)]
Archived = Annotated[bool, Query(description="Also when only the event archive may know it")]


@app.get("/v1/profiles", summary="Find profiles by an identity", tags=["profiles"])
def find_profiles(identity: IdentityValue, identity_type: IdentityType = "customer_id") -> Listing[ProfileView]:
    stores, account_id = wiring_management.profiles(), account_of(app)
    found = erasures.find(stores, account_id, _identity(identity_type, identity))
    outlines = wiring.stores().audiences.outlines(account_id)
    return Listing(items=tuple(profile_view(each, outlines) for each in found), next=None)


@app.get("/v1/profiles/<mpid>", summary="Get a profile", tags=["profiles"])
def get_profile(mpid: MPID) -> ProfileView:
    account_id = account_of(app)
    found = erasures.get(wiring_management.profiles(), account_id, _mpid(mpid))
    return profile_view(found, wiring.stores().audiences.outlines(account_id))


@app.delete("/v1/profiles/<mpid>", status_code=202, summary="Erase a profile", tags=["profiles"])
def erase_profile(mpid: MPID, archived: Archived = False) -> Response[ErasureView]:
    """Everywhere: in all stores, files and queues, and at every partner. The receipt says how far it has come."""
    return _begun(
        erasures.erase(wiring_management.profiles(), account_of(app), _mpid(mpid), edge.now(), is_archived=archived)
    )


@app.delete("/v1/profiles", status_code=202, summary="Erase everybody known by an identity", tags=["profiles"])
def erase_profiles(identity: IdentityValue, identity_type: IdentityType = "customer_id") -> Response[ErasureView]:
    """All profiles that hold it, as `DELETE /v1/profiles/{mpid}` does."""
    wanted = _identity(identity_type, identity)
    return _begun(erasures.erase_holders(wiring_management.profiles(), account_of(app), wanted, edge.now()))


@app.get("/v1/erasures", summary="List receipts of erasures, the latest first", tags=["profiles"])
def list_erasures(limit: Annotated[int, Query(ge=1, le=100)] = 50, after: Next = None) -> Listing[ErasureView]:
    found = erasures.receipts(wiring_management.profiles(), account_of(app), edge.now())
    cursors = Cursors(wiring.stores().signing_keys, account_of(app), "erasures")
    start = int(cursors.decode(after) or 0)
    more = str(start + limit) if len(found) > start + limit else None
    return Listing(items=tuple(map(erasure_view, found[start : start + limit])), next=cursors.encode(more))


@app.get("/v1/erasures/<erasure_id>", summary="Get the receipt of an erasure", tags=["profiles"])
def get_erasure(erasure_id: str) -> ErasureView:
    return erasure_view(erasures.receipt(wiring_management.profiles(), account_of(app), erasure_id, edge.now()))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _begun(report: Report) -> Response[ErasureView]:
    view = erasure_view(report)
    return Response(HTTPStatus.ACCEPTED, "application/json", view, {"Location": f"/v1/erasures/{view.id}"})


def _mpid(text: str) -> Mpid:
    mpid = int(text)
    if not -(2**63) <= mpid < 2**63:
        raise NotFoundError(f"there is no profile {text}")
    return Mpid(mpid)


def _identity(identity_type: str, value: str) -> Identity:
    """Normalised as that of a batch is."""
    found = identity_of(identity_type, value)
    if found is None:
        raise InvalidInputError(
            "nobody can be known by that", (("/query/identity_type", "is no identity type, or the value is empty"),)
        )
    return found
