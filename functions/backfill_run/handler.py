"""The single steps of a backfill: its beginning, the change-over to staged definitions, and its end."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import wiring_evaluation
from audience_core.domain.ids import AccountId
from audience_core.pipeline import backfill, leases

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (plan, take_over, finish or fail), account_id, program_version, token, run; to fail also error."""
    stores, now = wiring_evaluation.backfill(), datetime.now(UTC)
    account_id, program_version = AccountId(event["account_id"]), int(event["program_version"])
    match event["step"]:
        case "plan":
            return backfill.plan(stores, account_id, program_version, event["token"], event["run"], now)
        case "take_over":
            return {"go": backfill.take_over(stores, account_id, program_version, event["token"], now)}
        case "finish":
            return {"state": backfill.finish(stores, account_id, program_version, event["token"], now)}
        case "fail":
            job_id = backfill.job_id_of(program_version)
            leases.fail(stores.jobs, account_id, job_id, event["run"], event["error"], now)
            return {"state": "failed"}
        case step:
            raise ValueError(f"a backfill has no step {step}")
