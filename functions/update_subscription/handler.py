"""The steps of a connection's workflow that speak to the partner, and the one that notes why they could not."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring
from audience_core.domain.ids import AccountId, ConnectionId
from audience_core.domain.job import JobState
from audience_core.domain.output import FaultKind
from audience_core.pipeline import fill_job
from audience_core.pipeline.partner_link import record_fault
from audience_core.pipeline.update_subscription import finish_deletion, update_subscription

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (announce, finish, succeed or fail), account_id, connection_id, version, run.

    To announce and finish also retries; to fail, the error.
    """
    stores, now = wiring.stores(), datetime.now(UTC)
    connection = AccountId(event["account_id"]), ConnectionId(event["connection_id"])
    job = (stores.jobs, *connection, int(event["version"]), event["run"])
    match event["step"]:
        case "announce":
            token = fill_job.begin(*job, now)
            work = update_subscription(stores, wiring.send(), *connection, event["retries"] + 1, now)
            return {"work": work.value, "token": token}
        case "finish":
            return {"is_done": finish_deletion(stores, wiring.send(), *connection, event["retries"] + 1, now)}
        case "succeed":
            fill_job.end(*job, JobState.SUCCEEDED, "", now)
            return {}
        case "fail":
            fill_job.end(*job, JobState.FAILED, event["error"], now)
            reason = f"the connection could not be brought up to date: {event['error']}"
            record_fault(stores.outputs, *connection, FaultKind.PARTNER_ERROR, reason, int(now.timestamp() * 1000))
            return {}
    raise ValueError(f"unknown step {event['step']}")
