"""The steps of the workflow that counts the outcomes of an A/B test."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring
from audience_core.domain.ids import AccountId
from audience_core.domain.job import JobState
from audience_core.management import outcome_runs

# A page begins only with this much time left to finish it.
RESERVE_MS = 20_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (begin, count, succeed or fail), account_id, job_id.

    To count also the token that begin gave, and the bucket; to all others the run; to fail the error. Count gives its
    event back, with `is_done`.
    """
    stores, now = wiring.stores(), datetime.now(UTC)
    job = AccountId(event["account_id"]), event["job_id"]
    match event["step"]:
        case "begin":
            return {"token": outcome_runs.begin(stores.jobs, *job, event["run"], now)}
        case "count":
            until_ms = clock.until_ms(context, RESERVE_MS)
            is_done = outcome_runs.count(stores, *job, event["token"], event["bucket"], clock.now_ms, until_ms)
            return {**event, "is_done": is_done}
        case "succeed":
            outcome_runs.end(stores.jobs, *job, event["run"], JobState.SUCCEEDED, "", now)
            return {}
        case "fail":
            outcome_runs.end(stores.jobs, *job, event["run"], JobState.FAILED, event["error"], now)
            return {}
    raise ValueError(f"unknown step {event['step']}")
