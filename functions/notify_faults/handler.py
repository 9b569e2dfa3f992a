"""Reads the stream of the outputs table and tells owners of connections that were faulted."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.persistence.outputs import connection_from_image
from audience_core.pipeline.notify_fault import notify_fault
from audience_core.pipeline.stream_records import failed_records

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Every record is tried; the stream starts again at the first that failed, and what was told is not told again."""
    failed = failed_records(event["Records"], _succeeds)
    metrics.add_metric("FaultNoticesFailed", MetricUnit.Count, len(failed))
    sequences = [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in failed[:1]]
    return {"batchItemFailures": sequences}


def _succeeds(change: dict[str, Any]) -> bool:
    try:
        new, old = (connection_from_image(change.get(name)) for name in ("NewImage", "OldImage"))
        if new is not None and (old is None or old.fault != new.fault):
            metrics.add_metric("ConnectionsFaulted", MetricUnit.Count, 1)
            notify_fault(wiring.notices(), new)
    except Exception:
        logger.exception("an owner was not told of a fault", extra={"sequence": change["SequenceNumber"]})
        return False
    return True
