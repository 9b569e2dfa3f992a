"""Takes accepted batches and re-evaluations off the events queue and brings profiles up to date."""

from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_evaluation
from audience_core.domain.messages import AcceptedBatch, PipelineMessage
from audience_core.persistence.queues import unpack
from audience_core.pipeline.process import process
from audience_core.tracing import traced

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """All as one group; should that fail, each queue message by itself, so that a bad one holds up no other."""
    messages = {record["messageId"]: unpack(record["body"]) for record in event["Records"]}
    group = [message for packed in messages.values() for message in packed]
    metrics.add_metric("MessagesProcessed", MetricUnit.Count, len(group))
    causes = {each.correlation_id for each in group if isinstance(each, AcceptedBatch) and each.correlation_id}
    logger.info("messages taken", extra={"messages": len(group), "correlation_ids": sorted(causes)})
    try:
        with traced("process", causes):
            process(wiring_evaluation.pipeline(), group, clock.now_ms())
        failed: list[str] = []
    except Exception:
        logger.exception("message group failed", extra={"messages": len(messages)})
        failed = [message_id for message_id, packed in messages.items() if not _succeeds(packed)]
    return {"batchItemFailures": [{"itemIdentifier": message_id} for message_id in failed]}


def _succeeds(messages: list[PipelineMessage]) -> bool:
    try:
        process(wiring_evaluation.pipeline(), messages, clock.now_ms())
    except Exception:
        logger.exception("message failed")
        return False
    return True
