"""Reads the counts table's stream and refreshes the summaries of the audiences that were counted anew."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.persistence.summaries import count_changes
from audience_core.pipeline.summarise import summarise

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Should one fail, the stream brings all records again, in ever smaller batches."""
    changes = count_changes(event["Records"])
    metrics.add_metric("SummariesRefreshed", MetricUnit.Count, len(changes))
    summarise(wiring.stores().summaries, changes, clock.now_ms())
