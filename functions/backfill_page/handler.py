"""One page of the backfill of an account: evaluates stored profiles against the current definitions."""

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.domain.ids import AccountId
from audience_core.pipeline.reevaluate import backfill_page

PROFILES_PER_PAGE = 200

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: account_id, bucket and, after the first page, cursor and the count so far."""
    count, cursor = backfill_page(
        wiring.pipeline(),
        AccountId(event["account_id"]),
        event["bucket"],
        event.get("cursor"),
        PROFILES_PER_PAGE,
        time.time_ns() // 1_000_000,
    )
    return {**event, "cursor": cursor, "count": event.get("count", 0) + count, "is_done": cursor is None}
