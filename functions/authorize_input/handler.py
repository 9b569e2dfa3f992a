"""Lambda authorizer of the ingest routes: HTTP Basic with the key and secret of an input."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.errors import UnauthenticatedError
from audience_core.pipeline.authorize_input import authorize_input

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """The simple response of payload format 2.0; a missing header never comes here, API Gateway answers it with 401."""
    headers = {name.lower(): value for name, value in (event.get("headers") or {}).items()}
    try:
        found = authorize_input(wiring.stores().workspaces, headers.get("authorization", ""), datetime.now(UTC))
    except UnauthenticatedError:
        metrics.add_metric("CredentialsRefused", MetricUnit.Count, 1)
        return {"isAuthorized": False}
    metrics.add_metric("CredentialsAccepted", MetricUnit.Count, 1)
    return {
        "isAuthorized": True,
        "context": {
            "account_id": str(found.account_id),
            "workspace_id": found.workspace_id,
            "input_id": found.input_id,
        },
    }
