"""Some pages of a connection's fill or withdrawal: as many as fit into one invocation."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.domain import profile
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.output import DELIVERY_BUCKETS
from audience_core.pipeline import fill_job
from audience_core.pipeline.fill_connection import fill_bucket, wake_connection, withdraw_bucket

# A page begins only with this much time left to finish it.
RESERVE_MS = 20_000
WORK = {"fill": fill_bucket, "withdraw": withdraw_bucket}
BUCKETS = {"fill": profile.BUCKETS, "withdraw": DELIVERY_BUCKETS}

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: work (fill, withdraw or wake), account_id, connection_id, version, token, bucket and, later, cursor."""
    connection, stores = (AccountId(event["account_id"]), ConnectionId(event["connection_id"])), wiring.stores()
    if event["work"] == "wake":
        wake_connection(stores, *connection, clock.now_ms())
        return event
    job_id = fill_job.fill_id(connection[1], event["version"])
    of_job = (connection[0], job_id, event["token"], event["bucket"], BUCKETS[event["work"]])
    part = fill_job.note_bucket(stores.jobs, *of_job, clock.now_ms())
    until_ms = clock.until_ms(context, RESERVE_MS)
    work = WORK[event["work"]]
    cursor = work(stores, *connection, event["bucket"], event.get("cursor"), clock.now_ms, until_ms)
    if cursor is None:
        fill_job.note_done(stores.jobs, part)
    return {**event, "cursor": cursor, "is_done": cursor is None}
