"""The steps of a bulk connection: as many audiences as fit into one invocation, or a note why it cannot go on."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring, wiring_management
from audience_core.domain.ids import AccountId
from audience_core.management.connect_audiences import ConnectStores, fail, work_on

# An audience begins only with this much time left to finish it.
RESERVE_MS = 10_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (connect or fail), account_id, job_id, run; to fail also the error."""
    of = wiring.stores()
    stores = ConnectStores(of.jobs, wiring_management.own_and_received(), of.outputs, of.workflows)
    job = AccountId(event["account_id"]), event["job_id"], event["run"]
    match event["step"]:
        case "connect":
            until_ms = clock.until_ms(context, RESERVE_MS)
            return {"next": work_on(stores, *job, clock.now_ms, until_ms).value}
        case "fail":
            fail(stores, *job, event["error"], datetime.now(UTC))
            return {}
    raise ValueError(f"unknown step {event['step']}")
