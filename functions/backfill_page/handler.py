"""Goes on with one part of a backfill: as many pages of profiles as fit into one invocation."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_evaluation
from audience_core.domain.ids import AccountId
from audience_core.domain.job import JobStep
from audience_core.pipeline.backfill_parts import Order, note_error, work

# A page begins only with this much time left to finish it.
RESERVE_MS = 30_000

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step, account_id, program_version, token, and the part's first and last bucket."""
    order = Order(
        account_id=AccountId(event["account_id"]),
        program_version=event["program_version"],
        token=event["token"],
        step=JobStep(event["step"]),
        first=event["first"],
        last=event["last"],
    )
    until_ms = clock.until_ms(context, RESERVE_MS)
    try:
        part = work(wiring_evaluation.backfill(), order, clock.now_ms, until_ms)
    except Exception as error:
        note_error(wiring_evaluation.backfill(), order, f"{type(error).__name__}: {error}")
        raise
    return {**event, "is_done": part.is_done, "waits": not part.is_done and clock.now_ms() < until_ms}
