"""Takes accepted batches and re-evaluations off the events queue and brings profiles up to date."""

import time
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.domain.messages import PipelineMessage
from audience_core.persistence.queues import decode
from audience_core.pipeline.process import process

logger = Logger()
copy_config_to_registered_loggers(logger)
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All messages as one group; should that fail, each by itself, so that one bad message holds up no other."""
    messages = {record["messageId"]: decode(record["body"]) for record in event["Records"]}
    metrics.add_metric("MessagesProcessed", MetricUnit.Count, len(messages))
    try:
        process(wiring.pipeline(), list(messages.values()), _now_ms())
        failed: list[str] = []
    except Exception:
        logger.exception("message group failed", extra={"messages": len(messages)})
        failed = [message_id for message_id, message in messages.items() if not _succeeds(message)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _succeeds(message: PipelineMessage) -> bool:
    try:
        process(wiring.pipeline(), [message], _now_ms())
    except Exception:
        logger.exception("message failed")
        return False
    return True


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
