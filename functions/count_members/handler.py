"""Reads the profiles table's stream, many records together, and brings sizes and audiences' logs up to date."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_counting
from audience_core.persistence.profiles import change_from_record
from audience_core.pipeline.count_members import count_members

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> None:
    """Should it fail, the stream brings all records again, in ever smaller batches."""
    records = event["Records"]
    metrics.add_metric("ProfileChangesCounted", MetricUnit.Count, len(records))
    changes = [change_from_record(record["dynamodb"]) for record in records]
    count_members(wiring_counting.counting(), changes, clock.now_ms())
