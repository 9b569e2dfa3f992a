"""The steps of the workflow that sends a lifetime audience."""

from datetime import UTC, datetime
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_outputs
from audience_core.domain.ids import AccountId
from audience_core.domain.job import JobStep
from audience_core.pipeline import leases, send
from audience_core.pipeline.send_parts import SendOrder, note_error, work

# A page begins only with this much time left to finish it.
RESERVE_MS = 20_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step (plan, publish, withdraw, watch or fail), account_id, job_id.

    To plan and to fail also the run, and the token it was started with or the error; to all others the token that plan
    gave. To publish and withdraw also the part and its place; they give their event back, with `is_done`.
    """
    stores, now = wiring_outputs.sender(), datetime.now(UTC)
    job = AccountId(event["account_id"]), event["job_id"]
    match event["step"]:
        case "plan":
            return send.plan(stores, *job, event["token"], event["run"], now)
        case "publish" | "withdraw" as step:
            order = SendOrder(*job, event["token"], JobStep(step), event["part"], event["place"])
            return {**event, "is_done": _worked(order, context)}
        case "watch":
            return {"is_done": send.watch(stores, *job, event["token"], now)}
        case "fail":
            error = leases.explained(stores.jobs, *job, event["error"])
            leases.fail(stores.jobs, *job, event["run"], error, now)
            return {}
    raise ValueError(f"unknown step {event['step']}")


def _worked(order: SendOrder, context: LambdaContext) -> bool:
    until_ms = clock.until_ms(context, RESERVE_MS)
    try:
        return work(wiring_outputs.sender(), order, clock.now_ms, until_ms).is_done
    except Exception as error:
        note_error(wiring_outputs.sender(), order, f"{type(error).__name__}: {error}")
        raise
