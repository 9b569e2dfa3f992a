"""Every five minutes, until all were looked at today: removes profiles not heard of for longer than they are kept."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.pipeline.retire import retire_profiles

# For the stretch under way.
MARGIN_MS = 20_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    stores = wiring.stores()
    until_ms = clock.now_ms() + context.get_remaining_time_in_millis() - MARGIN_MS
    run = retire_profiles(stores.accounts, stores.profiles, stores.marks, clock.now_ms, until_ms)
    metrics.add_metric("ProfilesRetired", MetricUnit.Count, run.retired)
    logger.info("profiles retired", extra=asdict(run))
    return asdict(run)
