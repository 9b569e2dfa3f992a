"""Reads the stream of the sharing table and deletes what receivers connected to audiences that are shared no more."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring, wiring_management
from audience_core.management.shared_connections import follow
from audience_core.persistence.sharing_items import arrangement_from_image, receiving_from_image
from audience_core.pipeline.stream_records import failed_records

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Every record is tried; the stream starts again at the first that failed, and what was done is not done again."""
    failed = failed_records(event["Records"], _succeeds)
    return {"batchItemFailures": [{"itemIdentifier": record["dynamodb"]["SequenceNumber"]} for record in failed[:1]]}


def _succeeds(change: dict[str, Any]) -> bool:
    of, image = wiring.stores(), change.get("NewImage")
    try:
        arrangement, receiving = arrangement_from_image(image), receiving_from_image(image)
        follow(wiring_management.sharing(), of.outputs, of.workflows, arrangement, receiving, datetime.now(UTC))
    except Exception:
        logger.exception("a sharing was not brought to its end", extra={"sequence": change["SequenceNumber"]})
        return False
    return True
