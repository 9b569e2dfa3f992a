"""Every minute: wakes up deliveries that were left behind."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.pipeline.sweep_ledger import sweep_ledger

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, int]:
    stores = wiring.stores()
    awakened = sweep_ledger(stores.ledger, stores.outputs, stores.wake_ups, clock.now_ms())
    metrics.add_metric("LanesAwakened", MetricUnit.Count, awakened)
    return {"awakened": awakened}
