"""Takes changes of shared audiences off their queue and brings the ledgers of receivers' connections up to date."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_outputs
from audience_core.persistence.queues import decode_shared
from audience_core.pipeline.fan_out_shared import fan_out_shared
from audience_core.tracing import traced

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    processor = BatchProcessor(event_type=EventType.SQS)
    answer = process_partial_response(event=event, record_handler=_handle, processor=processor, context=context)
    return dict(answer)


def _handle(record: SQSRecord) -> None:
    changes = decode_shared(record.body)
    causes = {each.correlation_id for each in changes if each.correlation_id}
    logger.info("shared changes taken", extra={"changes": len(changes), "correlation_ids": sorted(causes)})
    with traced("fan out shared", causes):
        fan_out_shared(wiring_outputs.fan_out_shared(), changes, clock.now_ms())
