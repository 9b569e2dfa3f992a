"""The steps of the workflow that erases users."""

from dataclasses import asdict
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_outputs
from audience_core.domain.ids import AccountId
from audience_core.pipeline import erasure

# For what comes after the raw archive in a visit.
RESERVE_MS = 60_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (begin, visit or fail), account_id, job_id.

    To begin also the token of the job's attempt and the run; to visit the token that begin gave; to fail the run and
    the error. Visit gives `is_done` and `wait_s`, the seconds until the next one.
    """
    stores, job = wiring_outputs.eraser(), (AccountId(event["account_id"]), event["job_id"])
    match event["step"]:
        case "begin":
            return {"token": erasure.begin(stores, *job, event["token"], event["run"], clock.now_ms())}
        case "visit":
            until_ms = clock.until_ms(context, RESERVE_MS)
            return asdict(erasure.visit(stores, *job, event["token"], clock.now_ms, until_ms))
        case "fail":
            erasure.fail(stores, *job, event["run"], event["error"], clock.now_ms())
            return {}
    raise ValueError(f"unknown step {event['step']}")
