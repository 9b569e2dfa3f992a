"""Some pages of a connection's fill or withdrawal: as many as fit into one invocation."""

import time
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.pipeline.fill_connection import fill_bucket, wake_connection, withdraw_bucket

# A page begins only with this much time left to finish it.
RESERVE_MS = 20_000
WORK = {"fill": fill_bucket, "withdraw": withdraw_bucket}

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: work (fill, withdraw or wake), account_id, connection_id, bucket and, after the first time, cursor."""
    connection = AccountId(event["account_id"]), ConnectionId(event["connection_id"])
    if event["work"] == "wake":
        wake_connection(wiring.stores(), *connection, _now_ms())
        return event
    until_ms = _now_ms() + max(0, context.get_remaining_time_in_millis() - RESERVE_MS)
    work = WORK[event["work"]]
    cursor = work(wiring.stores(), *connection, event["bucket"], event.get("cursor"), _now_ms, until_ms)
    return {**event, "cursor": cursor, "is_done": cursor is None}


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
