"""HTTP API of what is known: sizes over time, a user's audiences, and what definitions can speak of."""

from typing import Annotated, Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler.openapi.params import Path, Query
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.api import edge
from audience_core.api.routing import account_of, answer, new_api
from audience_core.domain.ids import AudienceId, InputId, Mpid, WorkspaceId
from audience_core.errors import NotFoundError
from audience_core.management import profile_memberships, sizes, suggestions
from audience_core.management.profile_memberships import ProfileMemberships
from audience_core.management.sizes import SizeSeries
from audience_core.management.suggestions import Suggestions

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()

MPID = Annotated[str, Path(pattern=r"^-?[0-9]{1,19}$")]
_LARGEST_MPID = 2**63


@app.get("/v1/suggestions", summary="Say what definitions can speak of", tags=["audiences"])
def list_suggestions(
    workspace: Annotated[
        list[str] | None, Query(description="Whose users; repeat it for several; all by default")
    ] = None,
    an_input: Annotated[
        list[str] | None, Query(alias="input", description="Whose events; repeat it for several; all by default")
    ] = None,
) -> Suggestions:
    """Names of events, attributes and identities, and values that several users share, from a sample of users."""
    of, event = wiring.stores(), app.current_event.raw_event
    chosen = map(WorkspaceId, edge.repeated(event, "workspace"))
    inputs = map(InputId, edge.repeated(event, "input"))
    return suggestions.suggest(of.workspaces, of.profiles, account_of(app), chosen, inputs)


@app.get("/v1/audiences/<audience_id>/sizes", summary="Say how large an audience was", tags=["audiences"])
def list_sizes(
    audience_id: int,
    days: Annotated[int, Query(ge=1, le=365, description="How far back; no further than the history is kept")] = 30,
) -> SizeSeries:
    """Points from the past up to now, with the joins and leaves of each step."""
    of, audience = wiring.stores(), (account_of(app), AudienceId(audience_id))
    return sizes.series(of.audiences, of.memberships, of.history, *audience, days, edge.now())


@app.get("/v1/profiles/<mpid>/memberships", summary="List the audiences a user is in", tags=["profiles"])
def list_memberships(mpid: MPID) -> ProfileMemberships:
    """Active ones, at this instant: since when, and until when if nothing happens."""
    of, profile = wiring.stores(), (account_of(app), _mpid(mpid))
    return profile_memberships.memberships(of.accounts, of.audiences, of.profiles, of.history, *profile, edge.now())


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _mpid(text: str) -> Mpid:
    mpid = int(text)
    if not -_LARGEST_MPID <= mpid < _LARGEST_MPID:
        raise NotFoundError(f"there is no profile {text}")
    return Mpid(mpid)
