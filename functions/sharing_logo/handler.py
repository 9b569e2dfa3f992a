"""HTTP API of an account's logo: where to put the file, and what becomes of it. Alone in knowing how to read images."""

from http import HTTPStatus
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.logging import correlation_paths
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring, wiring_management
from audience_core.api import edge
from audience_core.api.principal import principal_of
from audience_core.api.routing import answer, new_api, ok
from audience_core.api.sharing_views import LogoUploadView, ReceivingView, logo_upload_view, receiving_view
from audience_core.images.logo import cleaned
from audience_core.management import receiving
from audience_core.management.receiving import NewLogo
from audience_core.management.sharing import Party

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
app = new_api()


@app.post("/v1/sharing/receiving/logo", status_code=201, summary="Begin to upload a logo", tags=["sharing"])
def begin_logo(body: NewLogo) -> Response[LogoUploadView]:
    """A PNG file of up to 1 MB and 2048 x 2048 pixels. PUT it to `url`, then ask for it to be used."""
    upload_id, upload = receiving.begin_logo(wiring.stores().logos, _party(), body)
    return Response(HTTPStatus.CREATED, "application/json", logo_upload_view(upload_id, upload))


@app.post("/v1/sharing/receiving/logo/<upload_id>/use", summary="Use what was uploaded as the logo", tags=["sharing"])
def use_logo(upload_id: str) -> Response[ReceivingView]:
    """It is checked by its content and written anew from its pixels; 422 says why it cannot be taken."""
    logos = wiring.stores().logos
    found = receiving.use_logo(wiring_management.sharing(), logos, cleaned, _party(), upload_id, edge.now())
    return ok(receiving_view(found, logos))


@logger.inject_lambda_context(correlation_id_path=correlation_paths.API_GATEWAY_HTTP)
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    return answer(app, event, context)


def _party() -> Party:
    caller = principal_of(app.current_event.raw_event)
    return Party(caller.account_id, caller.client_id)
