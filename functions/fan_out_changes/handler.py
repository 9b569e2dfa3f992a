"""Reads the profiles table's stream and brings history, member lists and the delivery ledger up to date."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_outputs
from audience_core.persistence.profiles import change_from_record
from audience_core.pipeline.fan_out import fan_out
from audience_core.tracing import traced

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All records together; should that fail, one by one up to the first that fails: there the stream starts again."""
    records = event["Records"]
    metrics.add_metric("ProfileChanges", MetricUnit.Count, len(records))
    try:
        _apply(records)
        failed = None
    except Exception:
        logger.exception("fan-out of a batch failed", extra={"records": len(records)})
        failed = next((record for record in records if not _succeeds(record)), None)
    return {"batchItemFailures": [{"itemIdentifier": failed["dynamodb"]["SequenceNumber"]}] if failed else []}


def _apply(records: list[dict[str, Any]]) -> None:
    changes = [change_from_record(record["dynamodb"]) for record in records]
    causes = {change.new.cause for change in changes if change.new is not None and change.new.cause}
    logger.info("changes taken", extra={"changes": len(changes), "correlation_ids": sorted(causes)})
    with traced("fan out", causes):
        fan_out(wiring_outputs.fan_out(), changes, clock.now_ms())


def _succeeds(record: dict[str, Any]) -> bool:
    try:
        _apply([record])
    except Exception:
        logger.exception("fan-out failed", extra={"sequence": record["dynamodb"]["SequenceNumber"]})
        return False
    return True
