"""Every night: starts the compaction of each account's archive."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: account_id for one account alone."""
    stores, purpose = wiring.stores(), datetime.now(UTC).strftime("%Y%m%dT%H%M")
    chosen = [account.account_id for account in stores.accounts.all()]
    if "account_id" in event:
        chosen = [each for each in chosen if each == event["account_id"]]
    runs = [stores.workflows.start_compaction(account_id, purpose) for account_id in chosen]
    logger.info("compactions started", extra={"count": len(runs)})
    return {"started": len(runs), "runs": runs[:100]}
