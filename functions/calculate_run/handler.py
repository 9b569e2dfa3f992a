"""The single steps of a calculation of lifetime audiences: its beginning and its end."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring_archive
from audience_core.domain.ids import AccountId
from audience_core.pipeline import leases, lifetime

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (plan, finish or fail), account_id, job_id, token, run; to fail also error."""
    stores, now = wiring_archive.calculation(), datetime.now(UTC)
    account_id, job_id = AccountId(event["account_id"]), event["job_id"]
    match event["step"]:
        case "plan":
            return lifetime.plan(stores, account_id, job_id, event["token"], event["run"], now)
        case "finish":
            return {"state": lifetime.finish(stores, account_id, job_id, event["token"], now)}
        case "fail":
            error = leases.explained(stores.jobs, account_id, job_id, event["error"])
            leases.fail(stores.jobs, account_id, job_id, event["run"], error, now)
            return {"state": "failed"}
        case step:
            raise ValueError(f"a calculation has no step {step}")
