"""Takes wake-ups off their queue and tells partners what has changed, one lane of a connection at a time."""

import os
import random
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import SqsFifoPartialProcessor, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.errors import RetryableDeliveryError
from audience_core.persistence.postponement import postpone
from audience_core.persistence.queues import decode_wake_up
from audience_core.pipeline.deliver import MAX_ATTEMPTS, delay_s, deliver
from audience_core.tracing import traced

# No batch begins when the partner could no longer use up its time and the answer still be written down.
RESERVE_MS = 30_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})
metrics = Metrics()


@logger.inject_lambda_context
@metrics.log_metrics
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    until_ms = clock.until_ms(context, RESERVE_MS)

    def handle(record: SQSRecord) -> None:
        _deliver(record, until_ms)

    processor = SqsFifoPartialProcessor(skip_group_on_error=True)
    # A partner that is down is no error of this function: the message alone says so.
    processor.raise_on_entire_batch_failure = False
    answer = process_partial_response(event=event, record_handler=handle, processor=processor, context=context)
    return dict(answer)


def _deliver(record: SQSRecord, until_ms: int) -> None:
    wake_up = decode_wake_up(record.body)
    logger.set_correlation_id(wake_up.correlation_id or record.message_id)
    attempt = int(record.attributes.approximate_receive_count)
    attempts = int(os.environ.get("DELIVERY_ATTEMPTS", MAX_ATTEMPTS))
    try:
        causes = [wake_up.correlation_id] if wake_up.correlation_id else []
        with traced("deliver", causes), wiring.send().kept_open() as send:
            told = deliver(wiring.stores(), send, wake_up, attempt, clock.now_ms, until_ms, attempts)
    except RetryableDeliveryError as error:
        seconds = delay_s(attempt, error.retry_after_s, random.random())
        logger.warning("delivery postponed", extra={"attempt": attempt, "seconds": seconds, "reason": str(error)})
        settings = wiring.settings()
        metrics.add_metric("DeliveriesPostponed", MetricUnit.Count, 1)
        postpone(settings["WAKE_UPS_QUEUE_URL"], record.receipt_handle, seconds, settings.region)
        raise
    metrics.add_metric("MembersForwarded", MetricUnit.Count, told.forwarded)
    metrics.add_metric("MembersRejected", MetricUnit.Count, told.rejected)
