"""Every minute: queues the profiles whose next instant of change comes, and says how far behind the clock they are."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.pipeline.reevaluate import reevaluate_due

# Left for the page under way and for what follows the last one.
MARGIN_MS = 10_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    stores = wiring.stores()
    until_ms = clock.now_ms() + context.get_remaining_time_in_millis() - MARGIN_MS
    run = reevaluate_due(stores.profiles, stores.marks, stores.reevaluations, clock.now_ms, until_ms)
    metrics.add_metric("ProfilesDue", MetricUnit.Count, run.queued)
    metrics.add_metric("ProfilesRecovered", MetricUnit.Count, run.recovered)
    metrics.add_metric("ReevaluationLag", MetricUnit.Milliseconds, run.lag_ms)
    logger.info("due profiles queued", extra=asdict(run))
    return asdict(run)
