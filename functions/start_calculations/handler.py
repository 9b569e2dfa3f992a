"""Every night: begins the calculations of lifetime audiences that are due by their schedules."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.management.calculations import CalculationStores
from audience_core.management.recalculations import recalculate_due

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: account_id for one account alone."""
    of = wiring.stores()
    chosen = [each for each in of.accounts.all() if each.account_id == event.get("account_id", each.account_id)]
    stores = CalculationStores(of.accounts, of.audiences, of.shards, of.jobs, of.workflows)
    begun = recalculate_due(stores, chosen, datetime.now(UTC))
    logger.info("calculations begun", extra={"count": len(begun)})
    return {"started": len(begun), "runs": [f"{each.account_id}-{each.job_id}" for each in begun[:100]]}
