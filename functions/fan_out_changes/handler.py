"""Reads the profiles table's stream and brings member lists, counts and the delivery ledger up to date."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.persistence.profiles import profile_from_image
from audience_core.pipeline.fan_out import ProfileChange, fan_out

logger = Logger()
copy_config_to_registered_loggers(logger)
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All records or none: on an error the stream starts again at the first, which repeats nothing that counts."""
    records = event["Records"]
    changes = [_change(record["dynamodb"]) for record in records]
    metrics.add_metric("ProfileChanges", MetricUnit.Count, len(changes))
    try:
        fan_out(wiring.fan_out(), changes, time.time_ns() // 1_000_000)
    except Exception:
        logger.exception("fan-out failed", extra={"records": len(records)})
        return {"batchItemFailures": [{"itemIdentifier": records[0]["dynamodb"]["SequenceNumber"]}]}
    return {"batchItemFailures": []}


def _change(record: dict[str, Any]) -> ProfileChange:
    return ProfileChange(
        old=profile_from_image(record["OldImage"]) if "OldImage" in record else None,
        new=profile_from_image(record["NewImage"]) if "NewImage" in record else None,
        sequence=record["SequenceNumber"],
        at=int(record["ApproximateCreationDateTime"] * 1000),
    )
