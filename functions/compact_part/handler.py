"""Does one part of a compaction of the archive: a chunk of raw files, or a shard."""

from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers
from aws_lambda_powertools.utilities.typing import LambdaContext

from audience_core import clock, wiring_archive
from audience_core.domain.ids import AccountId
from audience_core.domain.job import JobStep
from audience_core.pipeline.compaction_parts import PartOrder, note_error, work

logger = Logger()
copy_config_to_registered_loggers(logger, include={"audience_core"})


@logger.inject_lambda_context
def lambda_handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """`event`: step, account_id, job_id, token, and the number of the chunk or shard."""
    order = PartOrder(
        account_id=AccountId(event["account_id"]),
        job_id=event["job_id"],
        token=event["token"],
        step=JobStep(event["step"]),
        number=event["number"],
    )
    try:
        part = work(wiring_archive.compaction(), order, clock.now_ms)
    except Exception as error:
        note_error(wiring_archive.compaction(), order, f"{type(error).__name__}: {error}")
        raise
    return {"number": order.number, "looked_at": part.looked_at}
