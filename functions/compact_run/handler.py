"""The single steps of a compaction of the archive: its beginning, what comes between its parts, and its end."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring_archive
from audience_core.domain.ids import AccountId
from audience_core.pipeline import compaction, leases

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (plan, gather, commit or fail), account_id; to plan: token, run; after that: job_id, token;

    to fail: job_id, run, error.
    """
    stores, now = wiring_archive.compaction(), datetime.now(UTC)
    account_id = AccountId(event["account_id"])
    match event["step"]:
        case "plan":
            return compaction.plan(stores, account_id, event["token"], event["run"], now)
        case "gather":
            return compaction.gather(stores, account_id, event["job_id"], event["token"], now)
        case "commit":
            return {"state": compaction.commit(stores, account_id, event["job_id"], event["token"], now)}
        case "fail":
            error = leases.explained(stores.jobs, account_id, event["job_id"], event["error"])
            leases.fail(stores.jobs, account_id, event["job_id"], event["run"], error, now)
            return {"state": "failed"}
        case step:
            raise ValueError(f"a compaction has no step {step}")
