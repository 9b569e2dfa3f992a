"""Reads the stream of the sharing table and tells both parties of offers, answers and ends."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.persistence.sharing_items import arrangement_from_image
from audience_core.pipeline.notify_sharing import notify_sharing
from audience_core.pipeline.stream_records import failed_records

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Every record is tried; the stream starts again at the first that failed, and what was told is not told again."""
    failed = failed_records(event["Records"], _succeeds)
    metrics.add_metric("SharingNoticesFailed", MetricUnit.Count, len(failed))
    return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in failed[:1]]}


def _succeeds(change: dict[str, Any]) -> bool:
    try:
        found = arrangement_from_image(change.get("NewImage"))
        if found is not None:
            notify_sharing(wiring.sharing_notices(), *found)
    except Exception:
        logger.exception("a party was not told of sharing", extra={"sequence": change["SequenceNumber"]})
        return False
    return True
